// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest, packing and dequantizing a weight; bytes per second are of the float weight.

#include "RandomData.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Rtn.h"
#include <benchmark/benchmark.h>

using namespace ptq::numerics;
using ptq::benchmarks::randomMatrix;
using ptq::benchmarks::valueOf;

namespace {

QuantizedWeight quantized(int64_t n, const WeightScheme &scheme) {
  std::vector<float> w = randomMatrix(n, n, 1);
  return valueOf(quantizeRtn(ConstMatrix(w.data(), n, n), scheme));
}

void setBytes(benchmark::State &state, int64_t n) {
  state.SetBytesProcessed(state.iterations() * n * n * static_cast<int64_t>(sizeof(float)));
}

/// Arguments: width; 1 for the mse range search.
void Rtn(benchmark::State &state) {
  int64_t n = state.range(0);
  std::vector<float> w = randomMatrix(n, n, 1);
  WeightScheme scheme;
  scheme.mse = state.range(1) != 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(valueOf(quantizeRtn(ConstMatrix(w.data(), n, n), scheme)));
  setBytes(state, n);
}
BENCHMARK(Rtn)->Args({4096, 0})->Args({4096, 1})->Unit(benchmark::kMillisecond)->UseRealTime();

void Dequantize(benchmark::State &state) {
  int64_t n = state.range(0);
  QuantizedWeight weight = quantized(n, WeightScheme());
  std::vector<float> out(n * n);
  for (auto _ : state)
    dequantize(weight, MutableMatrix(out.data(), n, n));
  setBytes(state, n);
}
BENCHMARK(Dequantize)->Arg(4096)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Arguments: width; bits.
void Pack(benchmark::State &state) {
  int64_t n = state.range(0);
  WeightScheme scheme;
  scheme.bits = static_cast<unsigned>(state.range(1));
  QuantizedWeight weight = quantized(n, scheme);
  for (auto _ : state)
    benchmark::DoNotOptimize(packCodes(weight.codes, n, n, scheme.bits));
  setBytes(state, n);
}
BENCHMARK(Pack)->ArgsProduct({{4096}, {2, 3, 4, 8}})->Unit(benchmark::kMillisecond)->UseRealTime();

/// Arguments: width; bits.
void Unpack(benchmark::State &state) {
  int64_t n = state.range(0);
  WeightScheme scheme;
  scheme.bits = static_cast<unsigned>(state.range(1));
  std::vector<uint32_t> words = packCodes(quantized(n, scheme).codes, n, n, scheme.bits);
  for (auto _ : state)
    benchmark::DoNotOptimize(unpackCodes(words, n, n, scheme.bits));
  setBytes(state, n);
}
BENCHMARK(Unpack)
    ->ArgsProduct({{4096}, {2, 3, 4, 8}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

} // namespace

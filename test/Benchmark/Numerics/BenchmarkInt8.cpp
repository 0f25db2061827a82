// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A linear layer with 8-bit integers against the same one in float32 (OpenBLAS SGEMM). Arguments:
// tokens, input channels, output channels. `speedup` is SGEMM's time over this one's, both the
// least of interleaved runs, so that a machine that is slow for a while slows both.

#include "RandomData.h"
#include "ptq/Numerics/ActivationRounding.h"
#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <benchmark/benchmark.h>
#include <cblas.h>
#include <chrono>

using namespace ptq::numerics;
using ptq::benchmarks::randomMatrix;

namespace {

enum class Weight { Plain, Prepared };
enum class Layer {
  Product, ///< int8 in, int32 out.
  Full     ///< float in and out: quantized per token before, scaled and biased after.
};

struct Data {
  int64_t tokens, in, out;
  std::vector<float> x, w, y, scales, weightScales, bias;
  std::vector<int8_t> codes, weight;
  std::vector<int32_t> sums;

  explicit Data(const benchmark::State &state)
      : tokens(state.range(0)), in(state.range(1)), out(state.range(2)),
        x(randomMatrix(tokens, in, 1)), w(randomMatrix(out, in, 2)), y(tokens * out),
        scales(tokens), weightScales(out, 0.01f), bias(randomMatrix(1, out, 3)), codes(tokens * in),
        weight(out * in), sums(tokens * out) {
    for (size_t i = 0; i < weight.size(); ++i)
      weight[i] = static_cast<int8_t>(std::clamp(w[i] * 40, -127.0f, 127.0f));
    quantize();
  }

  void sgemm() {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tokens, out, in, 1, x.data(), in, w.data(),
                in, 0, y.data(), out);
  }

  void quantize() {
    ConstMatrix input(x.data(), tokens, in);
    computeTokenParameters(input, {}, ActivationScheme(), scales, {});
    quantizeActivations(input, {}, ActivationScheme(), scales, {},
                        MatrixRef<int8_t>(codes.data(), tokens, in));
  }

  void multiply(const Int8Weight *prepared) {
    MatrixRef<const int8_t> a(codes.data(), tokens, in), b(weight.data(), out, in);
    MatrixRef<int32_t> c(sums.data(), tokens, out);
    prepared ? prepared->multiply(a, c) : multiplyInt8(a, b, c);
  }

  void finish() {
    parallelFor(0, tokens, 16, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        for (int64_t j = 0; j < out; ++j)
          y[i * out + j] =
              static_cast<float>(sums[i * out + j]) * weightScales[j] * scales[i] + bias[j];
    });
  }
};

template <typename Body> double secondsOf(Body body) {
  auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Int8Linear(benchmark::State &state, Weight weight, Layer layer) {
  Data data(state);
  Int8Weight prepared(MatrixRef<const int8_t>(data.weight.data(), data.out, data.in));
  double leastFloat = 1e9, leastInt8 = 1e9;
  for (auto _ : state) {
    double seconds = secondsOf([&] {
      if (layer == Layer::Full)
        data.quantize();
      data.multiply(weight == Weight::Prepared ? &prepared : nullptr);
      if (layer == Layer::Full)
        data.finish();
    });
    leastInt8 = std::min(leastInt8, seconds);
    leastFloat = std::min(leastFloat, secondsOf([&] { data.sgemm(); }));
    state.SetIterationTime(seconds);
  }
  state.counters["speedup"] = leastFloat / leastInt8;
  state.counters["sgemm_ms"] = leastFloat * 1e3;
  state.counters["int8_ms"] = leastInt8 * 1e3;
  state.SetLabel(hasFastInt8() ? "oneDNN" : "portable loop");
}

void shapes(benchmark::internal::Benchmark *benchmark) {
  benchmark->Args({512, 4096, 4096})
      ->Args({512, 576, 1536})
      ->Args({8, 4096, 4096})
      ->Args({1, 4096, 4096});
  benchmark->Unit(benchmark::kMillisecond)->UseManualTime();
}
BENCHMARK_CAPTURE(Int8Linear, product, Weight::Plain, Layer::Product)->Apply(shapes);
BENCHMARK_CAPTURE(Int8Linear, full, Weight::Plain, Layer::Full)->Apply(shapes);
BENCHMARK_CAPTURE(Int8Linear, product_prepared, Weight::Prepared, Layer::Product)->Apply(shapes);
BENCHMARK_CAPTURE(Int8Linear, full_prepared, Weight::Prepared, Layer::Full)->Apply(shapes);

/// Bringing a weight [4096, 4096] into the CPU's layout.
void PrepareInt8Weight(benchmark::State &state) {
  int64_t n = state.range(0);
  std::vector<int8_t> weight(n * n, 1);
  for (auto _ : state)
    benchmark::DoNotOptimize(Int8Weight(MatrixRef<const int8_t>(weight.data(), n, n)).rows());
}
BENCHMARK(PrepareInt8Weight)->Arg(4096)->Unit(benchmark::kMillisecond)->UseRealTime();

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ's search against GPTQ on the same layer, in the same run: an n x n weight, 4 bits in groups
// of 128, a sketch of 16 thousand tokens. Counters, in milliseconds unless said otherwise:
//   sketch   the three sketches of the input
//   scales   the search of 42 candidates, and the two errors reported
//   clip     the clip search
//   gptq     the Gram matrix of the input, its factorization, and the rounding with the range
//   search of_gptq  the share of that which AWQ takes

#include "RandomData.h"
#include "ptq/Numerics/Awq.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Gram.h"
#include <benchmark/benchmark.h>
#include <chrono>

using namespace ptq::numerics;
using ptq::benchmarks::randomMatrix;
using ptq::benchmarks::valueOf;

namespace {

template <typename Function> double millisecondsOf(Function function) {
  auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void AwqSearch(benchmark::State &state) {
  int64_t n = state.range(0), tokens = 16384;
  std::vector<float> x = randomMatrix(tokens, n, 1), w = randomMatrix(n, n, 2, 0.02f);
  std::vector<float> mean(n, 0.0f);
  for (int64_t j = 0; j < n; ++j) {
    mean[j] = 0.8f * (1 + float(j * 37 % 97) / 16);
    for (int64_t t = 0; t < tokens; ++t)
      x[t * n + j] *= mean[j];
  }
  ConstMatrix input(x.data(), tokens, n), weight(w.data(), n, n);
  ScaledLayer layer{weight, WeightScheme()};
  GptqOptions gptqOptions;
  gptqOptions.computeErrors = false;

  double sketching = 0, scaling = 0, clipping = 0, gptq = 0;
  for (auto _ : state) {
    ActivationSketch search, clip, report;
    sketching += millisecondsOf([&] {
      search = sketchActivations(input, 64, 1);
      report = sketchActivations(input, 128, 2);
      clip = sketchActivations(input, 512, 3);
    });
    AwqResult result;
    scaling += millisecondsOf([&] {
      result = valueOf(searchAwqScales(layer, mean, {}, 0, search));
      benchmark::DoNotOptimize(valueOf(scaledRoundingLoss(layer, {}, report)));
      benchmark::DoNotOptimize(valueOf(scaledRoundingLoss(layer, result.scales, report)));
    });
    clipping += millisecondsOf(
        [&] { benchmark::DoNotOptimize(valueOf(searchClip(layer, result.scales, clip))); });
    gptq += millisecondsOf([&] {
      std::vector<float> gram(n * n, 0.0f);
      accumulateGram(input, MutableMatrix(gram.data(), n, n));
      WeightScheme scheme;
      scheme.mse = true;
      GramFactor factor = valueOf(factorGram(std::move(gram), n, {}));
      benchmark::DoNotOptimize(valueOf(quantizeGptq(weight, factor, scheme, gptqOptions)));
    });
  }
  double runs = static_cast<double>(state.iterations());
  state.counters["sketch"] = sketching / runs;
  state.counters["scales"] = scaling / runs;
  state.counters["clip"] = clipping / runs;
  state.counters["gptq"] = gptq / runs;
  state.counters["of_gptq"] = (sketching + scaling + clipping) / gptq;
}
BENCHMARK(AwqSearch)
    ->RangeMultiplier(2)
    ->Range(512, 4096)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

} // namespace

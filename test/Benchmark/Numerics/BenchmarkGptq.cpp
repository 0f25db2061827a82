// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ against the speed of OpenBLAS's matrix product, measured in turn with it in the same run.
// Counters:
//   gflops    n^3/3 (Cholesky) + n * n^2 (rounding an n x n weight) flops, per second
//   sgemm     the product of two n x n matrices, in Gflop/s
//   of_sgemm  their ratio
//   factor_share  the part of the time that the factorization takes
//   overhead  what sparse outliers add to the rounding, as a share of it

#include "RandomData.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/Threads.h"
#include <benchmark/benchmark.h>
#include <cblas.h>
#include <chrono>
#include <optional>

using namespace ptq::numerics;
using ptq::benchmarks::randomMatrix;
using ptq::benchmarks::valueOf;

namespace {

template <typename Function> double secondsOf(Function function) {
  auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The Gram matrix of n correlated channels of widely different magnitude.
std::vector<float> correlatedGram(int64_t n) {
  int64_t tokens = 512;
  std::vector<float> x = randomMatrix(tokens, n, 1);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 1; j < n; ++j)
      x[t * n + j] = 0.7f * x[t * n + j - 1] + x[t * n + j] * (1 + float(j * 37 % 97) / 32);
  std::vector<float> gram(n * n, 0.0f);
  accumulateGram(ConstMatrix(x.data(), tokens, n), MutableMatrix(gram.data(), n, n));
  return gram;
}

/// One weight from Gram matrix to codes: 4-bit symmetric, groups of 128, group-aware order.
void GptqSolve(benchmark::State &state) {
  int64_t n = state.range(0);
  std::vector<float> gram = correlatedGram(n), w = randomMatrix(n, n, 2, 0.02f);
  std::vector<float> a = randomMatrix(n, n, 3), product(n * n);
  ConstMatrix weight(w.data(), n, n);
  WeightScheme scheme;
  FactorOptions factorOptions;
  GptqOptions options;
  options.computeErrors = false;

  double sgemmSeconds = 0, solveSeconds = 0, factorSeconds = 0;
  for (auto _ : state) {
    sgemmSeconds += secondsOf([&] {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, a.data(), n, w.data(),
                  n, 0.0f, product.data(), n);
    });
    std::vector<float> consumed = gram;
    std::optional<GramFactor> factor;
    double factoring =
        secondsOf([&] { factor = valueOf(factorGram(std::move(consumed), n, factorOptions)); });
    double rounding = secondsOf(
        [&] { benchmark::DoNotOptimize(valueOf(quantizeGptq(weight, *factor, scheme, options))); });
    factorSeconds += factoring;
    solveSeconds += factoring + rounding;
    state.SetIterationTime(factoring + rounding);
  }
  double runs = static_cast<double>(state.iterations());
  double flops = 4.0 / 3.0 * n * n * n * runs, sgemmFlops = 2.0 * n * n * n * runs;
  state.counters["gflops"] = flops / solveSeconds * 1e-9;
  state.counters["sgemm"] = sgemmFlops / sgemmSeconds * 1e-9;
  state.counters["of_sgemm"] = (flops / solveSeconds) / (sgemmFlops / sgemmSeconds);
  state.counters["factor_share"] = factorSeconds / solveSeconds;
}
BENCHMARK(GptqSolve)
    ->Arg(1024)
    ->Arg(4096)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->MinTime(4);

/// The rounding, without the factorization, with 0.5 % sparse outliers; `overhead` is what they
/// add, as a share of the time without them.
void GptqOutliers(benchmark::State &state) {
  int64_t n = state.range(0);
  std::vector<float> w = randomMatrix(n, n, 2, 0.02f);
  GramFactor factor = valueOf(factorGram(correlatedGram(n), n, {}));
  ConstMatrix weight(w.data(), n, n);
  GptqOptions plain, sparse;
  plain.computeErrors = sparse.computeErrors = false;
  sparse.outliers = 0.005;
  double without = 0, with = 0;
  auto round = [&](const GptqOptions &options) {
    return secondsOf([&] {
      benchmark::DoNotOptimize(valueOf(quantizeGptq(weight, factor, WeightScheme(), options)));
    });
  };
  for (auto _ : state) {
    without += round(plain);
    double seconds = round(sparse);
    with += seconds;
    state.SetIterationTime(seconds);
  }
  state.counters["overhead"] = with / without - 1;
}
BENCHMARK(GptqOutliers)
    ->Arg(1024)
    ->Arg(4096)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->MinTime(2);

/// The same with the error figures of GptqResult.
void GptqErrors(benchmark::State &state) {
  int64_t n = state.range(0);
  std::vector<float> w = randomMatrix(n, n, 2, 0.02f);
  GramFactor factor = valueOf(factorGram(correlatedGram(n), n, {}));
  for (auto _ : state) {
    GptqResult result = valueOf(quantizeGptq(ConstMatrix(w.data(), n, n), factor, WeightScheme()));
    state.counters["error"] = result.error;
    state.counters["error_rtn"] = result.errorRtn;
  }
}
BENCHMARK(GptqErrors)->Arg(2048)->Unit(benchmark::kMillisecond)->UseRealTime();

} // namespace

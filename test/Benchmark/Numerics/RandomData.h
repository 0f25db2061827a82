// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the benchmarks share: synthetic weights and inputs.

#ifndef PTQ_TEST_BENCHMARK_NUMERICS_RANDOMDATA_H
#define PTQ_TEST_BENCHMARK_NUMERICS_RANDOMDATA_H

#include "llvm/Support/Error.h"
#include "llvm/Support/ErrorHandling.h"
#include <cstdint>
#include <random>
#include <vector>

namespace ptq::benchmarks {

inline std::vector<float> randomMatrix(int64_t rows, int64_t columns, unsigned seed,
                                       float deviation = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(rows * columns);
  for (float &value : values)
    value = normal(engine);
  return values;
}

/// The value of a computation that must succeed.
template <typename T> T valueOf(llvm::Expected<T> value) {
  if (!value)
    llvm::report_fatal_error(value.takeError());
  return std::move(*value);
}

} // namespace ptq::benchmarks

#endif // PTQ_TEST_BENCHMARK_NUMERICS_RANDOMDATA_H

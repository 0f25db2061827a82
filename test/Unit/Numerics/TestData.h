// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of Numerics share: random weights, correlated inputs.

#ifndef PTQ_TEST_UNIT_NUMERICS_TESTDATA_H
#define PTQ_TEST_UNIT_NUMERICS_TESTDATA_H

#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/WeightScheme.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>
#include <random>
#include <vector>

namespace ptq::numerics::test {

/// The value of a computation that must succeed. (llvm::cantFail checks only in builds with
/// assertions.)
template <typename T> T valueOf(llvm::Expected<T> value) {
  if (!value)
    llvm::report_fatal_error(value.takeError());
  return std::move(*value);
}

inline WeightScheme schemeOf(unsigned bits, bool symmetric, Granularity granularity,
                             int64_t groupSize = 0) {
  WeightScheme scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.granularity = granularity;
  scheme.groupSize = groupSize;
  return scheme;
}

inline std::vector<float> randomMatrix(int64_t rows, int64_t columns, unsigned seed,
                                       float deviation = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(rows * columns);
  for (float &value : values)
    value = normal(engine);
  return values;
}

/// Inputs whose channels have magnitudes over two decades and share a few strong directions, as
/// the activations of language models do.
inline std::vector<float> correlatedInputs(int64_t tokens, int64_t columns, unsigned seed) {
  constexpr int64_t directions = 6;
  std::vector<float> noise = randomMatrix(tokens, columns, seed);
  std::vector<float> strength = randomMatrix(tokens, directions, seed + 1);
  std::vector<float> direction = randomMatrix(directions, columns, seed + 2);
  std::vector<float> magnitude = randomMatrix(1, columns, seed + 3);
  std::vector<float> x(tokens * columns);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < columns; ++j) {
      float value = 0.3f * noise[t * columns + j];
      for (int64_t d = 0; d < directions; ++d)
        value += strength[t * directions + d] * direction[d * columns + j];
      x[t * columns + j] = value * std::exp(magnitude[j]);
    }
  return x;
}

/// The upper triangle of x^T x; zeros below.
inline std::vector<float> gramOf(const std::vector<float> &x, int64_t columns) {
  std::vector<float> gram(columns * columns, 0.0f);
  accumulateGram(ConstMatrix(x.data(), static_cast<int64_t>(x.size()) / columns, columns),
                 MutableMatrix(gram.data(), columns, columns));
  return gram;
}

inline std::vector<float> correlatedGram(int64_t columns, unsigned seed) {
  return gramOf(correlatedInputs(4 * columns, columns, seed), columns);
}

} // namespace ptq::numerics::test

#endif // PTQ_TEST_UNIT_NUMERICS_TESTDATA_H

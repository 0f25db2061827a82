// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ at the edges: identity Gram matrices, dead columns, errors, determinism, run-time group
// indices.

#include "TestData.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/Threads.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::HasSubstr;

namespace {

GramFactor factorOf(std::vector<float> gram, int64_t columns, ColumnOrder order,
                    int64_t groupSize) {
  return valueOf(factorGram(std::move(gram), columns, {0.05f, order, groupSize}));
}

std::vector<float> identity(int64_t n) {
  std::vector<float> gram(n * n, 0.0f);
  for (int64_t i = 0; i < n; ++i)
    gram[i * n + i] = 1.0f;
  return gram;
}

std::string messageOf(llvm::Expected<GptqResult> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

// Without correlation there is nothing to compensate: GPTQ is rounding to nearest.
TEST(GptqEdgeCases, UncorrelatedInputsGiveRoundingToNearest) {
  constexpr int64_t rows = 37, columns = 256;
  std::vector<float> w = randomMatrix(rows, columns, 1);
  ConstMatrix weight(w.data(), rows, columns);
  for (bool symmetric : {true, false})
    for (int64_t groupSize : {32, 128, 256}) {
      WeightScheme scheme;
      scheme.symmetric = symmetric;
      scheme.groupSize = groupSize;
      GramFactor factor = factorOf(identity(columns), columns, ColumnOrder::GroupAware, groupSize);
      GptqResult result = valueOf(quantizeGptq(weight, factor, scheme));
      QuantizedWeight nearest = valueOf(quantizeRtn(weight, scheme));
      EXPECT_EQ(result.weight.codes, nearest.codes);
      EXPECT_EQ(result.weight.scales, nearest.scales);
      EXPECT_EQ(result.weight.zeroPoints, nearest.zeroPoints);
      EXPECT_NEAR(result.error, result.errorRtn, 1e-5 * result.errorRtn);
    }
}

TEST(GptqEdgeCases, DeadColumnsBecomeZero) {
  constexpr int64_t rows = 5, columns = 64;
  std::vector<float> x = correlatedInputs(256, columns, 2);
  for (size_t t = 0; t < x.size(); t += columns)
    x[t + 9] = x[t + 40] = 0.0f;
  std::vector<float> w = randomMatrix(rows, columns, 3);
  for (ColumnOrder order : {ColumnOrder::None, ColumnOrder::Activation, ColumnOrder::GroupAware}) {
    GramFactor factor = factorOf(gramOf(x, columns), columns, order, 32);
    EXPECT_EQ(factor.dead[9] + factor.dead[40], 2);
    WeightScheme scheme;
    scheme.groupSize = 32;
    scheme.symmetric = false;
    GptqResult result = valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns), factor, scheme));
    std::vector<float> values(rows * columns);
    dequantize(result.weight, MutableMatrix(values.data(), rows, columns));
    for (int64_t i = 0; i < rows; ++i) {
      EXPECT_EQ(values[i * columns + 9], 0.0f);
      EXPECT_EQ(values[i * columns + 40], 0.0f);
      EXPECT_NE(values[i * columns + 10] + values[i * columns + 41], 0.0f);
    }
  }
}

// What a dead column's weights are makes no difference to the output, nor to its error.
TEST(GptqEdgeCases, DeadColumnsDoNotCountInErrors) {
  constexpr int64_t rows = 20, columns = 64;
  std::vector<float> x = correlatedInputs(256, columns, 2);
  for (size_t t = 0; t < x.size(); t += columns)
    x[t + 9] = 0.0f;
  GramFactor factor = factorOf(gramOf(x, columns), columns, ColumnOrder::GroupAware, 32);
  WeightScheme scheme;
  scheme.groupSize = 32;
  std::vector<float> w = randomMatrix(rows, columns, 3), zeroed = w;
  for (int64_t i = 0; i < rows; ++i) {
    w[i * columns + 9] *= 0.5f; // changes no group's range
    zeroed[i * columns + 9] = 0.0f;
  }
  ConstMatrix view(w.data(), rows, columns), zeroedView(zeroed.data(), rows, columns);
  GptqResult result = valueOf(quantizeGptq(view, factor, scheme));
  GptqResult expected = valueOf(quantizeGptq(zeroedView, factor, scheme));
  EXPECT_EQ(result.error, expected.error);
  EXPECT_EQ(relativeOutputError(view, result.weight, factor),
            relativeOutputError(zeroedView, result.weight, factor));
  double error = relativeOutputError(view, result.weight, factor);
  EXPECT_NEAR(result.error, error, 1e-3 * error);
}

TEST(GptqEdgeCases, GroupIndexCountsPositions) {
  constexpr int64_t columns = 64;
  std::vector<float> gram = correlatedGram(columns, 4), w = randomMatrix(3, columns, 5);
  GramFactor factor = factorOf(gram, columns, ColumnOrder::Activation, 0);
  WeightScheme scheme;
  scheme.groupSize = 16;
  GptqResult result = valueOf(quantizeGptq(ConstMatrix(w.data(), 3, columns), factor, scheme));
  ASSERT_EQ(result.weight.groupIndex.size(), size_t(columns));
  for (int64_t p = 0; p < columns; ++p)
    EXPECT_EQ(result.weight.groupIndex[factor.permutation[p]], p / 16);
  // The index is what makes the values right.
  double error = relativeOutputError(ConstMatrix(w.data(), 3, columns), result.weight, factor);
  EXPECT_NEAR(error, result.error, 1e-3 * error);
  result.weight.groupIndex.clear();
  EXPECT_GT(relativeOutputError(ConstMatrix(w.data(), 3, columns), result.weight, factor),
            2 * error);
}

TEST(GptqEdgeCases, Deterministic) {
  constexpr int64_t rows = 700, columns = 128;
  std::vector<float> gram = correlatedGram(columns, 6), w = randomMatrix(rows, columns, 7);
  GramFactor factor = factorOf(gram, columns, ColumnOrder::GroupAware, 32);
  WeightScheme scheme;
  scheme.groupSize = 32;
  scheme.symmetric = false;
  for (unsigned threads : {1u, 2u, 5u}) {
    setThreadCount(threads);
    GptqResult first = valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns), factor, scheme));
    GptqResult second = valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns), factor, scheme));
    EXPECT_EQ(first.weight.codes, second.weight.codes);
    EXPECT_EQ(first.weight.scales, second.weight.scales);
    EXPECT_EQ(first.weight.zeroPoints, second.weight.zeroPoints);
    EXPECT_EQ(first.loss, second.loss);
  }
  setThreadCount(0);
}

// Rows are independent: a row's result does not depend on those around it, or on strides.
TEST(GptqEdgeCases, RowsAreIndependent) {
  constexpr int64_t rows = 290, columns = 96, stride = 101;
  std::vector<float> gram = correlatedGram(columns, 8), w = randomMatrix(rows, stride, 9);
  GramFactor factor = factorOf(gram, columns, ColumnOrder::GroupAware, 32);
  WeightScheme scheme;
  scheme.groupSize = 32;
  GptqResult whole =
      valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns, stride), factor, scheme));
  for (int64_t row : {0, 31, 32, 255, 256, 289}) {
    GptqResult one = valueOf(
        quantizeGptq(ConstMatrix(w.data() + row * stride, 1, columns, stride), factor, scheme));
    EXPECT_TRUE(std::equal(one.weight.codes.begin(), one.weight.codes.end(),
                           whole.weight.codes.begin() + row * columns))
        << "row " << row;
  }
}

TEST(GptqEdgeCases, ZeroWeight) {
  std::vector<float> w(2 * 64, 0.0f);
  GramFactor factor = factorOf(correlatedGram(64, 1), 64, ColumnOrder::GroupAware, 32);
  WeightScheme scheme;
  scheme.groupSize = 32;
  GptqResult result = valueOf(quantizeGptq(ConstMatrix(w.data(), 2, 64), factor, scheme));
  EXPECT_THAT(result.weight.codes, testing::Each(0));
  EXPECT_EQ(result.error, 0.0);
  EXPECT_EQ(relativeOutputError(ConstMatrix(w.data(), 2, 64), result.weight, factor), 0.0);
}

TEST(GptqEdgeCases, Errors) {
  constexpr int64_t columns = 64;
  std::vector<float> w = randomMatrix(4, columns, 1);
  ConstMatrix weight(w.data(), 4, columns);
  WeightScheme scheme;
  scheme.groupSize = 16;
  GramFactor factor = factorOf(correlatedGram(columns, 1), columns, ColumnOrder::GroupAware, 32);
  std::string message = messageOf(quantizeGptq(weight, factor, scheme));
  EXPECT_THAT(message, HasSubstr("groups of 32"));
  EXPECT_THAT(message, HasSubstr("groups of 16"));
  GptqOptions staticGroups;
  staticGroups.staticGroups = true;
  EXPECT_EQ(messageOf(quantizeGptq(weight, factor, scheme, staticGroups)), "no error");

  EXPECT_THAT(messageOf(quantizeGptq(ConstMatrix(w.data(), 4, 32, columns), factor, scheme)),
              HasSubstr("32 input channels"));
  scheme.groupSize = 24;
  EXPECT_THAT(messageOf(quantizeGptq(weight, factor, scheme)), HasSubstr("24 does not divide"));
  scheme.groupSize = 32;
  w[2 * columns + 5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(messageOf(quantizeGptq(weight, factor, scheme)), HasSubstr("row 2, column 5"));
}

} // namespace

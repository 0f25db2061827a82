// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/SparseWeight.h"

#include "TestData.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

GramFactor factorOf(std::vector<float> gram, int64_t columns, ColumnOrder order,
                    int64_t groupSize) {
  FactorOptions options;
  options.order = order;
  options.groupSize = groupSize;
  return valueOf(factorGram(std::move(gram), columns, options));
}

/// A weight with a heavy tail: one value in 50 is far out.
std::vector<float> heavyTailed(int64_t rows, int64_t columns, unsigned seed) {
  std::vector<float> w = randomMatrix(rows, columns, seed);
  for (size_t i = seed % 7; i < w.size(); i += 50)
    w[i] *= 8;
  return w;
}

/// GPTQ with outliers, in double and one weight after the other, from the textbook's form: with
/// U = R^-1, err = (w - q) / U_jj, w[>j] -= err U[j, >j]. Returns W as it is represented.
std::vector<double> slowGptq(const std::vector<float> &w, int64_t rows, int64_t columns,
                             const GramFactor &factor, const WeightScheme &scheme,
                             const SparseWeight &sparse) {
  int64_t n = columns;
  std::vector<double> inverse(n * n, 0.0);
  for (int64_t j = 0; j != n; ++j) {
    inverse[j * n + j] = 1.0 / factor.r[j * n + j];
    for (int64_t i = j - 1; i >= 0; --i) {
      double sum = 0;
      for (int64_t k = i + 1; k <= j; ++k)
        sum += double(factor.r[i * n + k]) * inverse[k * n + j];
      inverse[i * n + j] = -sum / factor.r[i * n + i];
    }
  }
  std::vector<double> result(rows * n);
  for (int64_t row = 0; row != rows; ++row) {
    std::set<int32_t> kept(sparse.columns.begin() + sparse.rowOffsets[row],
                           sparse.columns.begin() + sparse.rowOffsets[row + 1]);
    std::vector<double> live(n);
    for (int64_t p = 0; p != n; ++p)
      live[p] = w[row * n + factor.permutation[p]];
    QuantizationParameters parameters;
    for (int64_t p = 0; p != n; ++p) {
      if (p % scheme.groupSize == 0) {
        std::vector<float> group;
        for (int64_t k = p; k != p + scheme.groupSize; ++k)
          group.push_back(kept.count(factor.permutation[k]) ? 0.0f : float(live[k]));
        parameters = computeParameters(group, scheme.bits, scheme.symmetric, scheme.mse);
      }
      int64_t column = factor.permutation[p];
      double q =
          kept.count(column)
              ? roundToShort(float(live[p]), ShortFloat::F16)
              : (quantizeValue(float(live[p]), parameters, scheme.bits) - parameters.zeroPoint) *
                    double(parameters.scale);
      double error = (live[p] - q) / inverse[p * n + p];
      for (int64_t k = p; k != n; ++k)
        live[k] -= error * inverse[p * n + k];
      result[row * n + column] = q;
    }
  }
  return result;
}

} // namespace

TEST(SparseWeight, RoundsToTheNearestHalf) {
  EXPECT_EQ(roundToShort(1.0f + 0x1p-11f, ShortFloat::F16), 1.0f);
  EXPECT_EQ(roundToShort(1.0f + 3 * 0x1p-11f, ShortFloat::F16), 1.0f + 0x1p-9f);
  EXPECT_EQ(roundToShort(0x1p-24f, ShortFloat::F16), 0x1p-24f);
  EXPECT_EQ(roundToShort(0x1p-25f, ShortFloat::F16), 0.0f);
  EXPECT_EQ(roundToShort(-70000.0f, ShortFloat::F16), -65504.0f);
  EXPECT_EQ(roundToShort(1.0f + 0x1p-8f, ShortFloat::BF16), 1.0f);
  EXPECT_EQ(roundToShort(1.0f + 3 * 0x1p-8f, ShortFloat::BF16), 1.0f + 0x1p-6f);
  EXPECT_EQ(roundToShort(70000.0f, ShortFloat::BF16), 70144.0f);
}

TEST(SparseWeight, WhatIsNoSparsePartIsAnError) {
  SparseWeight sparse{{0, 1, 2}, {3, 0}, {1, 2}, ShortFloat::F16};
  EXPECT_FALSE(bool(verify(sparse, 2, 4)));
  EXPECT_FALSE(bool(verify(SparseWeight(), 2, 4)));
  auto message = [](SparseWeight sparse) { return toString(verify(sparse, 2, 4)); };
  EXPECT_NE(message({{0, 2}, {3, 0}, {1, 2}}).find("has 3 row offsets, not 2"), std::string::npos);
  EXPECT_NE(message({{0, 1, 2}, {3}, {1, 2}}).find("1 columns for 2 values"), std::string::npos);
  EXPECT_NE(message({{0, 3, 2}, {3, 0}, {1, 2}}).find("must not descend"), std::string::npos);
  EXPECT_NE(message({{0, 1, 1}, {3, 0}, {1, 2}}).find("end with the number"), std::string::npos);
  EXPECT_NE(message({{0, 1, 2}, {4, 0}, {1, 2}}).find("4 follows -1"), std::string::npos);
  EXPECT_NE(message({{0, 2, 2}, {3, 3}, {1, 2}}).find("3 follows 3"), std::string::npos);
}

struct OutlierCase {
  unsigned bits;
  bool symmetric, mse, staticGroups;
  Granularity granularity;
  ColumnOrder order;
};

class SparseOutliers : public ::testing::TestWithParam<OutlierCase> {};

TEST_P(SparseOutliers, ShareIsMetAndTheErrorFalls) {
  OutlierCase c = GetParam();
  const int64_t rows = 70, columns = 128;
  std::vector<float> w = heavyTailed(rows, columns, 11);
  WeightScheme scheme = schemeOf(c.bits, c.symmetric, c.granularity, 32);
  scheme.mse = c.mse;
  int64_t groupSize = c.granularity == Granularity::PerGroup ? 32 : 0;
  GramFactor factor = factorOf(correlatedGram(columns, 21), columns, c.order, groupSize);
  ConstMatrix weight(w.data(), rows, columns);
  GptqOptions options;
  options.staticGroups = c.staticGroups;
  GptqResult plain = valueOf(quantizeGptq(weight, factor, scheme, options));
  EXPECT_TRUE(plain.weight.sparse.empty());
  options.outliers = 0.02;
  GptqResult kept = valueOf(quantizeGptq(weight, factor, scheme, options));
  const SparseWeight &sparse = kept.weight.sparse;
  EXPECT_EQ(sparse.values.size(), static_cast<size_t>(0.02 * rows * columns));
  EXPECT_FALSE(bool(verify(sparse, rows, columns)));
  EXPECT_LT(kept.loss, 0.6 * plain.loss);
  EXPECT_EQ(kept.errorRtn, plain.errorRtn);
  // The loss is that of the weight as it is represented.
  EXPECT_NEAR(relativeOutputError(weight, kept.weight, factor) / (kept.error * 1.0), 1.0, 1e-3);
  // An outlier's code is that of 0, its value one of 16 bits.
  for (int64_t i = 0; i != rows; ++i)
    for (int32_t j = sparse.rowOffsets[i]; j != sparse.rowOffsets[i + 1]; ++j) {
      int64_t column = sparse.columns[j];
      int8_t zero = c.symmetric ? 0 : kept.weight.zeroPoints[kept.weight.parameterIndex(i, column)];
      EXPECT_EQ(kept.weight.codes[i * columns + column], zero);
      EXPECT_EQ(sparse.values[j], roundToShort(sparse.values[j], ShortFloat::F16));
    }
  GptqResult again = valueOf(quantizeGptq(weight, factor, scheme, options));
  EXPECT_EQ(again.weight.codes, kept.weight.codes);
  EXPECT_EQ(again.weight.sparse.values, sparse.values);
}

INSTANTIATE_TEST_SUITE_P(
    All, SparseOutliers,
    ::testing::Values(
        OutlierCase{3, true, false, false, Granularity::PerGroup, ColumnOrder::GroupAware},
        OutlierCase{3, true, true, false, Granularity::PerGroup, ColumnOrder::GroupAware},
        OutlierCase{4, false, false, false, Granularity::PerGroup, ColumnOrder::Activation},
        OutlierCase{4, false, false, true, Granularity::PerGroup, ColumnOrder::Activation},
        OutlierCase{4, true, false, true, Granularity::PerGroup, ColumnOrder::None},
        OutlierCase{4, true, false, false, Granularity::PerChannel, ColumnOrder::GroupAware},
        OutlierCase{5, false, true, false, Granularity::PerTensor, ColumnOrder::Activation}));

TEST(SparseOutliers, EqualsTheTextbookOneWeightAtATime) {
  const int64_t rows = 9, columns = 64;
  for (bool symmetric : {true, false}) {
    std::vector<float> w = heavyTailed(rows, columns, 3);
    WeightScheme scheme = schemeOf(3, symmetric, Granularity::PerGroup, 16);
    GramFactor factor = factorOf(correlatedGram(columns, 5), columns, ColumnOrder::GroupAware, 16);
    GptqOptions options;
    options.outliers = 0.05;
    GptqResult result =
        valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns), factor, scheme, options));
    std::vector<float> fast(rows * columns);
    dequantize(result.weight, MutableMatrix(fast.data(), rows, columns));
    std::vector<double> slow = slowGptq(w, rows, columns, factor, scheme, result.weight.sparse);
    double norm = 0, difference = 0;
    for (size_t i = 0; i != fast.size(); ++i) {
      norm += slow[i] * slow[i];
      difference += (fast[i] - slow[i]) * (fast[i] - slow[i]);
    }
    EXPECT_LT(difference, 1e-9 * norm) << symmetric;
  }
}

TEST(SparseOutliers, TheWeightThatStretchesTheRangeIsChosen) {
  // Each row has one value that makes the scale ten times as large.
  const int64_t rows = 6, columns = 32;
  std::vector<float> w = randomMatrix(rows, columns, 8, 0.1f);
  for (int64_t i = 0; i != rows; ++i)
    w[i * columns + 5 * i] = 3.0f;
  std::vector<float> identity(columns * columns, 0.0f);
  for (int64_t k = 0; k != columns; ++k)
    identity[k * columns + k] = 1.0f;
  GramFactor factor = factorOf(identity, columns, ColumnOrder::None, 32);
  GptqOptions options;
  options.outliers = double(rows) / (rows * columns);
  GptqResult result = valueOf(quantizeGptq(ConstMatrix(w.data(), rows, columns), factor,
                                           schemeOf(4, true, Granularity::PerGroup, 32), options));
  std::vector<int32_t> columnsExpected, offsets(rows + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  for (int64_t i = 0; i != rows; ++i)
    columnsExpected.push_back(5 * i);
  EXPECT_EQ(result.weight.sparse.columns, columnsExpected);
  EXPECT_EQ(result.weight.sparse.rowOffsets, offsets);
}

TEST(SparseOutliers, AShareOutOfRangeIsAnError) {
  std::vector<float> w(16, 1.0f);
  GramFactor factor = factorOf(correlatedGram(4, 2), 4, ColumnOrder::None, 4);
  GptqOptions options;
  for (double share : {-0.1, 1.5, double(NAN)}) {
    options.outliers = share;
    auto result = quantizeGptq(ConstMatrix(w.data(), 4, 4), factor,
                               schemeOf(4, true, Granularity::PerChannel), options);
    EXPECT_NE(toString(result.takeError()).find("a share of the weights"), std::string::npos);
  }
}

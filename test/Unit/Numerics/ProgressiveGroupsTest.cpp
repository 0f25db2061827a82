// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Progressive groups: scales that are products, integers within 8 bits whatever the codes, errors.

#include "ptq/Numerics/ProgressiveGroups.h"
#include "TestData.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::HasSubstr;

namespace {

WeightScheme progressive(int64_t groupSize) {
  WeightScheme scheme = schemeOf(4, false, Granularity::PerGroup, groupSize);
  scheme.progressive = true;
  return scheme;
}

/// Rows of other sizes and skews, one of zeros, one of a single sign.
std::vector<float> someWeight(int64_t rows, int64_t columns) {
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::vector<float> w(rows * columns);
  for (int64_t i = 0; i < rows * columns; ++i) {
    int64_t row = i / columns;
    float x = normal(engine) * std::exp2(float(row % 5) - 2) * (i % columns / 16 % 3 + 1);
    w[i] = row == 1 ? 0.0f : row == 2 ? std::fabs(x) : row == 3 ? -std::fabs(x) : x;
  }
  return w;
}

/// What every weight in progressive groups is.
void expectProgressive(const QuantizedWeight &q) {
  ASSERT_TRUE(q.progressive);
  int64_t groups = q.groups();
  ASSERT_EQ(int64_t(q.progressive->channelScales.size()), q.rows);
  ASSERT_EQ(q.progressive->groupScales.size(), q.scales.size());
  ASSERT_EQ(q.zeroPoints.size(), q.scales.size());
  for (size_t i = 0; i < q.scales.size(); ++i) {
    int s = q.progressive->groupScales[i], z = q.zeroPoints[i];
    EXPECT_GE(s, 1);
    EXPECT_LE(s, greatestGroupScale);
    EXPECT_EQ(q.scales[i], float(s) * q.progressive->channelScales[i / groups]);
    // Every code, used or not.
    EXPECT_LE((7 - z) * s, 127) << i;
    EXPECT_GE((-8 - z) * s, -128) << i;
  }
}

TEST(ProgressiveGroups, ScalesAndZeroPoints) {
  // Integers within ±119 at a channel scale of 1: 238 / 16 is more than 14.
  float scale = 238.0f / 15, zeroPoint = 0;
  snapToChannelScale(-119, 1, scale, zeroPoint);
  EXPECT_EQ(scale, 15.0f);
  EXPECT_EQ(zeroPoint, 0.0f);
  // [-10, 20] at a channel scale of 0.5: 4 of it, 16 steps of which are 32, and the zero point 5.
  scale = 2;
  snapToChannelScale(-10, 0.5f, scale, zeroPoint);
  EXPECT_EQ(scale, 2.0f);
  EXPECT_EQ(zeroPoint, -3.0f);
  // 16.1 times the range's sixteenth is the next one.
  scale = 16.1f / 15;
  snapToChannelScale(0, 1, scale, zeroPoint);
  EXPECT_EQ(scale, 2.0f);
  // At least one step of the channel's, at most 16. What is beyond the codes is cut off.
  scale = 0.1f;
  snapToChannelScale(-1.5f, 1, scale, zeroPoint);
  EXPECT_EQ(scale, 1.0f);
  EXPECT_EQ(zeroPoint, -6.0f); // 1.5 to even
  scale = 100;
  snapToChannelScale(-10, 1, scale, zeroPoint);
  EXPECT_EQ(scale, 16.0f);
  EXPECT_EQ(zeroPoint, 0.0f); // 10 / 16 is 1, but 14 steps beyond it would be 224
}

TEST(ProgressiveGroups, ChannelScales) {
  std::vector<float> w{1, -238, 3, 0, 0, 0, 1e-44f, 0, 0};
  std::vector<float> scales = progressiveChannelScales(ConstMatrix(w.data(), 3, 3));
  EXPECT_EQ(scales[0], 2.0f);
  EXPECT_EQ(scales[1], 1.0f);
  EXPECT_EQ(scales[2], std::numeric_limits<float>::min());
}

TEST(ProgressiveGroups, RoundedToNearest) {
  constexpr int64_t rows = 37, columns = 96, groupSize = 32;
  std::vector<float> w = someWeight(rows, columns), back(w.size());
  for (bool mse : {false, true}) {
    WeightScheme scheme = progressive(groupSize);
    scheme.mse = mse;
    QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns), scheme));
    expectProgressive(q);
    dequantize(q, MutableMatrix(back.data(), rows, columns));
    std::vector<int8_t> integers =
        expandGroups(q.codes, q.progressive->groupScales, q.zeroPoints, groupSize);
    for (int64_t i = 0; i < rows * columns; ++i) {
      float c = q.progressive->channelScales[i / columns], s = q.scales[i / groupSize];
      EXPECT_FLOAT_EQ(back[i], integers[i] * c) << i;
      // Half a step; where 16 steps became 15 one more at an end.
      if (!mse)
        EXPECT_LE(std::fabs(back[i] - w[i]), s * 1.51f) << i;
    }
  }
}

TEST(ProgressiveGroups, CostsLittle) {
  constexpr int64_t rows = 64, columns = 256;
  std::vector<float> w = someWeight(rows, columns), back(w.size());
  auto error = [&](const WeightScheme &scheme) {
    QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns), scheme));
    dequantize(q, MutableMatrix(back.data(), rows, columns));
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i)
      sum += std::pow(double(back[i]) - w[i], 2);
    return sum;
  };
  double floats = error(schemeOf(4, false, Granularity::PerGroup, 64));
  EXPECT_LT(error(progressive(64)), 1.1 * floats);
}

TEST(ProgressiveGroups, InGptq) {
  constexpr int64_t rows = 50, columns = 128, groupSize = 32;
  std::vector<float> w = someWeight(rows, columns);
  ConstMatrix matrix(w.data(), rows, columns);
  std::vector<float> gram = correlatedGram(columns, 5);
  for (bool staticGroups : {false, true}) {
    FactorOptions factorOptions;
    factorOptions.order = ColumnOrder::GroupAware;
    factorOptions.groupSize = groupSize;
    GramFactor factor = valueOf(factorGram(gram, columns, factorOptions));
    GptqOptions options;
    options.staticGroups = staticGroups;
    GptqResult result = valueOf(quantizeGptq(matrix, factor, progressive(groupSize), options));
    expectProgressive(result.weight);
    EXPECT_EQ(result.weight.progressive->channelScales, progressiveChannelScales(matrix));
    EXPECT_LT(result.error, result.errorRtn);
  }
}

TEST(ProgressiveGroups, OfNoOtherScheme) {
  std::vector<float> w(64, 1.0f);
  for (int i = 0; i < 3; ++i) {
    WeightScheme scheme = progressive(32);
    scheme.bits = i == 0 ? 3 : 4;
    scheme.symmetric = i == 1;
    scheme.granularity = i == 2 ? Granularity::PerChannel : Granularity::PerGroup;
    auto result = quantizeRtn(ConstMatrix(w.data(), 2, 32), scheme);
    ASSERT_FALSE(bool(result));
    EXPECT_THAT(llvm::toString(result.takeError()), HasSubstr("progressive groups have integers"));
  }
}

} // namespace

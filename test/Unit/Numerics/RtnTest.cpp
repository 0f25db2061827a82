// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest: formulas, ties, clamping, granularities, extreme values, errors.

#include "ptq/Numerics/Rtn.h"
#include "TestData.h"
#include <cfloat>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

QuantizedWeight rtn(const std::vector<float> &w, int64_t rows, const WeightScheme &scheme) {
  return valueOf(
      quantizeRtn(ConstMatrix(w.data(), rows, static_cast<int64_t>(w.size()) / rows), scheme));
}

std::string messageOf(llvm::Expected<QuantizedWeight> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

TEST(Rtn, TiesToEvenAndClamping) {
  // absmax 7.5 makes the 4-bit scale exactly 1.
  std::vector<float> w{0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 7.5f, -7.5f, 0.49f, -6.51f};
  QuantizedWeight q = rtn(w, 1, schemeOf(4, true, Granularity::PerChannel));
  EXPECT_THAT(q.scales, ElementsAre(1.0f));
  EXPECT_THAT(q.codes, ElementsAre(0, 2, 2, 0, -2, -2, 7, -8, 0, -7));
  EXPECT_TRUE(q.zeroPoints.empty());
}

TEST(Rtn, Asymmetric) {
  // [-1, 14] in 15 steps of 1; the zero point is 1, or -7 in signed codes.
  std::vector<float> w{-1.0f, 14.0f, 0.5f, 1.5f, 0.0f, 13.4f};
  QuantizedWeight q = rtn(w, 1, schemeOf(4, false, Granularity::PerChannel));
  EXPECT_THAT(q.scales, ElementsAre(1.0f));
  EXPECT_THAT(q.zeroPoints, ElementsAre(-7));
  EXPECT_THAT(q.codes, ElementsAre(-8, 7, -7, -5, -7, 6));
  std::vector<float> values(6);
  dequantize(q, MutableMatrix(values.data(), 1, 6));
  EXPECT_THAT(values, ElementsAre(-1.0f, 14.0f, 0.0f, 2.0f, 0.0f, 13.0f));
}

TEST(Rtn, AsymmetricRangeIncludesZero) {
  QuantizationParameters positive = computeParameters({5.0f, 15.0f}, 4, false, false);
  EXPECT_FLOAT_EQ(positive.scale, 1.0f);
  EXPECT_EQ(positive.zeroPoint, -8);
  QuantizationParameters negative = computeParameters({-5.0f, -15.0f}, 4, false, false);
  EXPECT_FLOAT_EQ(negative.scale, 1.0f);
  EXPECT_EQ(negative.zeroPoint, 7);
}

TEST(Rtn, Int8ZeroPoints) {
  QuantizationParameters q = computeParameters({-255.0f, -1.0f}, 8, false, false);
  EXPECT_FLOAT_EQ(q.scale, 1.0f);
  EXPECT_EQ(q.zeroPoint, 127);
  EXPECT_EQ(quantizeValue(-255.0f, q, 8), -128);
  EXPECT_EQ(quantizeValue(0.0f, q, 8), 127);
  EXPECT_EQ(quantizeValue(1e30f, q, 8), 127);
}

TEST(Rtn, SymmetricRanges) {
  EXPECT_FLOAT_EQ(computeParameters({-3.0f, 127.0f}, 8, true, false).scale, 254.0f / 255.0f);
  QuantizationParameters restricted =
      computeParameters({-127.0f, 3.0f}, 8, true, false, SymmetricRange::Restricted);
  EXPECT_EQ(restricted.scale, 1.0f);
  EXPECT_EQ(quantizeValue(-127.0f, restricted, 8), -127);
  EXPECT_EQ(parametersOfRange(-7.0f, 2.0f, 4, true, SymmetricRange::Restricted).scale, 1.0f);
}

TEST(Rtn, AllZeroIsTheRangeOfOne) {
  std::vector<float> w(64, 0.0f);
  QuantizedWeight q = rtn(w, 2, schemeOf(4, true, Granularity::PerGroup, 16));
  EXPECT_THAT(q.scales, Each(2.0f / 15));
  EXPECT_THAT(q.codes, Each(0));
  q = rtn(w, 2, schemeOf(4, false, Granularity::PerGroup, 16));
  EXPECT_THAT(q.zeroPoints, Each(-1)); // 1 / s is just short of 7.5: 7, less 8
  std::vector<float> values(64, 1.0f);
  dequantize(q, MutableMatrix(values.data(), 2, 32));
  EXPECT_THAT(values, Each(0.0f));
  EXPECT_FLOAT_EQ(computeParameters({}, 4, true, false).scale, 2.0f / 15);
}

TEST(Rtn, GranularitiesShareScalesAsTheySay) {
  std::vector<float> w{1, 2, 30, 4, /**/ 0.5f, 0.25f, 6, 7};
  auto scales = [&](Granularity granularity) {
    return rtn(w, 2, schemeOf(4, true, granularity, 2)).scales;
  };
  EXPECT_THAT(scales(Granularity::PerTensor), ElementsAre(4.0f));
  EXPECT_THAT(scales(Granularity::PerChannel), ElementsAre(4.0f, 7 / 7.5f));
  EXPECT_THAT(scales(Granularity::PerGroup), ElementsAre(2 / 7.5f, 4.0f, 0.5f / 7.5f, 7 / 7.5f));
}

TEST(Rtn, EveryGroupIsItsOwnProblem) {
  constexpr int64_t rows = 45, columns = 96, groupSize = 24, stride = 100;
  std::vector<float> w = randomMatrix(rows, stride, 4);
  for (bool symmetric : {true, false})
    for (unsigned bits = 2; bits <= 8; ++bits) {
      WeightScheme scheme = schemeOf(bits, symmetric, Granularity::PerGroup, groupSize);
      QuantizedWeight q =
          valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns, stride), scheme));
      std::vector<float> values(rows * columns);
      dequantize(q, MutableMatrix(values.data(), rows, columns));
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          const float *group = &w[i * stride + j / groupSize * groupSize];
          QuantizationParameters p =
              computeParameters({group, size_t(groupSize)}, bits, symmetric, false);
          int64_t at = i * 4 + j / groupSize;
          ASSERT_EQ(q.scales[at], p.scale);
          ASSERT_EQ(symmetric ? 0 : int(q.zeroPoints[at]), p.zeroPoint);
          float x = w[i * stride + j];
          double expected = std::nearbyint(double(x / p.scale)) + p.zeroPoint;
          expected =
              std::min<double>(std::max<double>(expected, scheme.minCode()), scheme.maxCode());
          ASSERT_EQ(int(q.codes[i * columns + j]), expected);
          ASSERT_EQ(quantizeValue(x, p, bits), expected);
          ASSERT_EQ(values[i * columns + j], (float(expected) - p.zeroPoint) * p.scale);
        }
    }
}

TEST(Rtn, ExtremeValuesStayFinite) {
  float denormal = std::numeric_limits<float>::denorm_min();
  for (bool symmetric : {true, false})
    for (bool mse : {false, true})
      for (float magnitude : {denormal, 1e-42f, FLT_MIN, 1e-30f, 1e30f, 1e38f}) {
        std::vector<float> w{magnitude, -magnitude, magnitude / 2, 0.0f};
        WeightScheme scheme = schemeOf(4, symmetric, Granularity::PerChannel);
        scheme.mse = mse;
        QuantizedWeight q = rtn(w, 1, scheme);
        EXPECT_TRUE(std::isnormal(q.scales[0])) << magnitude;
        std::vector<float> values(4);
        dequantize(q, MutableMatrix(values.data(), 1, 4));
        EXPECT_EQ(values[3], 0.0f);
        for (int j = 0; j < 4; ++j)
          EXPECT_LE(std::fabs(values[j] / 2 - w[j] / 2), 0.06f * magnitude + FLT_MIN) << magnitude;
        if (magnitude >= 1e-30f)
          EXPECT_GT(q.codes[0], q.codes[1]);
      }
}

TEST(Rtn, NamesTheNonFiniteElement) {
  std::vector<float> w = randomMatrix(100, 40, 1);
  ConstMatrix view(w.data(), 100, 40);
  WeightScheme scheme = schemeOf(4, true, Granularity::PerChannel);
  w[90 * 40 + 3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(messageOf(quantizeRtn(view, scheme)), HasSubstr("a NaN at row 90, column 3"));
  w[70 * 40 + 39] = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(messageOf(quantizeRtn(view, scheme)), HasSubstr("an infinity at row 70, column 39"));
}

} // namespace

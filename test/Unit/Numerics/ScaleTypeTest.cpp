// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales that are representable in 16 bits: by RTN for every granularity, and codes that
// are the nearest to the weights with these scales and no others.

#include "TestData.h"
#include "ptq/Numerics/Rtn.h"
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::HasSubstr;

namespace {

/// A float that has no bits below the type's mantissa; only for normal values of the type.
bool isRepresentable(float x, int digits) {
  int exponent;
  float mantissa = std::frexp(x, &exponent);
  return std::ldexp(mantissa, digits) == std::nearbyint(std::ldexp(mantissa, digits));
}

TEST(ScaleType, RoundScale) {
  EXPECT_EQ(roundScale(0.1f, ScaleType::F32), 0.1f);
  EXPECT_EQ(roundScale(1.0f + 0x1p-11f, ScaleType::F16), 1.0f);
  EXPECT_EQ(roundScale(1.0f + 0x1p-9f, ScaleType::BF16), 1.0f);
  // Never zero, never infinite.
  EXPECT_EQ(roundScale(1e-30f, ScaleType::F16), 0x1p-24f);
  EXPECT_EQ(roundScale(1e30f, ScaleType::F16), 65504.0f);
  EXPECT_GT(roundScale(0x1p-140f, ScaleType::BF16), 0.0f);
}

TEST(ScaleType, RtnRoundsWithStoredScales) {
  constexpr int64_t rows = 37, columns = 96;
  std::vector<float> w = randomMatrix(rows, columns, 11, 0.05f);
  for (auto [type, digits] : {std::pair(ScaleType::F16, 11), std::pair(ScaleType::BF16, 8)})
    for (Granularity granularity :
         {Granularity::PerTensor, Granularity::PerChannel, Granularity::PerGroup})
      for (bool symmetric : {true, false})
        for (bool mse : {true, false}) {
          WeightScheme scheme = schemeOf(4, symmetric, granularity, 32);
          scheme.mse = mse;
          scheme.scaleType = type;
          QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns), scheme));
          for (float scale : q.scales)
            EXPECT_TRUE(isRepresentable(scale, digits)) << scale;
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j) {
              int64_t at = q.parameterIndex(i, j);
              int zero = q.zeroPoints.empty() ? 0 : q.zeroPoints[at];
              float nearest = std::nearbyint(w[i * columns + j] / q.scales[at]) + zero;
              EXPECT_EQ(q.codes[i * columns + j], std::min(std::max(nearest, -8.0f), 7.0f));
            }
        }
}

TEST(ScaleType, NotWithQuantizedScales) {
  WeightScheme scheme = schemeOf(4, true, Granularity::PerGroup, 32);
  scheme.codebook = Codebook::NF4;
  scheme.doubleQuantization = true;
  scheme.scaleType = ScaleType::F16;
  EXPECT_THAT(llvm::toString(verify(scheme, 8, 64)), HasSubstr("they have no 16-bit float type"));
}

} // namespace

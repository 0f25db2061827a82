// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/ActivationRounding.h"
#include "TestData.h"
#include "ptq/Numerics/Threads.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>

using namespace ptq::numerics;

namespace {

struct Rounded {
  std::vector<float> scales;
  std::vector<int8_t> zeroPoints, codes;
};

Rounded roundTokens(const std::vector<float> &x, int64_t rows, const std::vector<float> &c,
                    const ActivationScheme &scheme) {
  int64_t columns = x.size() / rows;
  Rounded result;
  result.scales.resize(rows);
  result.zeroPoints.resize(scheme.symmetric ? 0 : rows);
  result.codes.resize(x.size());
  ConstMatrix matrix(x.data(), rows, columns);
  computeTokenParameters(matrix, c, scheme, result.scales, result.zeroPoints);
  quantizeActivations(matrix, c, scheme, result.scales, result.zeroPoints,
                      MatrixRef<int8_t>(result.codes.data(), rows, columns));
  return result;
}

std::vector<float> randomValues(size_t count, float spread) {
  std::mt19937 generator(count);
  std::normal_distribution<float> normal(0.3f * spread, spread);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(generator);
  return values;
}

/// The definition, element by element in the precision that it names.
TEST(ActivationRounding, AgreesWithTheDefinition) {
  for (unsigned bits : {2u, 5u, 8u})
    for (bool symmetric : {true, false})
      for (int64_t columns : {1, 15, 16, 37, 256})
        for (bool scaled : {false, true}) {
          int64_t rows = 21;
          std::vector<float> x = randomValues(rows * columns, 3.0f), c;
          if (scaled)
            for (float value : randomValues(columns, 1.0f))
              c.push_back(std::fabs(value) + 0.1f);
          Rounded rounded = roundTokens(x, rows, c, {bits, symmetric});
          float low = -std::ldexp(1.0f, bits - 1), high = -low - 1;
          for (int64_t i = 0; i < rows; ++i) {
            float lo = 0, hi = 0;
            std::vector<float> v(columns);
            for (int64_t k = 0; k < columns; ++k) {
              v[k] = scaled ? x[i * columns + k] * c[k] : x[i * columns + k];
              lo = std::min(lo, v[k]);
              hi = std::max(hi, v[k]);
            }
            float s = symmetric ? std::max(-lo, hi) / high : (hi - lo) / (high - low);
            float z = symmetric ? 0 : std::nearbyint(-lo / s) + low;
            EXPECT_EQ(rounded.scales[i], s);
            if (!symmetric) {
              EXPECT_EQ(rounded.zeroPoints[i], z);
            }
            for (int64_t k = 0; k < columns; ++k)
              EXPECT_EQ(rounded.codes[i * columns + k],
                        std::clamp(std::nearbyint(v[k] / s) + z, low, high))
                  << bits << " bits, row " << i << ", column " << k;
          }
        }
}

TEST(ActivationRounding, RoundsHalfToEvenAndKeepsTheExtremes) {
  Rounded rounded = roundTokens({-127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 127}, 1, {}, {});
  EXPECT_EQ(rounded.scales[0], 1.0f);
  EXPECT_EQ(rounded.codes, (std::vector<int8_t>{-127, 0, 2, 2, 0, -2, 126, 127}));
}

TEST(ActivationRounding, OneScaleForAll) {
  std::vector<float> x = {1, -2, 3, 4, -25.4f, 6};
  float scale;
  int8_t zeroPoint = 1;
  computeTensorParameters(ConstMatrix(x.data(), 3, 2), {}, {}, scale, zeroPoint);
  EXPECT_EQ(scale, 25.4f / 127);
  EXPECT_EQ(zeroPoint, 0);
  std::vector<int8_t> codes(6);
  quantizeActivations(ConstMatrix(x.data(), 3, 2), {}, {}, scale, {},
                      MatrixRef<int8_t>(codes.data(), 3, 2));
  EXPECT_EQ(codes, (std::vector<int8_t>{5, -10, 15, 20, -127, 30}));
}

TEST(ActivationRounding, ZerosHaveTheLeastScale) {
  for (bool symmetric : {true, false}) {
    Rounded rounded = roundTokens(std::vector<float>(20, 0.0f), 1, {}, {8, symmetric});
    EXPECT_EQ(rounded.scales[0], FLT_MIN);
    for (int8_t code : rounded.codes)
      EXPECT_EQ(code, symmetric ? 0 : rounded.zeroPoints[0]);
  }
}

/// A value that is not finite makes its own token's scale show it, and no other's.
TEST(ActivationRounding, NonFiniteValuesAreSeen) {
  for (bool symmetric : {true, false})
    for (int64_t at : {0, 15, 16, 39}) {
      std::vector<float> x(3 * 40, 1.0f);
      x[40 + at] = std::numeric_limits<float>::quiet_NaN();
      Rounded rounded = roundTokens(x, 3, {}, {8, symmetric});
      EXPECT_FALSE(std::isnan(rounded.scales[0]) || std::isnan(rounded.scales[2]));
      EXPECT_TRUE(std::isnan(rounded.scales[1]));
      float scale;
      int8_t zeroPoint;
      computeTensorParameters(ConstMatrix(x.data(), 3, 40), {}, {8, symmetric}, scale, zeroPoint);
      EXPECT_TRUE(std::isnan(scale));
      x[40 + at] = -std::numeric_limits<float>::infinity();
      EXPECT_TRUE(std::isinf(roundTokens(x, 3, {}, {8, symmetric}).scales[1]));
    }
}

/// With given scales a NaN becomes the zero point, and what is far out the nearest code.
TEST(ActivationRounding, ClampsAndMapsNaN) {
  std::vector<float> x = {std::numeric_limits<float>::quiet_NaN(), 1e30f, -1e30f, FLT_MAX};
  std::vector<int8_t> codes(4), zero = {7};
  quantizeActivations(ConstMatrix(x.data(), 1, 4), {}, {8, false}, 0.5f, zero,
                      MatrixRef<int8_t>(codes.data(), 1, 4));
  EXPECT_EQ(codes, (std::vector<int8_t>{7, 127, -128, 127}));
}

} // namespace

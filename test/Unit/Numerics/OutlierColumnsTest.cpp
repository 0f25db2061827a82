// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/OutlierColumns.h"

#include "TestData.h"
#include "ptq/Numerics/ActivationRounding.h"
#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Numerics/Rtn.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

TEST(OutlierColumns, AnyValueAtOrBeyondTheThreshold) {
  float x[] = {0, 6, 5.99f,  -7, NAN, 1, //
               0, 0, -5.99f, 0,  0,   -6};
  std::vector<int32_t> expected{1, 3, 4, 5};
  EXPECT_EQ(findOutlierColumns(ConstMatrix(x, 2, 6), 6.0), expected);
  float absmax[] = {0, 6, 5.99f, 7, NAN, 6};
  EXPECT_EQ(findOutlierColumns(llvm::ArrayRef(absmax), 6.0), expected);
  EXPECT_TRUE(findOutlierColumns(ConstMatrix(x, 0, 6), 6.0).empty());
}

TEST(OutlierColumns, AThresholdBetweenFloatsIsNotRounded) {
  float value = 0.1f; // Above the double 0.1.
  EXPECT_EQ(findOutlierColumns(ConstMatrix(&value, 1, 1), 0.1).size(), 1u);
  double next = std::nextafter(double(value), 1.0);
  EXPECT_TRUE(findOutlierColumns(ConstMatrix(&value, 1, 1), next).empty());
}

TEST(OutlierColumns, SelectAndDropAreComplements) {
  float m[] = {1, 2, 3, 4, 5, 6};
  ConstMatrix matrix(m, 2, 3);
  EXPECT_EQ(selectColumns(matrix, {0, 2}), (std::vector<float>{1, 3, 4, 6}));
  EXPECT_EQ(dropColumns(matrix, {0, 2}), (std::vector<float>{2, 5}));
  EXPECT_EQ(dropColumns(matrix, {}), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(dropColumns(matrix, {0, 1, 2}).empty());
}

TEST(OutlierColumns, GramWithoutChannelsIsThatOfTheInputWithoutThem) {
  const int64_t tokens = 7, n = 5;
  std::vector<float> x = randomMatrix(tokens, n, 3);
  auto gramOf = [&](const std::vector<float> &input, int64_t width) {
    std::vector<float> gram(width * width, 0.0f);
    for (int64_t i = 0; i != width; ++i)
      for (int64_t j = i; j != width; ++j)
        for (int64_t t = 0; t != tokens; ++t)
          gram[i * width + j] += input[t * width + i] * input[t * width + j];
    return gram;
  };
  std::vector<float> gram = gramOf(x, n);
  std::vector<int32_t> columns{1, 4};
  dropChannels(gram, n, columns);
  EXPECT_EQ(gram, gramOf(dropColumns(ConstMatrix(x.data(), tokens, n), columns), n - 2));
}

TEST(OutlierColumns, IsolatedChannelsHaveTheMeanEnergyAndNoCorrelation) {
  std::vector<float> gram{2, 1, 1, //
                          9, 8, 1, //
                          9, 9, 4};
  isolateChannels(gram, 3, {1});
  EXPECT_EQ(gram[1], 0);
  EXPECT_EQ(gram[2], 1);
  EXPECT_EQ(gram[4], 3);
  EXPECT_EQ(gram[5], 0);
  EXPECT_EQ(gram[8], 4);
}

/// The whole product as the paper has it, in plain loops and 32-bit integers: the parts of the
/// library, put together, give the same integers.
TEST(OutlierColumns, IntegerPartEqualsAnIndependentComputation) {
  const int64_t tokens = 9, in = 37, out = 11;
  std::vector<float> x = randomMatrix(tokens, in, 5), w = randomMatrix(out, in, 6);
  for (int64_t t = 0; t != tokens; ++t)
    x[t * in + 4] *= 40, x[t * in + 30] *= -25;
  ConstMatrix activation(x.data(), tokens, in), weight(w.data(), out, in);
  std::vector<int32_t> columns = findOutlierColumns(activation, 6.0);
  ASSERT_EQ(columns, (std::vector<int32_t>{4, 30}));

  int64_t kept = in - columns.size();
  std::vector<float> rest = dropColumns(activation, columns), part = dropColumns(weight, columns);
  ActivationScheme scheme{8, true};
  std::vector<float> scales(tokens);
  std::vector<int8_t> codes(tokens * kept);
  ConstMatrix restMatrix(rest.data(), tokens, kept);
  computeTokenParameters(restMatrix, {}, scheme, scales, {});
  quantizeActivations(restMatrix, {}, scheme, scales, {},
                      MatrixRef<int8_t>(codes.data(), tokens, kept));
  WeightScheme weightScheme;
  weightScheme.bits = 8;
  weightScheme.granularity = Granularity::PerChannel;
  weightScheme.symmetricRange = SymmetricRange::Restricted;
  auto rounded = quantizeRtn(ConstMatrix(part.data(), out, kept), weightScheme);
  ASSERT_TRUE(bool(rounded));
  std::vector<int32_t> sums(tokens * out);
  multiplyInt8(MatrixRef<const int8_t>(codes.data(), tokens, kept),
               MatrixRef<const int8_t>(rounded->codes.data(), out, kept),
               MatrixRef<int32_t>(sums.data(), tokens, out));

  auto isOutlier = [&](int64_t k) { return k == 4 || k == 30; };
  auto scaleOf = [&](const float *row) {
    float absmax = 0;
    for (int64_t k = 0; k != in; ++k)
      absmax = isOutlier(k) ? absmax : std::max(absmax, std::fabs(row[k]));
    return absmax / 127.0f;
  };
  auto code = [](float value, float scale) {
    return std::min(127, std::max(-128, static_cast<int>(std::nearbyint(value / scale))));
  };
  for (int64_t t = 0; t != tokens; ++t)
    for (int64_t n = 0; n != out; ++n) {
      float xs = scaleOf(x.data() + t * in), ws = scaleOf(w.data() + n * in);
      int32_t sum = 0;
      for (int64_t k = 0; k != in; ++k)
        if (!isOutlier(k))
          sum += code(x[t * in + k], xs) * code(w[n * in + k], ws);
      EXPECT_EQ(sums[t * out + n], sum) << t << ", " << n;
    }
}

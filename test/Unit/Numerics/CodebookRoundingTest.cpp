// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights rounded to a codebook: each block its own problem, to nearest and by GPTQ.

#include "TestData.h"
#include "ptq/Numerics/Awq.h"
#include "ptq/Numerics/Codebook.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::Each;
using testing::HasSubstr;

namespace {

WeightScheme normalFloat4(int64_t groupSize) {
  WeightScheme scheme;
  scheme.codebook = Codebook::NF4;
  scheme.groupSize = groupSize;
  return scheme;
}

std::vector<float> valuesOf(const QuantizedWeight &weight) {
  std::vector<float> values(weight.rows * weight.columns);
  dequantize(weight, MutableMatrix(values.data(), weight.rows, weight.columns));
  return values;
}

double meanSquare(const std::vector<float> &a, const std::vector<float> &b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return sum / double(a.size());
}

TEST(CodebookRounding, EveryBlockIsItsOwnProblem) {
  constexpr int64_t rows = 45, columns = 96, size = 24, stride = 100;
  std::vector<float> w = randomMatrix(rows, stride, 4);
  ConstMatrix matrix(w.data(), rows, columns, stride);
  QuantizedWeight q = valueOf(quantizeRtn(matrix, normalFloat4(size)));
  std::vector<float> values = valuesOf(q);
  llvm::ArrayRef<float> table = codebookEntries(Codebook::NF4);
  EXPECT_TRUE(q.zeroPoints.empty());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      float absmax = 0;
      for (int64_t k = j / size * size; k < (j / size + 1) * size; ++k)
        absmax = std::max(absmax, std::fabs(matrix(i, k)));
      ASSERT_EQ(q.scales[i * (columns / size) + j / size], absmax);
      float u = matrix(i, j) / absmax;
      int best = 0;
      for (int e = 1; e < 16; ++e)
        if (std::fabs(double(u) - table[e]) < std::fabs(double(u) - table[best]))
          best = e;
      ASSERT_EQ(q.codes[i * columns + j], best - 8) << u;
      ASSERT_EQ(values[i * columns + j], table[best] * absmax);
    }
}

TEST(CodebookRounding, ZerosAndExtremesAreExact) {
  std::vector<float> w(64, 0.0f);
  EXPECT_THAT(valuesOf(valueOf(quantizeRtn(ConstMatrix(w.data(), 2, 32), normalFloat4(16)))),
              Each(0.0f));
  w = {0.0f, -3.0f, 1.0f, 3.0f};
  QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), 1, 4), normalFloat4(4)));
  EXPECT_THAT(q.codes, testing::ElementsAre(-1, -8, 3, 7));
  std::vector<float> values = valuesOf(q);
  EXPECT_EQ(values[0], 0.0f);
  EXPECT_EQ(values[1], -3.0f);
  EXPECT_EQ(values[3], 3.0f);
}

TEST(CodebookRounding, FitsNormalWeightsBetterThanIntegers) {
  constexpr int64_t rows = 64, columns = 256;
  std::vector<float> w = randomMatrix(rows, columns, 8, 0.02f);
  ConstMatrix matrix(w.data(), rows, columns);
  WeightScheme integers = normalFloat4(64);
  integers.codebook = Codebook::Uniform;
  double table = meanSquare(w, valuesOf(valueOf(quantizeRtn(matrix, normalFloat4(64)))));
  double uniform = meanSquare(w, valuesOf(valueOf(quantizeRtn(matrix, integers))));
  EXPECT_LT(table, 0.85 * uniform);
  WeightScheme searched = normalFloat4(64);
  searched.mse = true;
  EXPECT_LT(meanSquare(w, valuesOf(valueOf(quantizeRtn(matrix, searched)))), 0.97 * table);
}

TEST(CodebookRounding, ClipBoundsTheScale) {
  std::vector<float> w{4.0f, -1.0f, 0.5f, 0.25f};
  float bound = 2.0f;
  QuantizedWeight q =
      valueOf(quantizeRtn(ConstMatrix(w.data(), 1, 4), normalFloat4(4), ConstMatrix(&bound, 1, 1)));
  EXPECT_EQ(q.scales[0], 2.0f);
  EXPECT_EQ(q.codes[0], 7);
}

TEST(CodebookRounding, GptqIsFarBelowRoundingToNearest) {
  constexpr int64_t rows = 48, columns = 256;
  std::vector<float> w = randomMatrix(rows, columns, 3, 0.05f);
  ConstMatrix matrix(w.data(), rows, columns);
  WeightScheme scheme = normalFloat4(64);
  GramFactor factor = valueOf(
      factorGram(correlatedGram(columns, 5), columns, {0.01f, ColumnOrder::GroupAware, 64}));
  GptqResult result = valueOf(quantizeGptq(matrix, factor, scheme));
  EXPECT_LT(result.error, 0.2 * result.errorRtn);
  double nearest = relativeOutputError(matrix, valueOf(quantizeRtn(matrix, scheme)), factor);
  EXPECT_NEAR(result.errorRtn, nearest, 1e-3 * nearest);
  WeightScheme integers = scheme;
  integers.codebook = Codebook::Uniform;
  EXPECT_LT(result.error, 0.9 * valueOf(quantizeGptq(matrix, factor, integers)).error);
}

TEST(CodebookRounding, DoubleQuantizationCostsLittle) {
  constexpr int64_t rows = 48, columns = 256;
  std::vector<float> w = randomMatrix(rows, columns, 3, 0.05f);
  ConstMatrix matrix(w.data(), rows, columns);
  WeightScheme scheme = normalFloat4(32);
  QuantizedWeight once = valueOf(quantizeRtn(matrix, scheme));
  EXPECT_FALSE(once.quantizedScales.has_value());
  scheme.doubleQuantization = true;
  QuantizedWeight twice = valueOf(quantizeRtn(matrix, scheme));
  ASSERT_TRUE(twice.quantizedScales.has_value());
  EXPECT_EQ(once.codes, twice.codes);
  EXPECT_EQ(twice.scales, dequantizeScales(*twice.quantizedScales));
  EXPECT_NE(once.scales, twice.scales);
  double before = meanSquare(w, valuesOf(once)), after = meanSquare(w, valuesOf(twice));
  EXPECT_NEAR(after, before, 0.005 * before);

  GramFactor factor = valueOf(
      factorGram(correlatedGram(columns, 5), columns, {0.01f, ColumnOrder::GroupAware, 32}));
  GptqResult solved = valueOf(quantizeGptq(matrix, factor, scheme));
  ASSERT_TRUE(solved.weight.quantizedScales.has_value());
  EXPECT_EQ(solved.weight.scales, dequantizeScales(*solved.weight.quantizedScales));
}

TEST(CodebookRounding, ScaleSearchDeclines) {
  std::vector<float> w = randomMatrix(4, 64, 1);
  std::vector<float> means(64, 1.0f), x = randomMatrix(64, 64, 2);
  ActivationSketch sketch = sketchActivations(ConstMatrix(x.data(), 64, 64), 32, 1);
  ScaledLayer layer{ConstMatrix(w.data(), 4, 64), normalFloat4(32)};
  auto result = searchAwqScales(layer, means, {}, 0, sketch);
  ASSERT_FALSE(bool(result));
  EXPECT_THAT(llvm::toString(result.takeError()), HasSubstr("entries of a codebook"));
}

} // namespace

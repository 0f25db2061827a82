// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ's integers against the textbook's form in double, over schemes, orders and ways to take
// scales.

#include "ptq/Numerics/Gptq.h"
#include "ReferenceGptq.h"
#include "TestData.h"
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

struct Case {
  const char *name;
  int64_t columns;
  unsigned bits;
  bool symmetric;
  Granularity granularity;
  int64_t groupSize;
  ColumnOrder order;
  bool staticGroups = false;
  int64_t blockSize = 0; // 0: live scales
  bool mse = false;
  bool deadColumns = false;
  SymmetricRange range = SymmetricRange::Full;
  Codebook codebook = Codebook::Uniform;
};

std::string nameOf(const testing::TestParamInfo<Case> &info) { return info.param.name; }
void PrintTo(const Case &c, std::ostream *out) { *out << c.name; }

class GptqAgainstTextbook : public testing::TestWithParam<Case> {};

constexpr auto tensor = Granularity::PerTensor, channel = Granularity::PerChannel,
               group = Granularity::PerGroup;
constexpr auto none = ColumnOrder::None, activation = ColumnOrder::Activation,
               groupAware = ColumnOrder::GroupAware;

TEST_P(GptqAgainstTextbook, SameIntegers) {
  const Case &c = GetParam();
  constexpr int64_t rows = 70; // three tiles, the last one partly filled
  ReferenceProblem problem;
  problem.rows = rows;
  problem.columns = c.columns;
  problem.w = randomMatrix(rows, c.columns, 7, 0.05f);
  std::vector<float> x = correlatedInputs(4 * c.columns, c.columns, 11);
  if (c.deadColumns)
    for (size_t t = 0; t < x.size(); t += c.columns)
      x[t + 3] = x[t + 17] = x[t + c.columns - 1] = 0.0f;
  problem.gram = gramOf(x, c.columns);
  problem.scheme.bits = c.bits;
  problem.scheme.symmetric = c.symmetric;
  problem.scheme.granularity = c.granularity;
  problem.scheme.groupSize = c.groupSize;
  problem.scheme.mse = c.mse;
  problem.scheme.symmetricRange = c.range;
  problem.scheme.codebook = c.codebook;
  problem.order = c.order;
  problem.staticGroups = c.staticGroups;
  problem.blockSize = c.blockSize;
  ReferenceResult expected = referenceGptq(problem);

  FactorOptions factorOptions;
  factorOptions.order = c.order;
  factorOptions.groupSize = c.granularity == group ? c.groupSize : 0;
  llvm::Expected<GramFactor> factor = factorGram(problem.gram, c.columns, factorOptions);
  ASSERT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
  GptqOptions options;
  options.staticGroups = c.staticGroups;
  options.liveGroupScales = c.blockSize == 0;
  if (c.blockSize)
    options.blockSize = c.blockSize;
  llvm::Expected<GptqResult> result = quantizeGptq(ConstMatrix(problem.w.data(), rows, c.columns),
                                                   *factor, problem.scheme, options);
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());

  const QuantizedWeight &weight = result->weight;
  int64_t compared = 0, groups = weight.groups();
  for (int64_t i = 0; i < rows; ++i) {
    if (expected.margins[i] < 2e-4)
      continue;
    ++compared;
    for (int64_t j = 0; j < c.columns; ++j) {
      ASSERT_EQ(int(weight.codes[i * c.columns + j]), expected.codes[i * c.columns + j])
          << "row " << i << ", column " << j;
      int64_t at = weight.parameterIndex(i, j);
      int64_t referenceAt = i * groups + expected.groupIndex[j];
      ASSERT_NEAR(weight.scales[at], expected.scales[referenceAt],
                  1e-4 * expected.scales[referenceAt]);
      if (!c.symmetric)
        ASSERT_EQ(int(weight.zeroPoints[at]), expected.zeroPoints[referenceAt]);
    }
  }
  EXPECT_GT(compared, rows / 3) << "too few rows without near ties to tell anything";
  EXPECT_NEAR(result->loss, expected.loss, 0.02 * expected.loss + 1e-9);
  EXPECT_EQ(weight.zeroPoints.empty(), c.symmetric);
  bool indexed = c.granularity == group && c.order == activation && !c.staticGroups;
  EXPECT_EQ(weight.groupIndex.empty(), !indexed);
}

INSTANTIATE_TEST_SUITE_P(
    Schemes, GptqAgainstTextbook,
    testing::Values(Case{"g32", 128, 4, true, group, 32, none},
                    Case{"g32_asymmetric", 128, 4, false, group, 32, none},
                    Case{"g128", 256, 4, true, group, 128, none},
                    Case{"g256_wider_than_a_block", 512, 4, true, group, 256, none},
                    Case{"g320_not_a_multiple_of_a_block", 640, 4, false, group, 320, groupAware},
                    Case{"g64_two_windows", 704, 4, true, group, 64, groupAware},
                    Case{"g640_wider_than_a_window", 640, 4, true, group, 640, none},
                    Case{"g48", 240, 4, true, group, 48, none},
                    Case{"g8", 136, 4, false, group, 8, none},
                    Case{"g1", 36, 4, false, group, 1, none},
                    Case{"odd_width_g21", 147, 3, true, group, 21, groupAware},
                    Case{"bits2", 128, 2, false, group, 32, none},
                    Case{"bits3", 128, 3, true, group, 64, groupAware},
                    Case{"bits5", 128, 5, false, group, 64, none},
                    Case{"bits8", 128, 8, true, channel, 0, none},
                    Case{"bits8_asymmetric", 128, 8, false, channel, 0, none},
                    Case{"channel", 160, 4, true, channel, 0, none},
                    Case{"channel_asymmetric_activation", 160, 4, false, channel, 0, activation},
                    Case{"channel_group_aware", 160, 4, true, channel, 0, groupAware},
                    Case{"tensor", 160, 4, true, tensor, 0, groupAware},
                    Case{"tensor_asymmetric", 160, 6, false, tensor, 0, none},
                    Case{"restricted", 160, 4, true, group, 32, groupAware, false, 0, false, false,
                         SymmetricRange::Restricted}),
    nameOf);

INSTANTIATE_TEST_SUITE_P(
    Orders, GptqAgainstTextbook,
    testing::Values(
        Case{"activation_live", 192, 4, true, group, 32, activation},
        Case{"activation_live_asymmetric", 192, 4, false, group, 64, activation},
        Case{"activation_static", 192, 4, true, group, 32, activation, true},
        Case{"activation_static_asymmetric", 192, 4, false, group, 32, activation, true},
        Case{"group_aware_live", 192, 4, true, group, 32, groupAware},
        Case{"group_aware_live_asymmetric", 256, 4, false, group, 128, groupAware},
        Case{"group_aware_static", 192, 4, true, group, 32, groupAware, true},
        Case{"none_static", 192, 4, true, group, 32, none, true},
        Case{"dead_columns", 128, 4, true, group, 32, groupAware, false, 0, false, true},
        Case{"dead_columns_asymmetric", 128, 4, false, group, 32, none, false, 0, false, true},
        Case{"dead_columns_activation", 128, 4, false, group, 32, activation, true, 0, false,
             true}),
    nameOf);

constexpr auto full = SymmetricRange::Full;
constexpr auto nf4 = Codebook::NF4;

INSTANTIATE_TEST_SUITE_P(
    Codebooks, GptqAgainstTextbook,
    testing::Values(
        Case{"g64", 192, 4, true, group, 64, none, false, 0, false, false, full, nf4},
        Case{"g32_group_aware", 128, 4, true, group, 32, groupAware, false, 0, false, false, full,
             nf4},
        Case{"g32_activation", 128, 4, true, group, 32, activation, false, 0, false, false, full,
             nf4},
        Case{"static", 192, 4, true, group, 32, activation, true, 0, false, false, full, nf4},
        Case{"channel", 160, 4, true, channel, 0, groupAware, false, 0, false, false, full, nf4},
        Case{"dead_columns", 128, 4, true, group, 32, none, false, 0, false, true, full, nf4},
        Case{"mse", 128, 4, true, group, 32, groupAware, false, 0, true, false, full, nf4}),
    nameOf);

INSTANTIATE_TEST_SUITE_P(
    BlockUpdatedScales, GptqAgainstTextbook,
    testing::Values(
        Case{"g32_block128", 256, 4, true, group, 32, none, false, 128},
        Case{"g64_block128_group_aware", 256, 4, false, group, 64, groupAware, false, 128},
        Case{"g32_block128_activation", 256, 4, true, group, 32, activation, false, 128},
        Case{"g96_block64", 192, 4, true, group, 96, none, false, 64},
        Case{"g48_block128", 240, 4, true, group, 48, none, false, 128},
        Case{"g128_block128", 256, 4, true, group, 128, none, false, 128},
        Case{"g192_block128", 384, 4, true, group, 192, none, false, 128}),
    nameOf);

INSTANTIATE_TEST_SUITE_P(
    MseRanges, GptqAgainstTextbook,
    testing::Values(Case{"live", 128, 4, true, group, 32, groupAware, false, 0, true},
                    Case{"live_asymmetric", 128, 3, false, group, 64, none, false, 0, true},
                    Case{"static", 128, 4, true, group, 32, activation, true, 0, true},
                    Case{"channel", 128, 4, false, channel, 0, none, false, 0, true},
                    Case{"tensor", 128, 4, true, tensor, 0, none, false, 0, true}),
    nameOf);

} // namespace

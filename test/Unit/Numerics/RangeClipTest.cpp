// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranges that are bounded from outside, in rounding to nearest and in GPTQ.

#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace ptq::numerics;

namespace {

constexpr int64_t rows = 37, columns = 64, groupSize = 16, groups = columns / groupSize;

struct Problem {
  std::vector<float> weight, clip;
  ConstMatrix w() const { return ConstMatrix(weight.data(), rows, columns); }
  ConstMatrix bounds() const { return ConstMatrix(clip.data(), rows, groups); }
};

/// Some bounds bite, some are wider than the range.
Problem makeProblem() {
  Problem problem;
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0.5f, 1.2f);
  problem.weight.resize(rows * columns);
  for (float &value : problem.weight)
    value = normal(generator) + 0.2f;
  for (int64_t i = 0; i < rows * groups; ++i) {
    float greatest = 0;
    for (int64_t k = 0; k < groupSize; ++k)
      greatest = std::max(greatest, std::fabs(problem.weight[i * groupSize + k]));
    problem.clip.push_back(greatest * uniform(generator));
  }
  return problem;
}

WeightScheme makeScheme(bool symmetric) {
  WeightScheme scheme;
  scheme.symmetric = symmetric;
  scheme.groupSize = groupSize;
  return scheme;
}

GramFactor makeFactor(ColumnOrder order) {
  std::mt19937 generator(11);
  std::normal_distribution<float> normal;
  std::vector<float> gram(columns * columns, 0.0f);
  for (int64_t t = 0; t < 200; ++t) {
    std::vector<float> x(columns);
    for (float &value : x)
      value = normal(generator);
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t j = 0; j < columns; ++j)
        gram[i * columns + j] += x[i] * x[j];
  }
  FactorOptions options;
  options.order = order;
  options.groupSize = order == ColumnOrder::GroupAware ? groupSize : 0;
  return llvm::cantFail(factorGram(std::move(gram), columns, options));
}

/// The parameters of the range of a group, cut at its bound.
QuantizationParameters expected(const Problem &problem, int64_t i, bool symmetric) {
  float lo = 0, hi = 0, bound = problem.clip[i];
  for (int64_t k = 0; k < groupSize; ++k) {
    lo = std::min(lo, problem.weight[i * groupSize + k]);
    hi = std::max(hi, problem.weight[i * groupSize + k]);
  }
  return parametersOfRange(std::max(lo, -bound), std::min(hi, bound), 4, symmetric);
}

TEST(RangeClip, RtnTakesScalesFromTheCutRange) {
  Problem problem = makeProblem();
  for (bool symmetric : {true, false}) {
    auto rounded = quantizeRtn(problem.w(), makeScheme(symmetric), problem.bounds());
    ASSERT_TRUE(static_cast<bool>(rounded));
    for (int64_t i = 0; i < rows * groups; ++i) {
      QuantizationParameters parameters = expected(problem, i, symmetric);
      EXPECT_EQ(rounded->scales[i], parameters.scale);
      if (!symmetric) {
        EXPECT_EQ(rounded->zeroPoints[i], parameters.zeroPoint);
      }
    }
  }
}

TEST(RangeClip, AWideBoundChangesNothing) {
  Problem problem = makeProblem();
  std::fill(problem.clip.begin(), problem.clip.end(), 1e6f);
  auto plain = quantizeRtn(problem.w(), makeScheme(true));
  auto clipped = quantizeRtn(problem.w(), makeScheme(true), problem.bounds());
  ASSERT_TRUE(plain && clipped);
  EXPECT_EQ(plain->codes, clipped->codes);
  EXPECT_EQ(plain->scales, clipped->scales);
}

/// Static scales are those of rounding to nearest, in whatever order columns are rounded.
TEST(RangeClip, GptqWithStaticGroupsTakesTheSameScales) {
  Problem problem = makeProblem();
  for (ColumnOrder order : {ColumnOrder::None, ColumnOrder::Activation, ColumnOrder::GroupAware}) {
    GptqOptions options;
    options.staticGroups = true;
    auto solved =
        quantizeGptq(problem.w(), makeFactor(order), makeScheme(true), options, problem.bounds());
    ASSERT_TRUE(static_cast<bool>(solved)) << llvm::toString(solved.takeError());
    for (int64_t i = 0; i < rows * groups; ++i)
      EXPECT_EQ(solved->weight.scales[i], expected(problem, i, true).scale);
  }
}

/// Live scales never exceed those of the bound, which reach the right group in group-aware order.
TEST(RangeClip, GptqBoundsLiveScales) {
  Problem problem = makeProblem();
  auto solved = quantizeGptq(problem.w(), makeFactor(ColumnOrder::GroupAware), makeScheme(true), {},
                             problem.bounds());
  ASSERT_TRUE(static_cast<bool>(solved));
  int64_t reached = 0;
  for (int64_t i = 0; i < rows * groups; ++i) {
    float bound = parametersOfRange(-problem.clip[i], problem.clip[i], 4, true).scale;
    EXPECT_LE(solved->weight.scales[i], bound);
    reached += solved->weight.scales[i] == bound;
  }
  EXPECT_GT(reached, rows * groups / 4);
}

TEST(RangeClip, Errors) {
  Problem problem = makeProblem();
  auto message = [&](WeightScheme scheme, ConstMatrix clip) {
    return llvm::toString(quantizeRtn(problem.w(), scheme, clip).takeError());
  };
  EXPECT_NE(message(makeScheme(true), ConstMatrix(problem.clip.data(), rows, 2))
                .find("37 x 2 groups, but the weight has 37 x 4"),
            std::string::npos);
  WeightScheme perTensor = makeScheme(true);
  perTensor.granularity = Granularity::PerTensor;
  EXPECT_NE(message(perTensor, problem.bounds()).find("per tensor"), std::string::npos);
  problem.clip[5] = -1;
  EXPECT_NE(message(makeScheme(true), problem.bounds()).find("row 1, group 1"), std::string::npos);
  problem = makeProblem();
  auto scattered = quantizeGptq(problem.w(), makeFactor(ColumnOrder::Activation), makeScheme(true),
                                {}, problem.bounds());
  EXPECT_NE(llvm::toString(scattered.takeError()).find("consecutive channels"), std::string::npos);
}

} // namespace

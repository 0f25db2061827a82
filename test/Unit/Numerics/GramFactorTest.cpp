// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// H = R R^T: the identity itself, damping, retries, dead columns, errors.

#include "ptq/Numerics/GramFactor.h"
#include "TestData.h"
#include "ptq/Numerics/Threads.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::HasSubstr;

namespace {

std::string messageOf(llvm::Expected<GramFactor> factor) {
  return factor ? "no error" : llvm::toString(factor.takeError());
}

/// (R R^T)[i, j] in double.
double product(const GramFactor &factor, int64_t i, int64_t j) {
  int64_t n = factor.columns;
  double sum = 0;
  for (int64_t k = 0; k < n; ++k)
    sum += double(factor.r[i * n + k]) * factor.r[j * n + k];
  return sum;
}

TEST(GramFactor, ProductIsThePermutedDampedGram) {
  constexpr int64_t n = 96;
  std::vector<float> gram = correlatedGram(n, 3);
  double mean = 0;
  for (int64_t j = 0; j < n; ++j)
    mean += gram[j * n + j] / n;
  for (ColumnOrder order : {ColumnOrder::None, ColumnOrder::Activation, ColumnOrder::GroupAware}) {
    GramFactor factor = valueOf(factorGram(gram, n, {0.1f, order, 32}));
    EXPECT_EQ(factor.columns, n);
    EXPECT_FLOAT_EQ(factor.damping, 0.1f);
    EXPECT_EQ(factor.retries, 0u);
    EXPECT_EQ(factor.warning, "");
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_GT(factor.r[i * n + i], 0.0f);
      for (int64_t j = 0; j < n; ++j) {
        if (j < i)
          ASSERT_EQ(factor.r[i * n + j], 0.0f) << "R is upper triangular";
        int64_t a = factor.permutation[i], b = factor.permutation[j];
        double h = gram[std::min(a, b) * n + std::max(a, b)] + (i == j ? 0.1 * mean : 0);
        double bound = 1e-5 * std::sqrt(double(gram[a * n + a]) * gram[b * n + b]) + 1e-5 * mean;
        ASSERT_NEAR(product(factor, i, j), h, bound) << i << ", " << j;
      }
    }
  }
}

// Wide enough for several tiles of the factorization, the last one of them narrow.
TEST(GramFactor, ProductOverManyTiles) {
  for (int64_t n : {256, 257, 513, 800}) {
    std::vector<float> gram = correlatedGram(n, 4);
    double mean = 0;
    for (int64_t j = 0; j < n; ++j)
      mean += gram[j * n + j] / n;
    GramFactor factor = valueOf(factorGram(gram, n, {0.05f, ColumnOrder::Activation, 0}));
    double worst = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i; j < n; ++j) {
        int64_t a = factor.permutation[i], b = factor.permutation[j];
        double h = gram[std::min(a, b) * n + std::max(a, b)] + (i == j ? 0.05 * mean : 0);
        double scale = std::sqrt(double(gram[a * n + a]) * gram[b * n + b]) + mean;
        double sum = 0;
        for (int64_t k = j; k < n; ++k)
          sum += double(factor.r[i * n + k]) * factor.r[j * n + k];
        worst = std::max(worst, std::fabs(sum - h) / scale);
        if (j > i)
          ASSERT_EQ(factor.r[j * n + i], 0.0f) << "R is upper triangular";
      }
    EXPECT_LT(worst, 3e-6) << n << " columns";
  }
}

TEST(GramFactor, SameOnAnyNumberOfThreads) {
  constexpr int64_t n = 800;
  std::vector<float> gram = correlatedGram(n, 4);
  std::vector<GramFactor> factors;
  for (unsigned threads : {1u, 2u, 6u}) {
    setThreadCount(threads);
    factors.push_back(valueOf(factorGram(gram, n, {0.05f, ColumnOrder::GroupAware, 32})));
    EXPECT_EQ(factors.back().r, factors.front().r) << threads << " threads";
  }
  setThreadCount(0);
}

// One bad pair of columns among many, in whichever tile, raises the damping all the same.
TEST(GramFactor, NotPositiveDefiniteAnywhere) {
  constexpr int64_t n = 600;
  for (int64_t at : {0, 300, 598}) {
    std::vector<float> gram(n * n, 0.0f);
    for (int64_t i = 0; i < n; ++i)
      gram[i * n + i] = 1.0f;
    gram[at * n + at + 1] = 1.205f;
    GramFactor factor = valueOf(factorGram(gram, n, {0.05f, ColumnOrder::None, 0}));
    EXPECT_EQ(factor.retries, 16u) << at;
    gram[at * n + at + 1] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(messageOf(factorGram(gram, n, {0.05f, ColumnOrder::None, 0})),
                HasSubstr("(" + std::to_string(at) + ", " + std::to_string(at + 1) + ")"));
  }
}

TEST(GramFactor, ReadsTheUpperTriangleOnly) {
  constexpr int64_t n = 40;
  std::vector<float> gram = correlatedGram(n, 3), noisy = gram;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      noisy[i * n + j] = std::numeric_limits<float>::quiet_NaN();
  FactorOptions options{0.05f, ColumnOrder::Activation, 0};
  EXPECT_EQ(valueOf(factorGram(noisy, n, options)).r, valueOf(factorGram(gram, n, options)).r);
}

// [[1, a], [a, 1]] has the eigenvalue 1 - a: damping above a - 1 makes it positive definite.
TEST(GramFactor, RaisesDampingUntilPositiveDefinite) {
  GramFactor factor =
      valueOf(factorGram({1.0f, 1.205f, 0.0f, 1.0f}, 2, {0.05f, ColumnOrder::None, 0}));
  EXPECT_EQ(factor.retries, 16u); // 0.05 + 16 * 0.01 = 0.21
  EXPECT_NEAR(factor.damping, 0.21f, 1e-6);
  EXPECT_THAT(factor.warning, HasSubstr("0.05: raised to 0.21"));
  EXPECT_NEAR(product(factor, 0, 0), 1.21, 1e-6);
  EXPECT_NEAR(product(factor, 0, 1), 1.205, 1e-6);
}

TEST(GramFactor, GivesUpAtDampingOne) {
  EXPECT_THAT(messageOf(factorGram({1.0f, 3.0f, 0.0f, 1.0f}, 2, {0.05f, ColumnOrder::None, 0})),
              HasSubstr("not positive definite, even with damping 1"));
}

TEST(GramFactor, DeadColumnsGetTheMeanOfTheLive) {
  GramFactor factor = valueOf(factorGram({4.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 8.0f}, 3,
                                         {0.5f, ColumnOrder::Activation, 0}));
  EXPECT_THAT(factor.dead, testing::ElementsAre(0, 1, 0));
  EXPECT_THAT(factor.permutation, testing::ElementsAre(2, 0, 1));
  EXPECT_FLOAT_EQ(product(factor, 0, 0), 8 + 0.5 * 6);
  EXPECT_FLOAT_EQ(product(factor, 1, 1), 4 + 0.5 * 6);
  EXPECT_FLOAT_EQ(product(factor, 2, 2), 6 + 0.5 * 6);
}

TEST(GramFactor, Errors) {
  FactorOptions options{0.05f, ColumnOrder::None, 0};
  float nan = std::numeric_limits<float>::quiet_NaN();
  float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(messageOf(factorGram({1.0f, nan, 0.0f, 1.0f}, 2, options)), HasSubstr("(0, 1)"));
  EXPECT_THAT(messageOf(factorGram({1.0f, 0.0f, 0.0f, infinity}, 2, options)), HasSubstr("(1, 1)"));
  EXPECT_THAT(messageOf(factorGram({1.0f, 0.0f, 0.0f, -1.0f}, 2, options)), HasSubstr("-1"));
  EXPECT_THAT(messageOf(factorGram({0.0f, 0.0f, 0.0f, 0.0f}, 2, options)), HasSubstr("all zeros"));
  EXPECT_THAT(messageOf(factorGram({1.0f, 0.0f, 0.0f}, 2, options)), HasSubstr("3 elements"));
  EXPECT_THAT(messageOf(factorGram({}, 0, options)), HasSubstr("0 channels"));
  EXPECT_THAT(
      messageOf(factorGram(std::vector<float>(36, 1.0f), 6, {0.05f, ColumnOrder::GroupAware, 4})),
      HasSubstr("group size 4"));
  EXPECT_THAT(messageOf(factorGram({1.0f}, 1, {-0.1f, ColumnOrder::None, 0})),
              HasSubstr("damping is -0.1"));
  EXPECT_THAT(messageOf(factorGram({1.0f}, 1, {nan, ColumnOrder::None, 0})), HasSubstr("damping"));
}

} // namespace

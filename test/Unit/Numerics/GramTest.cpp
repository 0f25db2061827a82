// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gram matrices: sums over calls, the upper triangle only, strides.

#include "TestData.h"
#include <gtest/gtest.h>

#include <array>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

TEST(Gram, AccumulatesTheUpperTriangle) {
  constexpr int64_t tokens = 30, n = 7, stride = 9;
  std::vector<float> x = randomMatrix(tokens, stride, 1);
  std::vector<float> gram(n * n, 0.0f);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      gram[i * n + j] = -5.0f;
  MutableMatrix view(gram.data(), n, n);
  accumulateGram(ConstMatrix(x.data(), 20, n, stride), view);
  accumulateGram(ConstMatrix(x.data() + 20 * stride, 10, n, stride), view);
  accumulateGram(ConstMatrix(x.data(), 0, n, stride), view);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < tokens; ++t)
        sum += double(x[t * stride + i]) * x[t * stride + j];
      if (j < i)
        EXPECT_EQ(gram[i * n + j], -5.0f);
      else
        EXPECT_NEAR(gram[i * n + j], sum, 1e-4);
    }
}

TEST(Gram, SomeRows) {
  constexpr int64_t tokens = 30, n = 11, stride = 13;
  std::vector<float> x = randomMatrix(tokens, stride, 1);
  for (auto [first, last, count] : {std::array<int64_t, 3>{0, n, tokens},
                                    {0, 4, tokens},
                                    {4, 9, tokens},
                                    {9, n, tokens},
                                    {4, 9, 0}}) {
    std::vector<float> rows((last - first) * (n - first), -5.0f);
    MutableMatrix view(rows.data(), last - first, n - first);
    computeGramRows(ConstMatrix(x.data(), count, n, stride), first, last, view);
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = first; j < n; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < count; ++t)
          sum += double(x[t * stride + i]) * x[t * stride + j];
        if (j < i)
          EXPECT_EQ(view(i - first, j - first), -5.0f);
        else
          EXPECT_NEAR(view(i - first, j - first), sum, 1e-4);
      }
  }
}

TEST(Gram, Symmetrize) {
  constexpr int64_t n = 150; // more than two blocks
  std::vector<float> gram = randomMatrix(n, n, 2), before = gram;
  symmetrize(MutableMatrix(gram.data(), n, n));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      ASSERT_EQ(gram[i * n + j], before[std::min(i, j) * n + std::max(i, j)]);
}

} // namespace

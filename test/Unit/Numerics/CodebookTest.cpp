// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codebooks: the NF4 table against the published one and its definition, nearest entries.

#include "ptq/Numerics/Codebook.h"
#include <cfloat>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace ptq::numerics;

namespace {

// QLoRA, appendix E.
constexpr double publishedNormalFloat4[] = {-1.0,
                                            -0.6961928009986877,
                                            -0.5250730514526367,
                                            -0.39491748809814453,
                                            -0.28444138169288635,
                                            -0.18477343022823334,
                                            -0.09105003625154495,
                                            0.0,
                                            0.07958029955625534,
                                            0.16093020141124725,
                                            0.24611230194568634,
                                            0.33791524171829224,
                                            0.44070982933044434,
                                            0.5626170039176941,
                                            0.7229568362236023,
                                            1.0};

TEST(Codebook, NormalFloat4IsThePublishedTable) {
  llvm::ArrayRef<float> table = codebookEntries(Codebook::NF4);
  ASSERT_EQ(table.size(), 16u);
  // The published one was computed in float32 from probabilities of 8 digits.
  for (int i = 0; i < 16; ++i)
    EXPECT_NEAR(table[i], publishedNormalFloat4[i], 1.5e-7 + 3e-7 * std::fabs(table[i])) << i;
  EXPECT_EQ(table[0], -1.0f);
  EXPECT_EQ(table[7], 0.0f);
  EXPECT_EQ(table[15], 1.0f);
  EXPECT_TRUE(codebookEntries(Codebook::Uniform).empty());
}

TEST(Codebook, NormalQuantile) {
  EXPECT_NEAR(normalQuantile(0.5), 0.0, 1e-15);
  // Known to many digits.
  EXPECT_NEAR(normalQuantile(0.975), 1.959963984540054, 1e-13);
  EXPECT_NEAR(normalQuantile(0.9), 1.2815515655446004, 1e-13);
  EXPECT_NEAR(normalQuantile(0.05), -1.6448536269514722, 1e-13);
  for (double p : {1e-10, 1e-3, 0.3, 0.77, 0.999})
    EXPECT_NEAR(0.5 * std::erfc(-normalQuantile(p) / std::sqrt(2.0)), p, 1e-13 * p + 1e-16);
}

TEST(Codebook, NearestEntryByBruteForce) {
  llvm::ArrayRef<float> table = codebookEntries(Codebook::NF4);
  std::vector<float> midpoints = computeMidpoints(table);
  auto bruteForce = [&](float x) {
    int64_t best = 0;
    for (int64_t i = 1; i < int64_t(table.size()); ++i)
      if (std::fabs(double(x) - table[i]) < std::fabs(double(x) - table[best]))
        best = i; // of two as near the first stays
    return best;
  };
  std::mt19937 engine(3);
  std::uniform_real_distribution<float> uniform(-1.2f, 1.2f);
  for (int i = 0; i < 20000; ++i) {
    float x = uniform(engine);
    ASSERT_EQ(nearestEntry(midpoints, x), bruteForce(x)) << x;
  }
  // The floats about each midpoint, where rounding of the midpoint itself would show.
  for (float midpoint : midpoints) {
    float x = midpoint;
    for (int step = 0; step < 3; ++step)
      x = std::nextafter(x, -2.0f);
    for (int step = 0; step < 7; ++step, x = std::nextafter(x, 2.0f))
      ASSERT_EQ(nearestEntry(midpoints, x), bruteForce(x)) << x;
  }
  EXPECT_EQ(nearestEntry(midpoints, std::numeric_limits<float>::infinity()), 15);
  EXPECT_EQ(nearestEntry(midpoints, -FLT_MAX), 0);
}

TEST(Codebook, TiesTakeTheLowerEntry) {
  std::vector<float> midpoints = computeMidpoints({-1.0f, 0.0f, 0.5f, 1.0f});
  EXPECT_EQ(nearestEntry(midpoints, -0.5f), 0);
  EXPECT_EQ(nearestEntry(midpoints, 0.25f), 1);
  EXPECT_EQ(nearestEntry(midpoints, 0.75f), 2);
  EXPECT_EQ(nearestEntry(midpoints, std::nextafter(0.75f, 1.0f)), 3);
}

} // namespace

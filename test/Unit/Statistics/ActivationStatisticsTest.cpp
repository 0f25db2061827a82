// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics against a direct computation in double.
//
#include "ptq/Statistics/ActivationStatistics.h"

#include "../Checkpoint/TestFiles.h"
#include "gmock/gmock.h"

#include <cmath>
#include <random>

using namespace ptq::statistics;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

std::vector<float> randomMatrix(int64_t rows, int64_t stride, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(rows * stride);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = normal(random) * (i % 7 == 0 ? 100.0f : 1.0f);
  return x;
}

ActivationStatistics observe(const std::vector<float> &x, int64_t rows, int64_t channels,
                             int64_t stride) {
  StatisticsAccumulator accumulator;
  expectSuccess(accumulator.add(x.data(), rows, channels, stride));
  return accumulator.finish();
}

TEST(ActivationStatisticsTest, AgreesWithBruteForce) {
  // Widths below, at and above the block of channels; a stride that leaves gaps.
  for (int64_t channels : {1, 3, 512, 513, 1100}) {
    int64_t rows = 37, stride = channels + 5;
    std::vector<float> x = randomMatrix(rows, stride, unsigned(channels));
    for (int64_t t = 0; t < rows; ++t) // never to be read
      for (int64_t j = channels; j < stride; ++j)
        x[t * stride + j] = NAN;
    ActivationStatistics statistics = observe(x, rows, channels, stride);
    EXPECT_EQ(statistics.tokens, rows);
    ASSERT_EQ(statistics.channels(), channels);
    EXPECT_TRUE(statistics.divisor.empty());
    for (int64_t j = 0; j < channels; ++j) {
      double largest = 0, sum = 0;
      for (int64_t t = 0; t < rows; ++t) {
        largest = std::max(largest, std::fabs(double(x[t * stride + j])));
        sum += std::fabs(double(x[t * stride + j]));
      }
      EXPECT_EQ(statistics.absmax[j], float(largest)) << j;
      EXPECT_EQ(statistics.meanAbs[j], float(sum / double(rows))) << j;
    }
  }
}

TEST(ActivationStatisticsTest, DoesNotDependOnTheSplit) {
  int64_t rows = 100, channels = 600;
  std::vector<float> x = randomMatrix(rows, channels, 1);
  ActivationStatistics whole = observe(x, rows, channels, channels);
  StatisticsAccumulator pieces;
  for (int64_t t = 0, n = 1; t < rows; t += n, n = std::min(n + 3, rows - t))
    expectSuccess(pieces.add(x.data() + t * channels, n, channels, channels));
  ActivationStatistics split = pieces.finish();
  EXPECT_EQ(split.tokens, rows);
  EXPECT_EQ(split.absmax, whole.absmax);
  EXPECT_EQ(split.meanAbs, whole.meanAbs);
}

TEST(ActivationStatisticsTest, SumsStayExactOverManyTokens) {
  // 2^24 in float absorbs further ones; the sum must not.
  std::vector<float> x(1000, 1.0f);
  StatisticsAccumulator accumulator;
  expectSuccess(accumulator.add(std::vector<float>{0x1p24f}.data(), 1, 1, 1));
  expectSuccess(accumulator.add(x.data(), 1000, 1, 1));
  EXPECT_EQ(accumulator.finish().meanAbs[0], float((0x1p24 + 1000) / 1001));
}

TEST(ActivationStatisticsTest, Merges) {
  int64_t channels = 11;
  std::vector<float> x = randomMatrix(20, channels, 3);
  StatisticsAccumulator first, second, empty;
  expectSuccess(first.add(x.data(), 8, channels, channels));
  expectSuccess(second.add(x.data() + 8 * channels, 12, channels, channels));
  expectSuccess(first.merge(empty));
  expectSuccess(first.merge(second));
  expectSuccess(empty.merge(first));
  ActivationStatistics whole = observe(x, 20, channels, channels), merged = empty.finish();
  EXPECT_EQ(merged.tokens, 20);
  EXPECT_EQ(merged.absmax, whole.absmax);
  for (int64_t j = 0; j < channels; ++j)
    EXPECT_FLOAT_EQ(merged.meanAbs[j], whole.meanAbs[j]);
}

TEST(ActivationStatisticsTest, HandlesNothingAndSignedZero) {
  EXPECT_EQ(StatisticsAccumulator().finish().tokens, 0);
  ActivationStatistics none = observe({}, 0, 3, 3);
  EXPECT_EQ(none.absmax, (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(none.meanAbs, (std::vector<float>{0, 0, 0}));
  EXPECT_FALSE(std::signbit(observe({-0.0f}, 1, 1, 1).absmax[0]));
  EXPECT_EQ(observe({-0x1p-149f, 3e38f}, 2, 1, 1).absmax[0], 3e38f);
  EXPECT_EQ(observe({-0x1p-149f}, 1, 1, 1).absmax[0], 0x1p-149f);
}

TEST(ActivationStatisticsTest, NamesTheTokenThatIsNotFinite) {
  int64_t channels = 700;
  std::vector<float> x = randomMatrix(6, channels, 5);
  StatisticsAccumulator accumulator;
  expectSuccess(accumulator.add(x.data(), 4, channels, channels));
  ActivationStatistics before = accumulator.finish();
  for (float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    std::vector<float> y = x;
    y[3 * channels + 600] = bad;
    std::string message = messageOf(accumulator.add(y.data(), 6, channels, channels));
    EXPECT_THAT(message, AllOf(HasSubstr("token 7"), HasSubstr("channel 600"),
                               HasSubstr(std::isnan(bad) ? "NaN" : "infinite")));
  }
  // As if the failed calls had not been.
  EXPECT_EQ(accumulator.finish().tokens, 4);
  EXPECT_EQ(accumulator.finish().absmax, before.absmax);
  EXPECT_EQ(accumulator.finish().meanAbs, before.meanAbs);
}

TEST(ActivationStatisticsTest, RejectsSizesThatDisagree) {
  std::vector<float> x(8, 1.0f);
  StatisticsAccumulator accumulator, other;
  EXPECT_THAT(messageOf(accumulator.add(x.data(), 2, 4, 3)), HasSubstr("stride 3"));
  EXPECT_THAT(messageOf(accumulator.add(x.data(), -2, 4, 4)), HasSubstr("-2 tokens"));
  expectSuccess(accumulator.add(x.data(), 2, 4, 4));
  EXPECT_THAT(messageOf(accumulator.add(x.data(), 2, 3, 4)), HasSubstr("4 channels"));
  expectSuccess(other.add(x.data(), 2, 3, 4));
  EXPECT_THAT(messageOf(accumulator.merge(other)), HasSubstr("3"));
}

TEST(ActivationStatisticsTest, DividingStatisticsIsObservingTheQuotient) {
  int64_t rows = 50, channels = 9;
  std::vector<float> x = randomMatrix(rows, channels, 9), y = x;
  std::vector<float> s1 = {1, 2, 4, 0.5f, 8, 1, 16, 0.25f, 2}, s2(channels, 4.0f);
  for (int64_t i = 0; i < rows * channels; ++i)
    y[i] /= s1[i % channels] * s2[i % channels];
  ActivationStatistics divided =
      valueOf(valueOf(observe(x, rows, channels, channels).dividedBy(s1)).dividedBy(s2));
  ActivationStatistics expected = observe(y, rows, channels, channels);
  EXPECT_EQ(divided.tokens, rows);
  EXPECT_EQ(divided.absmax, expected.absmax); // powers of two: exact
  EXPECT_EQ(divided.meanAbs, expected.meanAbs);

  auto gramOf = [&](const std::vector<float> &m) {
    std::vector<float> gram(channels * channels);
    for (int64_t i = 0; i < channels; ++i)
      for (int64_t j = 0; j < channels; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < rows; ++t)
          sum += double(m[t * channels + i]) * m[t * channels + j];
        gram[i * channels + j] = float(sum);
      }
    return gram;
  };
  std::vector<float> gram = gramOf(x);
  expectSuccess(applyDivisorToGram(gram, divided.divisor));
  EXPECT_EQ(gram, gramOf(y));
  expectSuccess(applyDivisorToGram(gram, {}));
  EXPECT_EQ(gram, gramOf(y));
}

TEST(ActivationStatisticsTest, AGramMatrixStaysExactlySymmetric) {
  std::vector<float> gram = {1, 0.7f, 0.3f, 0.7f, 5, 0.11f, 0.3f, 0.11f, 9};
  expectSuccess(applyDivisorToGram(gram, {0.3f, 0.7f, 1.1f}));
  EXPECT_EQ(gram[1], gram[3]);
  EXPECT_EQ(gram[2], gram[6]);
  EXPECT_EQ(gram[5], gram[7]);
  EXPECT_FLOAT_EQ(gram[1], 0.7f / (0.3f * 0.7f));
}

TEST(ActivationStatisticsTest, RejectsBadScales) {
  ActivationStatistics statistics = observe({1, 2, 3}, 1, 3, 3);
  EXPECT_THAT(messageOf(statistics.dividedBy({1, 2})), HasSubstr("3 channels by 2"));
  for (float bad : {0.0f, -1.0f, NAN, INFINITY})
    EXPECT_THAT(messageOf(statistics.dividedBy({1, bad, 1})), HasSubstr("channel 1"));
  std::vector<float> gram(8);
  EXPECT_THAT(messageOf(applyDivisorToGram(gram, {1, 2, 3})), HasSubstr("8 elements"));
}

} // namespace

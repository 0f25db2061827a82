// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ's search, its loss and its sketch, against the definitions computed in double.

#include "ptq/Numerics/Awq.h"
#include "TestData.h"
#include "ptq/Numerics/Rtn.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace ptq::numerics;
using namespace ptq::numerics::test;
using testing::Each;
using testing::HasSubstr;

namespace {

template <typename T> std::string messageOf(llvm::Expected<T> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

ConstMatrix view(const std::vector<float> &values, int64_t columns) {
  return ConstMatrix(values.data(), static_cast<int64_t>(values.size()) / columns, columns);
}

ActivationSketch exact(const std::vector<float> &x, int64_t columns) {
  return sketchActivations(view(x, columns), static_cast<int64_t>(x.size()) / columns, 0);
}

/// ||D X^T||^2 of rows d and tokens x.
double outputError(const std::vector<double> &d, const std::vector<float> &x, int64_t columns) {
  double total = 0;
  for (size_t i = 0; i < d.size(); i += columns)
    for (size_t t = 0; t < x.size(); t += columns) {
      double y = 0;
      for (int64_t j = 0; j < columns; ++j)
        y += d[i + j] * x[t + j];
      total += y * y;
    }
  return total;
}

/// The definition: ||(W - Q(W S) S^-1) X^T||^2 by quantizeRtn.
double lossOf(const std::vector<float> &w, const WeightScheme &scheme, const std::vector<float> &s,
              const std::vector<float> &x) {
  int64_t columns = static_cast<int64_t>(s.size());
  std::vector<float> scaled = w, values(w.size());
  for (size_t i = 0; i < w.size(); ++i)
    scaled[i] *= s[i % columns];
  QuantizedWeight q = valueOf(quantizeRtn(view(scaled, columns), scheme));
  dequantize(q, MutableMatrix(values.data(), q.rows, columns));
  std::vector<double> delta(w.size());
  for (size_t i = 0; i < w.size(); ++i)
    delta[i] = double(w[i]) - double(values[i]) / s[i % columns];
  return outputError(delta, x, columns);
}

std::vector<float> meanMagnitude(const std::vector<float> &x, int64_t columns) {
  std::vector<float> mean(columns, 0.0f);
  for (size_t i = 0; i < x.size(); ++i)
    mean[i % columns] += std::fabs(x[i]) / (float(x.size()) / float(columns));
  return mean;
}

TEST(AwqSketch, KeepsFewTokensAsTheyAre) {
  std::vector<float> x = randomMatrix(10, 33, 1);
  EXPECT_EQ(sketchActivations(view(x, 33), 10, 5).data, x);
  EXPECT_EQ(sketchActivations(view(x, 33), 64, 5).rows, 10);
  EXPECT_NE(sketchActivations(view(x, 33), 9, 5).data, sketchActivations(view(x, 33), 9, 6).data);
  EXPECT_EQ(sketchActivations(view(x, 33), 9, 5).data, sketchActivations(view(x, 33), 9, 5).data);
}

TEST(AwqSketch, IsUnbiasedWithTheVarianceItStates) {
  constexpr int64_t columns = 24, tokens = 300, rows = 20, trials = 400;
  std::vector<float> x = correlatedInputs(tokens, columns, 3);
  for (float &value : x)
    value += 3.0f; // Only the signs make sums over different tokens vanish.
  std::vector<float> d = randomMatrix(5, columns, 4);
  std::vector<double> delta(d.begin(), d.end());
  double truth = outputError(delta, x, columns), sum = 0, squares = 0;
  for (int64_t seed = 0; seed < trials; ++seed) {
    ActivationSketch sketch = sketchActivations(view(x, columns), rows, seed);
    double estimate = outputError(delta, sketch.data, columns);
    sum += estimate / trials;
    squares += (estimate - truth) * (estimate - truth) / trials;
  }
  // M = X D^T D X^T.
  double offDiagonal = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t u = 0; u < tokens; ++u) {
      double m = 0;
      for (int64_t i = 0; i < 5; ++i) {
        double a = 0, b = 0;
        for (int64_t j = 0; j < columns; ++j) {
          a += delta[i * columns + j] * x[t * columns + j];
          b += delta[i * columns + j] * x[u * columns + j];
        }
        m += a * b;
      }
      offDiagonal += t == u ? 0 : m * m;
    }
  double variance = 2.0 / rows * offDiagonal;
  EXPECT_NEAR(sum, truth, 4 * std::sqrt(variance / trials));
  EXPECT_NEAR(squares / variance, 1.0, 0.4);
}

TEST(AwqLoss, IsThatOfRoundingToNearest) {
  constexpr int64_t columns = 96;
  std::vector<float> x = correlatedInputs(40, columns, 5);
  std::vector<float> s = randomMatrix(1, columns, 6);
  for (float &value : s)
    value = std::exp(value);
  // Rows that fill no tile, one block, and several.
  for (int64_t rows : {7, 128, 301})
    for (bool symmetric : {true, false})
      for (WeightScheme scheme : {schemeOf(4, symmetric, Granularity::PerGroup, 32),
                                  schemeOf(3, symmetric, Granularity::PerChannel),
                                  schemeOf(8, symmetric, Granularity::PerTensor)}) {
        std::vector<float> w = randomMatrix(rows, columns, 7);
        ScaledLayer layer{view(w, columns), scheme};
        double expected = lossOf(w, scheme, s, x);
        EXPECT_NEAR(valueOf(scaledRoundingLoss(layer, s, exact(x, columns))) / expected, 1, 1e-3)
            << rows << ' ' << symmetric << ' ' << scheme.bits;
      }
}

TEST(Awq, FindsTheBestCandidateOfTheDefinition) {
  constexpr int64_t columns = 64, groupSize = 16;
  std::vector<float> x = correlatedInputs(50, columns, 8);
  for (size_t i = 17; i < x.size(); i += columns)
    x[i] *= 1e-12f; // Its scale is the least one.
  std::vector<float> mean = meanMagnitude(x, columns);
  std::vector<float> a = randomMatrix(40, columns, 9), b = randomMatrix(24, columns, 10);
  for (bool symmetric : {true, false})
    for (bool duo : {true, false}) {
      WeightScheme scheme = schemeOf(4, symmetric, Granularity::PerGroup, groupSize);
      // w_mean over the rows of both.
      std::vector<double> relative(columns, 0.0);
      for (const std::vector<float> *w : {&a, &b})
        for (size_t i = 0; i < w->size(); ++i) {
          size_t group = i / groupSize * groupSize;
          double most = 0;
          for (size_t j = group; j < group + groupSize; ++j)
            most = std::max(most, double(std::fabs((*w)[j])));
          relative[i % columns] += std::fabs((*w)[i]) / (most + 1e-6) / 64;
        }
      double best = lossOf(a, scheme, std::vector<float>(columns, 1.0f), x) +
                    lossOf(b, scheme, std::vector<float>(columns, 1.0f), x);
      double identity = best, bestRatio = 0;
      std::vector<float> bestScales(columns, 1.0f);
      for (int k = 0; k <= 20; ++k) {
        std::vector<float> s(columns);
        float least = HUGE_VALF, most = 0;
        for (int64_t j = 0; j < columns; ++j) {
          double value = std::pow(double(mean[j]), k / 20.0);
          if (duo)
            value /= std::pow(relative[j], 1 - k / 20.0) + 1e-4;
          s[j] = float(std::max(value, 1e-4));
          least = std::min(least, s[j]);
          most = std::max(most, s[j]);
        }
        for (float &value : s)
          value /= std::sqrt(least * most);
        double loss = lossOf(a, scheme, s, x) + lossOf(b, scheme, s, x);
        if (loss < best) {
          best = loss;
          bestScales = s;
          bestRatio = k / 20.0;
        }
      }
      AwqOptions options;
      options.duo = duo;
      options.plain = !duo;
      options.searchRows = 0;
      AwqResult result =
          valueOf(searchAwqScales({{view(a, columns), scheme}, {view(b, columns), scheme}}, mean,
                                  {}, 0, exact(x, columns), options));
      EXPECT_LT(best, 0.9 * identity); // The problem is one that scales help with.
      EXPECT_NEAR(result.lossBefore / identity, 1, 1e-3);
      EXPECT_NEAR(result.loss / best, 1, 2e-2);
      EXPECT_FLOAT_EQ(result.ratio, float(bestRatio));
      EXPECT_EQ(result.form, duo ? AwqForm::Duo : AwqForm::Plain);
      for (int64_t j = 0; j < columns; ++j)
        EXPECT_NEAR(result.scales[j] / bestScales[j], 1, 1e-4);
    }
}

TEST(Awq, FewRowsAndASketchFindNearlyTheSame) {
  constexpr int64_t columns = 128, rows = 512;
  std::vector<float> x = correlatedInputs(2000, columns, 11), mean = meanMagnitude(x, columns);
  std::vector<float> w = randomMatrix(rows, columns, 12);
  ScaledLayer layer{view(w, columns), schemeOf(4, true, Granularity::PerGroup, 32)};
  AwqOptions all;
  all.searchRows = 0;
  ActivationSketch whole = exact(x, columns);
  AwqResult best = valueOf(searchAwqScales(layer, mean, {}, 0, whole, all));
  AwqOptions some;
  some.searchRows = 64;
  AwqResult found = valueOf(
      searchAwqScales(layer, mean, {}, 0, sketchActivations(view(x, columns), 64, 1), some));
  EXPECT_LT(best.loss, 0.9 * best.lossBefore);
  EXPECT_LT(valueOf(scaledRoundingLoss(layer, found.scales, whole)), 1.05 * best.loss);
  ActivationSketch other = sketchActivations(view(x, columns), 256, 2);
  EXPECT_NEAR(valueOf(scaledRoundingLoss(layer, found.scales, other)) / best.loss, 1, 0.25);
}

TEST(Awq, TiesShareAScaleAndUnusedChannelsTakeOne) {
  constexpr int64_t columns = 64;
  std::vector<float> x = correlatedInputs(100, columns, 13);
  for (size_t i = 0; i < x.size(); ++i)
    if (i % columns == 5 || i % columns == 6)
      x[i] = 0;
  std::vector<float> mean = meanMagnitude(x, columns), w = randomMatrix(64, columns, 14);
  std::vector<int32_t> ties(columns);
  for (int64_t j = 0; j < columns; ++j)
    ties[j] = j < 8 ? j : 8 + j % 8;
  ScaledLayer layer{view(w, columns), schemeOf(4, false, Granularity::PerGroup, 16)};
  AwqResult tied = valueOf(searchAwqScales(layer, mean, ties, 16, exact(x, columns)));
  EXPECT_NE(tied.form, AwqForm::Identity);
  EXPECT_EQ(tied.scales[5], 1.0f);
  EXPECT_EQ(tied.scales[6], 1.0f);
  for (int64_t j = 16; j < columns; ++j)
    EXPECT_EQ(tied.scales[j], tied.scales[j - 8]);
  EXPECT_NE(tied.scales[8], tied.scales[9]);
  // Scales are centered on those that are used.
  float least = HUGE_VALF, most = 0;
  for (int64_t j = 0; j < columns; ++j) {
    if (j == 5 || j == 6)
      continue;
    least = std::min(least, tied.scales[j]);
    most = std::max(most, tied.scales[j]);
  }
  EXPECT_NEAR(least * most, 1, 1e-5);
}

TEST(Awq, LooksAtRowsFromAllOverTheWeight) {
  constexpr int64_t columns = 64, rows = 320;
  std::vector<float> x = correlatedInputs(100, columns, 15), w = randomMatrix(rows, columns, 16);
  std::fill_n(w.begin(), rows * columns / 2, 0.0f);
  AwqOptions options;
  options.searchRows = 150;
  AwqResult result =
      valueOf(searchAwqScales({{view(w, columns), schemeOf(4, true, Granularity::PerGroup, 16)}},
                              meanMagnitude(x, columns), {}, 0, exact(x, columns), options));
  EXPECT_NE(result.form, AwqForm::Identity);
  EXPECT_GT(result.lossBefore, 0);
}

TEST(Awq, SaysWhatIsWrong) {
  constexpr int64_t columns = 32;
  std::vector<float> x = randomMatrix(20, columns, 1), mean = meanMagnitude(x, columns);
  std::vector<float> w = randomMatrix(8, columns, 2);
  ActivationSketch sketch = exact(x, columns);
  WeightScheme scheme = schemeOf(4, true, Granularity::PerGroup, 16);
  ScaledLayer layer{view(w, columns), scheme};
  auto search = [&](llvm::ArrayRef<ScaledLayer> layers, llvm::ArrayRef<float> m) {
    return messageOf(searchAwqScales(layers, m, {}, 0, sketch));
  };
  EXPECT_THAT(search({}, mean), HasSubstr("no layer"));
  EXPECT_THAT(search({{view(w, 16), scheme}}, mean), HasSubstr("width 16"));
  EXPECT_THAT(search({{view(w, columns), schemeOf(4, true, Granularity::PerGroup, 24)}}, mean),
              HasSubstr("does not divide"));
  std::vector<float> bad = mean;
  bad[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(search(layer, bad), HasSubstr("channel 3"));
  EXPECT_THAT(messageOf(searchAwqScales(layer, mean, std::vector<int32_t>(columns, 4), 4, sketch)),
              HasSubstr("class 4 of 4"));
  AwqOptions empty;
  empty.grid = 0;
  EXPECT_THAT(messageOf(searchAwqScales(layer, mean, {}, 0, sketch, empty)), HasSubstr("grid"));
  std::vector<float> zero(columns, 1.0f);
  zero[7] = 0;
  EXPECT_THAT(messageOf(scaledRoundingLoss(layer, zero, sketch)), HasSubstr("channel 7 is 0"));
  w[40] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(search(layer, mean), HasSubstr("infinity at row 1, column 8"));
  EXPECT_THAT(messageOf(searchClip(layer, {}, sketch)), HasSubstr("infinity"));
  EXPECT_THAT(messageOf(searchClip({view(x, columns), schemeOf(8, true, Granularity::PerTensor)},
                                   {}, sketch)),
              HasSubstr("whole tensor"));
}

} // namespace

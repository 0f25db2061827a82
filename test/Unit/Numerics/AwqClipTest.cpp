// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ's clip search against a search by hand, group by group.

#include "TestData.h"
#include "ptq/Numerics/Awq.h"
#include "ptq/Numerics/Rtn.h"
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

/// The squared error of one group's part of the output, with its range clipped to +-limit.
double groupError(const float *w, const float *s, int64_t size, float limit,
                  const WeightScheme &scheme, ConstMatrix x, int64_t first) {
  float lo = 0, hi = 0;
  for (int64_t j = 0; j < size; ++j) {
    lo = std::min(lo, w[j] * s[j]);
    hi = std::max(hi, w[j] * s[j]);
  }
  QuantizationParameters p =
      parametersOfRange(std::max(lo, -limit), std::min(hi, limit), scheme.bits, scheme.symmetric);
  double total = 0;
  for (int64_t t = 0; t < x.rows; ++t) {
    double y = 0;
    for (int64_t j = 0; j < size; ++j) {
      float v = w[j] * s[j];
      double q = double(quantizeValue(v, p, scheme.bits) - p.zeroPoint) * p.scale;
      y += (q - v) * x(t, first + j) / s[j];
    }
    total += y * y;
  }
  return total;
}

TEST(AwqClip, ChoosesTheBestOfItsSteps) {
  constexpr int64_t rows = 45, columns = 96;
  std::vector<float> w = randomMatrix(rows, columns, 1), s = randomMatrix(1, columns, 2, 0.5f);
  for (float &value : s)
    value = std::exp(value);
  for (size_t i = 0; i < w.size(); i += 19)
    w[i] *= 3; // Something to clip.
  for (bool symmetric : {true, false})
    for (int64_t size : {int64_t(16), int64_t(48), columns})
      for (int64_t tokens : {20, 200}) { // The sketch itself, and the factor of its Gram matrix.
        std::vector<float> x = correlatedInputs(tokens, columns, 3);
        ConstMatrix tokensView(x.data(), tokens, columns);
        WeightScheme scheme;
        scheme.bits = 3;
        scheme.symmetric = symmetric;
        scheme.granularity = size == columns ? Granularity::PerChannel : Granularity::PerGroup;
        scheme.groupSize = size;
        ClipResult result = valueOf(searchClip({ConstMatrix(w.data(), rows, columns), scheme}, s,
                                               sketchActivations(tokensView, tokens, 0)));
        int64_t groups = columns / size, clipped = 0;
        ASSERT_EQ(int64_t(result.clip.size()), rows * groups);
        double before = 0, after = 0;
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t g = 0; g < groups; ++g) {
            const float *group = &w[i * columns + g * size], *scales = &s[g * size];
            float absmax = 0;
            for (int64_t j = 0; j < size; ++j)
              absmax = std::max(absmax, std::fabs(group[j] * scales[j]));
            double best = HUGE_VAL;
            for (int step = 0; step < 10; ++step) {
              double error = groupError(group, scales, size, absmax * (1 - step / 20.0f), scheme,
                                        tokensView, g * size);
              before += step == 0 ? error : 0;
              best = std::min(best, error);
            }
            after += best;
            float found = result.clip[i * groups + g];
            ASSERT_GE(found, 0.549f * absmax);
            ASSERT_LE(found, absmax);
            clipped += found < 0.99f * absmax;
            ASSERT_LE(groupError(group, scales, size, found, scheme, tokensView, g * size),
                      best * 1.01)
                << i << ' ' << g;
          }
        EXPECT_GT(clipped, rows * groups / 10);
        EXPECT_NEAR(result.lossBefore / before, 1, 1e-2);
        EXPECT_NEAR(result.loss / after, 1, 1e-2);
      }
}

TEST(AwqClip, OfAGroupOfZerosIsZero) {
  std::vector<float> w(64, 0.0f), x = randomMatrix(8, 32, 1);
  WeightScheme scheme;
  scheme.groupSize = 16;
  ClipResult result = valueOf(searchClip({ConstMatrix(w.data(), 2, 32), scheme}, {},
                                         sketchActivations(ConstMatrix(x.data(), 8, 32), 8, 0)));
  EXPECT_EQ(result.clip, std::vector<float>(4, 0.0f));
  EXPECT_EQ(result.loss, 0);
}

} // namespace

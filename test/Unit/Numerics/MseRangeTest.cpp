// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The mse range search against the obvious loop with pow().

#include "TestData.h"
#include "ptq/Numerics/Rtn.h"
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

double lossOf(llvm::ArrayRef<float> values, const QuantizationParameters &p, unsigned bits) {
  double loss = 0;
  for (float x : values) {
    double q = (quantizeValue(x, p, bits) - p.zeroPoint) * double(p.scale);
    loss += std::pow(std::fabs(q - x), 2.4);
  }
  return loss;
}

double smallestLoss(llvm::ArrayRef<float> values, unsigned bits, bool symmetric) {
  float lo = 0, hi = 0;
  for (float x : values) {
    lo = std::min(lo, x);
    hi = std::max(hi, x);
  }
  double best = INFINITY;
  for (int i = 0; i < 80; ++i) {
    float shrink = 1 - i / 100.0;
    best = std::min(
        best, lossOf(values, parametersOfRange(lo * shrink, hi * shrink, bits, symmetric), bits));
  }
  return best;
}

TEST(MseRange, FindsTheSmallestLoss) {
  for (unsigned seed = 0; seed < 20; ++seed)
    for (float deviation : {1.0f, 1e-4f, 1e-18f})
      for (bool symmetric : {true, false})
        for (unsigned bits : {2u, 3u, 4u, 8u}) {
          std::vector<float> values = randomMatrix(1, 100 + seed, seed, deviation);
          values[5] *= 4; // worth clipping
          double found = lossOf(values, computeParameters(values, bits, symmetric, true), bits);
          double smallest = smallestLoss(values, bits, symmetric);
          EXPECT_LE(found, smallest * (1 + 1e-4)) << bits << " bits, seed " << seed;
          EXPECT_GE(found, smallest * (1 - 1e-9));
        }
}

TEST(MseRange, FirstOfEqualCandidates) {
  // A group that every candidate represents exactly: the loss is 0 from the first on.
  EXPECT_EQ(computeParameters({0.0f, 0.0f}, 4, true, true).scale,
            computeParameters({0.0f, 0.0f}, 4, true, false).scale);
}

TEST(MseRange, SameForGroupsOfAWeight) {
  constexpr int64_t rows = 34, columns = 80, groupSize = 40;
  std::vector<float> w = randomMatrix(rows, columns, 9);
  WeightScheme scheme;
  scheme.bits = 3;
  scheme.symmetric = false;
  scheme.groupSize = groupSize;
  scheme.mse = true;
  QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns), scheme));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < columns / groupSize; ++g) {
      llvm::ArrayRef<float> values(&w[i * columns + g * groupSize], groupSize);
      QuantizationParameters p{q.scales[i * 2 + g], q.zeroPoints[i * 2 + g]};
      EXPECT_LE(lossOf(values, p, 3), smallestLoss(values, 3, false) * (1 + 1e-4));
    }
}

} // namespace

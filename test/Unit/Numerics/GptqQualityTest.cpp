// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What GPTQ is for: the output error of its result, far below that of rounding to nearest.

#include "ReferenceGptq.h"
#include "TestData.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Rtn.h"
#include <gtest/gtest.h>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

struct Problem {
  int64_t rows, columns;
  std::vector<float> w, gram;
  WeightScheme scheme;
  ConstMatrix weight() const { return {w.data(), rows, columns}; }
};

Problem makeProblem(int64_t rows, int64_t columns, int64_t groupSize) {
  Problem p{rows, columns, randomMatrix(rows, columns, 3, 0.05f), correlatedGram(columns, 5), {}};
  p.scheme.groupSize = groupSize;
  return p;
}

GptqResult solve(const Problem &p, ColumnOrder order, const GptqOptions &options = {},
                 float damping = 0.01f) {
  FactorOptions factorOptions{damping, order, p.scheme.groupSize};
  GramFactor factor = valueOf(factorGram(p.gram, p.columns, factorOptions));
  return valueOf(quantizeGptq(p.weight(), factor, p.scheme, options));
}

double absoluteLoss(const Problem &p, const std::vector<double> &values, double damping) {
  ReferenceProblem reference;
  reference.rows = p.rows;
  reference.columns = p.columns;
  reference.gram = p.gram;
  reference.damping = damping;
  std::vector<double> difference(values.size());
  for (size_t k = 0; k < values.size(); ++k)
    difference[k] = p.w[k] - values[k];
  return referenceOutputNorm(reference, difference);
}

std::vector<double> valuesOf(const QuantizedWeight &weight) {
  std::vector<float> values(weight.rows * weight.columns);
  dequantize(weight, MutableMatrix(values.data(), weight.rows, weight.columns));
  return std::vector<double>(values.begin(), values.end());
}

TEST(GptqQuality, FarBelowRoundingToNearest) {
  Problem p = makeProblem(48, 256, 128);
  for (ColumnOrder order : {ColumnOrder::None, ColumnOrder::Activation, ColumnOrder::GroupAware}) {
    GptqResult result = solve(p, order);
    EXPECT_GT(result.errorRtn, 0.0);
    EXPECT_LT(result.error, 0.2 * result.errorRtn) << "order " << int(order);
  }
}

// Transposing U once too often is a known mistake in copies of GPTQ: nothing fails, and the result
// is no better than rounding to nearest. The bound of the test above separates the two.
TEST(GptqQuality, BoundWouldCatchTransposedFactor) {
  Problem p = makeProblem(16, 128, 128);
  ReferenceProblem reference;
  reference.rows = p.rows;
  reference.columns = p.columns;
  reference.w = p.w;
  reference.gram = p.gram;
  reference.scheme = p.scheme;
  reference.damping = 0.01;
  double right = referenceGptq(reference).loss;
  reference.transposeU = true;
  double wrong = referenceGptq(reference).loss;
  double nearest = absoluteLoss(p, valuesOf(valueOf(quantizeRtn(p.weight(), p.scheme))), 0.01);
  EXPECT_LT(right, 0.2 * nearest);
  EXPECT_GT(wrong, 0.8 * nearest);
}

TEST(GptqQuality, ImportantColumnsFirstIsBetter) {
  Problem p = makeProblem(64, 512, 128);
  double none = solve(p, ColumnOrder::None).error;
  EXPECT_LT(solve(p, ColumnOrder::GroupAware).error, none);
  EXPECT_LT(solve(p, ColumnOrder::Activation).error, none);
}

TEST(GptqQuality, LossIsTheOutputError) {
  Problem p = makeProblem(40, 192, 64);
  GptqResult result = solve(p, ColumnOrder::GroupAware, {}, 0.05f);
  double loss = absoluteLoss(p, valuesOf(result.weight), 0.05);
  EXPECT_NEAR(result.loss, loss, 1e-3 * loss);
}

TEST(GptqQuality, ErrorsAreThoseOfTheWeights) {
  Problem p = makeProblem(300, 128, 32); // more rows than are sampled
  FactorOptions factorOptions;
  factorOptions.groupSize = 32;
  GramFactor factor = valueOf(factorGram(p.gram, p.columns, factorOptions));
  GptqOptions all;
  all.errorRows = 0;
  GptqResult result = valueOf(quantizeGptq(p.weight(), factor, p.scheme, all));
  double error = relativeOutputError(p.weight(), result.weight, factor);
  EXPECT_NEAR(result.error, error, 1e-3 * error);
  QuantizedWeight nearest = valueOf(quantizeRtn(p.weight(), p.scheme));
  double errorRtn = relativeOutputError(p.weight(), nearest, factor);
  EXPECT_NEAR(result.errorRtn, errorRtn, 1e-3 * errorRtn);

  GptqResult sampled = valueOf(quantizeGptq(p.weight(), factor, p.scheme));
  EXPECT_NEAR(sampled.error, error, 0.1 * error);
  EXPECT_NEAR(sampled.errorRtn, errorRtn, 0.1 * errorRtn);
  EXPECT_EQ(sampled.weight.codes, result.weight.codes);

  GptqOptions without;
  without.computeErrors = false;
  GptqResult bare = valueOf(quantizeGptq(p.weight(), factor, p.scheme, without));
  EXPECT_EQ(bare.error, 0.0);
  EXPECT_EQ(bare.loss, result.loss);
}

TEST(GptqQuality, ErrorsPerTensor) {
  Problem p = makeProblem(300, 96, 32);
  p.scheme.granularity = Granularity::PerTensor;
  p.scheme.bits = 6;
  GramFactor factor = valueOf(factorGram(p.gram, p.columns, {0.05f, ColumnOrder::None, 0}));
  GptqOptions all;
  all.errorRows = 0;
  GptqResult result = valueOf(quantizeGptq(p.weight(), factor, p.scheme, all));
  double errorRtn =
      relativeOutputError(p.weight(), valueOf(quantizeRtn(p.weight(), p.scheme)), factor);
  EXPECT_NEAR(result.errorRtn, errorRtn, 1e-3 * errorRtn);
  EXPECT_LT(result.error, result.errorRtn);
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparisons and perplexity against values computed by hand.

#include "Run.h"

#include "ptq/Execution/Metrics.h"
#include <cmath>

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

TEST(Comparison, ByHand) {
  Program types("func.func @main() { return }");
  Comparison comparison;
  ASSERT_FALSE(bool(comparison.add(types.tensor("tensor<2xf32>", {3, 4.5f}),
                                   types.tensor("tensor<2xf32>", {3, 4}))));
  ASSERT_FALSE(bool(comparison.add(types.tensor("tensor<1xf32>", {-1}),
                                   types.tensor("tensor<1xf32>", {-1.25f}))));
  EXPECT_NEAR(comparison.sqnr(), 10 * std::log10((9 + 16 + 1.5625) / (0.25 + 0.0625)), 1e-12);
  EXPECT_NEAR(comparison.cosine(), (9 + 18 + 1.25) / std::sqrt((9 + 20.25 + 1) * (9 + 16 + 1.5625)),
              1e-12);
  EXPECT_EQ(comparison.maxAbsError(), 0.5);
  EXPECT_EQ(comparison.relativeMaxError(), 0.125);
}

TEST(Comparison, ExactAndSpecialValues) {
  Program types("func.func @main() { return }");
  Comparison exact;
  float infinity = INFINITY, nan = NAN;
  ASSERT_FALSE(bool(exact.add(types.tensor("tensor<2xf32>", {infinity, 1}),
                              types.tensor("tensor<2xf32>", {infinity, 1}))));
  EXPECT_EQ(exact.sqnr(), INFINITY);
  EXPECT_EQ(exact.maxAbsError(), 0);
  Comparison broken;
  ASSERT_FALSE(bool(
      broken.add(types.tensor("tensor<2xf32>", {nan, 1}), types.tensor("tensor<2xf32>", {2, 1}))));
  EXPECT_TRUE(std::isnan(broken.maxAbsError()));
  EXPECT_TRUE(bool(llvm::errorToBool(
      broken.add(types.tensor("tensor<2xf32>", {1, 1}), types.tensor("tensor<1xf32>", {1})))));
}

TEST(Comparison, IntegersAndMixedTypes) {
  Program types("func.func @main() { return }");
  Comparison comparison;
  std::vector<int8_t> bytes{-3, 4};
  ASSERT_FALSE(bool(
      comparison.add(types.tensor("tensor<2xi8>", bytes), types.tensor("tensor<2xf32>", {-3, 2}))));
  EXPECT_EQ(comparison.maxAbsError(), 2);
}

TEST(Perplexity, ByHand) {
  Program types("func.func @main() { return }");
  // Two sequences of 3 positions over 2 tokens; the last position of each does not count.
  Tensor logits = types.tensor("tensor<2x3x2xf32>", {0, 0, 1, 3, 50, -50, 2, 1, 1000, 998, 7, 7});
  Tensor ids = types.tensor("tensor<2x3xi64>", std::vector<int64_t>{1, 0, 1, 1, 0, 0});
  Perplexity perplexity;
  ASSERT_FALSE(bool(perplexity.add(logits, ids)));
  auto loss = [](double chosen, double other) { return std::log1p(std::exp(other - chosen)); };
  double mean = (loss(0, 0) + loss(3, 1) + loss(2, 1) + loss(1000, 998)) / 4;
  EXPECT_NEAR(perplexity.value(), std::exp(mean), 1e-12);
  EXPECT_EQ(perplexity.tokens(), 4);
}

TEST(Perplexity, Errors) {
  Program types("func.func @main() { return }");
  Tensor logits = types.tensor("tensor<3x2xf32>", std::vector<float>(6));
  auto message = [&](const Tensor &values, const Tensor &ids) {
    return llvm::toString(Perplexity().add(values, ids));
  };
  EXPECT_NE(message(logits, types.tensor("tensor<3xi64>", std::vector<int64_t>{0, 2, 0}))
                .find("token id 2 at position 1"),
            std::string::npos);
  EXPECT_NE(message(logits, types.tensor("tensor<2xi64>", std::vector<int64_t>{0, 1}))
                .find("one token id for each position"),
            std::string::npos);
  EXPECT_NE(message(types.tensor("tensor<1x2xf32>", {0, 0}),
                    types.tensor("tensor<1xi64>", std::vector<int64_t>{0}))
                .find("at least 2 positions"),
            std::string::npos);
  EXPECT_TRUE(std::isnan(Perplexity().value()));
}

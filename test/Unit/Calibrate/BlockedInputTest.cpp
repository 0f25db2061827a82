// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is made of an input in blocks: Gram matrices, also such that are summed some rows at a time,
// statistics, hashes.

#include "ptq/Calibrate/BlockedInput.h"
#include <gtest/gtest.h>

#include <random>

using namespace ptq;
using execution::ObservedInput;

namespace {

struct Input {
  Input(int64_t rows, int64_t columns, std::vector<int64_t> ends)
      : values(rows * columns), ends(std::move(ends)),
        input{numerics::ConstMatrix(values.data(), rows, columns), this->ends, 0,
              int64_t(this->ends.size())} {
    std::mt19937 engine(3);
    for (float &value : values)
      value = static_cast<int32_t>(engine()) * 0x1p-31f;
  }

  std::vector<float> values;
  std::vector<int64_t> ends;
  ObservedInput input;
};

void expectGram(const ObservedInput &input, int64_t step) {
  std::vector<float> gram;
  llvm::Error error = computeGram(input, gram);
  ASSERT_FALSE(bool(error));
  numerics::ConstMatrix x = input.x;
  ASSERT_EQ(int64_t(gram.size()), x.columns * x.columns);
  for (int64_t i = 0; i < x.columns; i += step)
    for (int64_t j = i; j < x.columns; j += step) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t)
        sum += double(x(t, i)) * x(t, j);
      ASSERT_NEAR(gram[i * x.columns + j], sum, 2e-6 * x.rows) << i << ", " << j;
    }
}

TEST(BlockedInput, GramMatrix) {
  expectGram(Input(50, 19, {50}).input, 1);
  expectGram(Input(50, 19, {7, 8, 30, 50}).input, 1);
  // A block without rows: its samples are all padding.
  expectGram(Input(50, 19, {20, 20, 50}).input, 1);
}

TEST(BlockedInput, AWideGramMatrixIsSummedSomeRowsAtATime) {
  expectGram(Input(20, 2500, {6, 11, 20}).input, 7);
}

TEST(BlockedInput, StatisticsAreThoseOfAllBlocks) {
  Input input(50, 19, {7, 8, 30, 50});
  auto accumulator = accumulateStatistics(input.input);
  ASSERT_TRUE(bool(accumulator));
  statistics::ActivationStatistics statistics = accumulator->finish();
  EXPECT_EQ(statistics.tokens, 50);
  for (int64_t j = 0; j != 19; ++j) {
    double sum = 0;
    float most = 0;
    for (int64_t t = 0; t != 50; ++t) {
      sum += std::abs(input.input.x(t, j));
      most = std::max(most, std::abs(input.input.x(t, j)));
    }
    EXPECT_EQ(statistics.absmax[j], most);
    EXPECT_FLOAT_EQ(statistics.meanAbs[j], sum / 50);
  }
}

TEST(BlockedInput, AnErrorNamesTheTokenAmongAll) {
  Input input(50, 19, {7, 8, 30, 50});
  input.values[33 * 19 + 4] = NAN;
  std::string message = llvm::toString(accumulateStatistics(input.input).takeError());
  EXPECT_NE(message.find("token 33, channel 4 is NaN"), std::string::npos) << message;
}

TEST(BlockedInput, HashesAreOfContentsAndBlocks) {
  auto hash = [](const Input &input) {
    auto text = hashInput(input.input);
    return text ? *text : llvm::toString(text.takeError());
  };
  Input input(50, 19, {7, 50}), other(50, 19, {8, 50});
  std::string before = hash(input);
  EXPECT_EQ(before, hash(Input(50, 19, {7, 50})));
  EXPECT_NE(before, hash(other));
  input.values[600] *= 1 + 0x1p-23f;
  EXPECT_NE(before, hash(input));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Numerics/Threads.h"
#include <gtest/gtest.h>
#include <random>
#include <tuple>
#include <vector>

using namespace ptq::numerics;

namespace {

/// The definition, in 64 bits.
int64_t product(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, int64_t i, int64_t j) {
  int64_t sum = 0;
  for (int64_t k = 0; k < a.columns; ++k)
    sum += int64_t(a(i, k)) * b(j, k);
  return sum;
}

void expectProduct(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b) {
  std::vector<int32_t> data(a.rows * b.rows, 12345), portable(a.rows * b.rows, 54321);
  MatrixRef<int32_t> c(data.data(), a.rows, b.rows), p(portable.data(), a.rows, b.rows);
  multiplyInt8(a, b, c);
  multiplyInt8Portable(a, b, p);
  std::vector<int32_t> prepared(a.rows * b.rows, 777);
  MatrixRef<int32_t> w(prepared.data(), a.rows, b.rows);
  Int8Weight weight(b);
  EXPECT_EQ(weight.rows(), b.rows);
  EXPECT_EQ(weight.columns(), b.columns);
  weight.multiply(a, w);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < b.rows; ++j) {
      ASSERT_EQ(c(i, j), product(a, b, i, j)) << "at " << i << ", " << j;
      ASSERT_EQ(p(i, j), c(i, j)) << "at " << i << ", " << j;
      ASSERT_EQ(w(i, j), c(i, j)) << "at " << i << ", " << j;
    }
}

using Shape = std::tuple<int64_t, int64_t, int64_t>;
class IntegerMatmulTest : public testing::TestWithParam<Shape> {};

TEST_P(IntegerMatmulTest, IsExactOnRandomCodes) {
  auto [m, n, k] = GetParam();
  std::mt19937 random(m * 131 + n * 17 + k);
  std::uniform_int_distribution<int> code(-128, 127);
  // Rows lie further apart than they are long.
  std::vector<int8_t> a(m * (k + 3)), b(n * (k + 5));
  for (std::vector<int8_t> *codes : {&a, &b})
    for (int8_t &value : *codes)
      value = code(random);
  expectProduct({a.data(), m, k, k + 3}, {b.data(), n, k, k + 5});
}

INSTANTIATE_TEST_SUITE_P(Shapes, IntegerMatmulTest,
                         testing::Values(Shape{1, 1, 1}, Shape{1, 7, 64}, Shape{3, 5, 0},
                                         Shape{0, 4, 8}, Shape{4, 0, 8}, Shape{17, 33, 127},
                                         Shape{64, 48, 576}, Shape{130, 96, 257},
                                         Shape{1, 300, 1536}, Shape{5, 1030, 70},
                                         Shape{1200, 9, 65}, Shape{2, 3, 100000}));

TEST(IntegerMatmulTest, DoesNotDependOnThreadsOrNesting) {
  constexpr int64_t m = 33, n = 1500, k = 200;
  std::mt19937 random(3);
  std::vector<int8_t> a(m * k), b(n * k);
  for (std::vector<int8_t> *codes : {&a, &b})
    for (int8_t &value : *codes)
      value = static_cast<int8_t>(random());
  Int8Weight weight(MatrixRef<const int8_t>(b.data(), n, k));
  for (unsigned threads : {1u, 2u, 3u, 0u}) {
    setThreadCount(threads);
    expectProduct({a.data(), m, k}, {b.data(), n, k});
    std::vector<int32_t> whole(m * n), rows(m * n);
    weight.multiply({a.data(), m, k}, {whole.data(), m, n});
    parallelFor(0, m, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        weight.multiply({a.data() + i * k, 1, k}, {rows.data() + i * n, 1, n});
    });
    EXPECT_EQ(whole, rows);
  }
}

TEST(IntegerMatmulTest, WritesOnlyTheResult) {
  constexpr int64_t m = 6, n = 21, k = 40, stride = 30;
  std::vector<int8_t> a(m * k, 3), b(n * k, -2);
  Int8Weight weight(MatrixRef<const int8_t>(b.data(), n, k));
  for (bool isPrepared : {false, true}) {
    std::vector<int32_t> data(m * stride, 99);
    MatrixRef<int32_t> c(data.data(), m, n, stride);
    if (isPrepared)
      weight.multiply({a.data(), m, k}, c);
    else
      multiplyInt8({a.data(), m, k}, {b.data(), n, k}, c);
    for (int64_t i = 0; i < m * stride; ++i)
      ASSERT_EQ(data[i], i % stride < n ? -6 * k : 99) << "at " << i;
  }
}

// Pairs of 255·127 overflow 16 bits, and −128 has no positive counterpart: where a kernel shifts
// codes to be unsigned, or adds products in 16 bits, these go wrong.
TEST(IntegerMatmulTest, IsExactAtTheExtremes) {
  for (int8_t x : {-128, 127})
    for (int8_t y : {-128, 127}) {
      std::vector<int8_t> a(9 * 1024, x), b(21 * 1024, y);
      expectProduct({a.data(), 9, 1024}, {b.data(), 21, 1024});
    }
  // The longest sum there may be.
  std::vector<int8_t> a(kMaxInt8Depth, -128), b(kMaxInt8Depth, -128);
  expectProduct({a.data(), 1, kMaxInt8Depth}, {b.data(), 1, kMaxInt8Depth});
}

} // namespace

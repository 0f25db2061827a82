// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whole kernels that nvcc compiled, against the same computation on the host; none has a finding,
// in any order of warps.

#include "Run.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace ptq::emulator;

namespace {
/// Runs once in the natural order and once shuffled.
class Kernels : public testing::TestWithParam<uint64_t> {
protected:
  Kernels() : session(text(), options()) {}
  static const std::string &text() {
    static const std::string file = compileInput("kernels");
    return file;
  }
  static EmulatorOptions options() {
    EmulatorOptions options;
    options.seed = GetParam();
    return options;
  }
  std::vector<int> integers(size_t count, int low, int high) {
    std::vector<int> values(count);
    for (int &value : values)
      value = std::uniform_int_distribution<int>(low, high)(random);
    return values;
  }
  std::vector<float> floats(size_t count) {
    std::vector<float> values(count);
    for (float &value : values)
      value = std::uniform_real_distribution<float>(-2, 2)(random);
    return values;
  }
  std::mt19937 random{7};
  Session session;
};
} // namespace

TEST_P(Kernels, VectorAdd) {
  auto a = floats(1000), b = floats(1000);
  uint64_t c = session.undefined(4000);
  auto result = session.launch(
      "vector_add", {4}, {256},
      {argument(session.buffer(a)), argument(session.buffer(b)), argument(c), argument(1000)});
  expectClean(result);
  auto sums = session.read<float>(c, 1000);
  for (size_t i = 0; i != 1000; ++i)
    EXPECT_EQ(sums[i], a[i] + b[i]);
  // Three requests of 32 bytes × 4 for each full warp.
  EXPECT_EQ(result.counters->total.global.sectors, result.counters->total.global.idealSectors);
  EXPECT_EQ(result.counters->total.global.bytes, 12000u);
}

TEST_P(Kernels, Reduction) {
  auto in = integers(5000, -1000, 1000);
  uint64_t out = session.buffer(std::vector<int>{0});
  expectClean(session.launch("reduce_sum", {10}, {256},
                             {argument(session.buffer(in)), argument(out), argument(5000)}));
  EXPECT_EQ(session.read<int>(out, 1)[0], std::accumulate(in.begin(), in.end(), 0));
}

TEST_P(Kernels, TiledGemm) {
  const int m = 35, n = 50, k = 41;
  auto a = floats(m * k), b = floats(k * n);
  uint64_t c = session.undefined(m * n * 4);
  expectClean(session.launch("gemm_tiled", {4, 3}, {16, 16},
                             {argument(session.buffer(a)), argument(session.buffer(b)), argument(c),
                              argument(m), argument(n), argument(k)}));
  auto got = session.read<float>(c, m * n);
  for (int row = 0; row != m; ++row)
    for (int col = 0; col != n; ++col) {
      float expected = 0;
      for (int i = 0; i != k; ++i)
        expected = std::fma(a[row * k + i], b[i * n + col], expected);
      ASSERT_EQ(got[row * n + col], expected) << row << " " << col;
    }
}

TEST_P(Kernels, Histogram) {
  std::vector<uint8_t> in(3000);
  for (uint8_t &value : in)
    value = random() % 97;
  uint64_t bins = session.buffer(std::vector<unsigned>(256));
  expectClean(session.launch("histogram", {3}, {256},
                             {argument(session.buffer(in)), argument(bins), argument(3000)}));
  std::vector<unsigned> expected(256);
  for (uint8_t value : in)
    ++expected[value];
  EXPECT_EQ(session.read<unsigned>(bins, 256), expected);
}

TEST_P(Kernels, Scan) {
  auto in = integers(500, -50, 50);
  uint64_t out = session.undefined(2000);
  expectClean(session.launch("inclusive_scan", {1}, {512},
                             {argument(session.buffer(in)), argument(out), argument(500)}));
  std::vector<int> expected(500);
  std::partial_sum(in.begin(), in.end(), expected.begin());
  EXPECT_EQ(session.read<int>(out, 500), expected);
}

TEST_P(Kernels, Softmax) {
  const int rows = 3, cols = 300;
  auto in = floats(rows * cols);
  uint64_t out = session.undefined(rows * cols * 4);
  expectClean(session.launch("softmax_rows", {rows}, {256},
                             {argument(session.buffer(in)), argument(out), argument(cols)}));
  auto got = session.read<float>(out, rows * cols);
  for (int row = 0; row != rows; ++row) {
    double sum = 0, total = 0;
    for (int i = 0; i != cols; ++i)
      sum += std::exp(double(in[row * cols + i]));
    for (int i = 0; i != cols; ++i) {
      double expected = std::exp(double(in[row * cols + i])) / sum;
      EXPECT_NEAR(got[row * cols + i], expected, expected * 1e-5);
      total += got[row * cols + i];
    }
    EXPECT_NEAR(total, 1, 1e-5);
  }
}

TEST_P(Kernels, Transpose) {
  const int rows = 50, cols = 70;
  auto in = integers(rows * cols, -9999, 9999);
  uint64_t out = session.undefined(rows * cols * 4);
  auto result =
      session.launch("transpose", {3, 2}, {32, 8},
                     {argument(session.buffer(in)), argument(out), argument(rows), argument(cols)});
  expectClean(result);
  auto got = session.read<int>(out, rows * cols);
  for (int r = 0; r != rows; ++r)
    for (int c = 0; c != cols; ++c)
      ASSERT_EQ(got[c * rows + r], in[r * cols + c]);
  // The padded tile has no bank conflicts.
  EXPECT_EQ(result.counters->total.shared.wavefronts,
            result.counters->total.shared.idealWavefronts);
}

TEST_P(Kernels, AsyncPipeline) {
  const int tiles = 7;
  auto in = integers(tiles * 64 * 4, -1000, 1000);
  uint64_t out = session.undefined(64 * 4);
  expectClean(session.launch("async_pipeline", {1}, {64},
                             {argument(session.buffer(in)), argument(out), argument(tiles)}));
  auto got = session.read<int>(out, 64);
  for (int t = 0; t != 64; ++t) {
    int expected = 0;
    for (int k = 0; k != tiles; ++k)
      for (int i = 0; i != 4; ++i)
        expected += (i + 1) * in[(k * 64 + 63 - t) * 4 + i];
    EXPECT_EQ(got[t], expected);
  }
}

TEST_P(Kernels, BitonicSort) {
  auto in = integers(256, -1000, 1000);
  uint64_t data = session.buffer(in);
  expectClean(session.launch("bitonic_sort", {1}, {256}, {argument(data)}));
  std::sort(in.begin(), in.end());
  EXPECT_EQ(session.read<int>(data, 256), in);
}

TEST_P(Kernels, DivergentLoopInAFunction) {
  uint64_t out = session.undefined(100 * 4);
  auto result = session.launch("collatz_steps", {2}, {64}, {argument(out), argument(100)});
  expectClean(result);
  auto got = session.read<int>(out, 100);
  for (int i = 0; i != 100; ++i) {
    int steps = 0;
    for (long n = i + 1; n != 1; n = n & 1 ? 3 * n + 1 : n / 2)
      ++steps;
    EXPECT_EQ(got[i], steps) << i;
  }
  EXPECT_GT(result.counters->divergentBranches, 0u);
}

TEST_P(Kernels, LastBlockSum) {
  const int blocks = 40;
  auto in = integers(blocks * 32, -1000, 1000);
  uint64_t out = session.undefined(4), partial = session.undefined(blocks * 4);
  uint64_t ticket = session.buffer(std::vector<unsigned>{0});
  expectClean(session.launch(
      "last_block_sum", {blocks}, {32},
      {argument(session.buffer(in)), argument(partial), argument(ticket), argument(out)}));
  EXPECT_EQ(session.read<int>(out, 1)[0], std::accumulate(in.begin(), in.end(), 0));
}

TEST_P(Kernels, MmaGemm) {
  const int m = 48, n = 40, k = 96;
  std::vector<int8_t> a(m * k), b(n * k);
  for (int8_t &value : a)
    value = static_cast<int8_t>(random());
  for (int8_t &value : b)
    value = static_cast<int8_t>(random());
  uint64_t c = session.undefined(m * n * 4);
  expectClean(session.launch("mma_s8_gemm", {n / 8, m / 16}, {32},
                             {argument(session.buffer(a)), argument(session.buffer(b)), argument(c),
                              argument(n), argument(k)}));
  auto got = session.read<int>(c, m * n);
  for (int row = 0; row != m; ++row)
    for (int col = 0; col != n; ++col) {
      int expected = 0;
      for (int i = 0; i != k; ++i)
        expected += a[row * k + i] * b[col * k + i];
      ASSERT_EQ(got[row * n + col], expected) << row << " " << col;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Kernels, testing::Values(0, 12345));

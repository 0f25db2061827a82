// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/WeightLayout.h"

#include <gtest/gtest.h>
#include <set>

using namespace ptq::kernels;

/// The code of (n, k), read where the header says it is.
static int64_t codeAt(const std::vector<uint32_t> &words, const WeightLayout &layout, int64_t n,
                      int64_t k) {
  int64_t block = n / 64 * (layout.paddedK() / 16) + k / 16;
  int64_t operand = n % 64 / 8, g = n % 8, t = k % 8 / 2, e = k % 2 + k % 16 / 8 * 2;
  int64_t lane = 4 * g + t, half = 16 * (e % 2);
  auto bits = [&](int64_t word, int64_t shift, int64_t width) -> int64_t {
    return words[word] >> shift & ((1u << width) - 1);
  };
  int64_t code = 0;
  switch (layout.bits) {
  case 4:
    code = bits(block * 128 + lane * 4 + operand / 2, 8 * (operand % 2) + 4 * (e / 2) + half, 4);
    break;
  case 8:
    code = bits(block * 256 + operand / 4 * 128 + lane * 4 + operand % 4, 8 * e, 8);
    break;
  case 3: // the second plane is behind all of the first
    code = 4 * bits(words.size() / 3 * 2 + block * 32 + lane, 2 * operand + e / 2 + half, 1);
    [[fallthrough]];
  case 2:
    code += bits(block * 64 + lane * 2 + operand / 4, 4 * (operand % 4) + 2 * (e / 2) + half, 2);
  }
  return code - (int64_t(1) << (layout.bits - 1));
}

TEST(WeightLayout, PutsCodesWhereDocumented) {
  for (unsigned bits : {2u, 3u, 4u, 8u}) {
    WeightLayout layout{70, 90, bits};
    std::vector<int8_t> codes(70 * 90);
    int range = 1 << bits;
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<int>((i * 7 + i / 90) % range) - range / 2;
    std::vector<uint32_t> words = shuffleWeight(codes, layout);
    ASSERT_EQ(static_cast<int64_t>(words.size()), 128 * 128 * bits / 32);
    for (int64_t n = 0; n < 128; ++n)
      for (int64_t k = 0; k < 128; ++k)
        EXPECT_EQ(codeAt(words, layout, n, k), n < 70 && k < 90 ? codes[n * 90 + k] : 0)
            << bits << " bits, " << n << ", " << k;
  }
}

TEST(WeightLayout, RepeatsGroupsThatAreNoPowerOfTwo) {
  WeightLayout layout{66, 96, 4};
  std::vector<uint16_t> values(66 * 2);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i + 1;
  EXPECT_EQ(WeightLayout::rowSize(48), 16);
  std::vector<uint16_t> rows = shuffleGroups(values, 48, layout);
  ASSERT_EQ(rows.size(), size_t(8 * 128));
  for (int64_t row = 0; row < 8; ++row)
    for (int64_t n = 0; n < 128; ++n) {
      int64_t at = row * 128 + n / 64 * 64 + n % 8 * 8 + n % 64 / 8;
      int expected = n < 66 && row < 6 ? n * 2 + row / 3 + 1 : 0;
      EXPECT_EQ(rows[at], expected) << row << ", " << n;
    }
}

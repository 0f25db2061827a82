// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/PackedIntegerLayout.h"

#include <gtest/gtest.h>

using namespace ptq::kernels;

/// The code of (n, k) where the header says it is, for 8-bit activations.
static int codeBeside8(const std::vector<uint32_t> &words, const PackedIntegerLayout &layout,
                       int64_t n, int64_t k) {
  int64_t block = n / 32 * (layout.paddedK() / 32) + k / 32;
  int64_t lane = 4 * (n % 8) + k % 16 / 4, word = n % 32 / 8;
  int64_t shift = 8 * (k % 4) + (k % 32 < 16 ? 4 : 0);
  return words[block * 128 + lane * 4 + word] >> shift & 0xf;
}

/// The same for 4-bit activations.
static int codeBeside4(const std::vector<uint32_t> &words, const PackedIntegerLayout &layout,
                       int64_t n, int64_t k) {
  int64_t block = n / 32 * (layout.paddedK() / 64) + k / 64;
  int64_t lane = 4 * (n % 8) + k % 32 / 8, operand = n % 32 / 8;
  int64_t word = 2 * operand + k % 64 / 32;
  return words[block * 256 + word / 4 * 128 + lane * 4 + word % 4] >> (4 * (k % 8)) & 0xf;
}

TEST(PackedIntegerLayout, PutsCodesWhereDocumented) {
  for (unsigned bits : {8u, 4u}) {
    PackedIntegerLayout layout{70, 90, bits};
    std::vector<int8_t> codes(70 * 90);
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<int>(i * 7 % 16) - 8;
    std::vector<uint32_t> words = shuffleWeight(codes, layout);
    ASSERT_EQ(words.size(), size_t(96 * 128 / 8));
    for (int64_t n = 0; n < 96; ++n)
      for (int64_t k = 0; k < 128; ++k) {
        int expected = n < 70 && k < 90 ? codes[n * 90 + k] & 0xf : 0;
        int actual =
            bits == 8 ? codeBeside8(words, layout, n, k) : codeBeside4(words, layout, n, k);
        ASSERT_EQ(actual, expected) << bits << ": " << n << ", " << k;
      }
  }
}

TEST(PackedIntegerLayout, RepeatsGroupsThatAreNoPowerOfTwo) {
  PackedIntegerLayout layout{34, 192};
  std::vector<uint8_t> scales(34 * 2), zeroPoints(34 * 2);
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = i % 16 + 1;
    zeroPoints[i] = i * 3 % 16;
  }
  EXPECT_EQ(PackedIntegerLayout::rowSize(96), 32);
  std::vector<uint8_t> rows = shuffleGroups(scales, zeroPoints, 96, layout);
  ASSERT_EQ(rows.size(), size_t(6 * 64 * 2));
  for (int64_t row = 0; row < 6; ++row)
    for (int64_t n = 0; n < 64; ++n) {
      int64_t at = row * 128 + n / 32 * 64 + n % 8 * 8 + n % 32 / 8;
      int64_t from = n * 2 + row / 3;
      ASSERT_EQ(rows[at], n < 34 ? scales[from] : 0) << row << ", " << n;
      ASSERT_EQ(rows[at + 4], n < 34 ? scales[from] * zeroPoints[from] : 0) << row << ", " << n;
    }
}

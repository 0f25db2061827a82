// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Packing: exact words of hand-derived vectors, and round trips over widths and bits.

#include "ptq/Numerics/Packing.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace ptq::numerics;
using testing::ElementsAre;

namespace {

TEST(Packing, FourBitWords) {
  // q + 8: 0 1 2 3 4 5 6 7 | 8 15
  EXPECT_THAT(packCodes({-8, -7, -6, -5, -4, -3, -2, -1, 0, 7}, 1, 10, 4),
              ElementsAre(0x76543210u, 0x000000f8u));
}

TEST(Packing, ThreeBitCodesCrossWords) {
  // q + 4 is 7 ten times (bits 0 to 29), then 5 = 0b101: bits 30 and 31 are 1 and 0, and the
  // 1 goes to the next word; then 6 = 0b110 at bit 1.
  std::vector<int8_t> codes(10, 3);
  codes.push_back(1);
  codes.push_back(2);
  EXPECT_THAT(packCodes(codes, 1, 12, 3), ElementsAre(0x7fffffffu, 0b1101u));
}

TEST(Packing, EightAndTwoBitWords) {
  EXPECT_THAT(packCodes({-128, 127, 0, -1, 1}, 1, 5, 8), ElementsAre(0x7f80ff00u, 0x81u));
  EXPECT_THAT(packCodes({-2, -1, 0, 1, 1, 0, -1, -2, 1}, 1, 9, 2),
              ElementsAre(0b11'00'01'10'11'11'10'01'00u));
}

TEST(Packing, RowsStartAtWords) {
  EXPECT_EQ(packedWords(3, 4), 1);
  EXPECT_EQ(packedWords(32, 3), 3);
  EXPECT_EQ(packedWords(33, 3), 4);
  EXPECT_THAT(packCodes({-8, -7, -6, 7, 7, 7}, 2, 3, 4), ElementsAre(0x210u, 0xfffu));
}

/// Bit k of a row's stream, by definition.
TEST(Packing, IsTheBitStream) {
  std::mt19937 engine(1);
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (int64_t columns : {1, 7, 8, 9, 31, 32, 33, 64, 100, 129}) {
      constexpr int64_t rows = 67; // more than one chunk of work
      std::uniform_int_distribution<int> code(-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
      std::vector<int8_t> codes(rows * columns);
      for (int8_t &c : codes)
        c = static_cast<int8_t>(code(engine));
      std::vector<uint32_t> words = packCodes(codes, rows, columns, bits);
      int64_t width = packedWords(columns, bits);
      ASSERT_EQ(int64_t(words.size()), rows * width);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t k = 0; k < width * 32; ++k) {
          int64_t column = k / bits;
          unsigned expected =
              column < columns
                  ? unsigned(codes[i * columns + column] + (1 << (bits - 1))) >> (k % bits) & 1
                  : 0;
          ASSERT_EQ(words[i * width + k / 32] >> (k % 32) & 1, expected)
              << bits << " bits, " << columns << " columns, bit " << k;
        }
      ASSERT_EQ(unpackCodes(words, rows, columns, bits), codes)
          << bits << " bits, " << columns << " columns";
    }
}

TEST(Packing, Empty) {
  EXPECT_TRUE(packCodes({}, 0, 16, 4).empty());
  EXPECT_TRUE(unpackCodes({}, 0, 16, 4).empty());
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes of any table to floats, for all widths, against the definition bit by bit; and the bytes
// that packed codes take.

#include "ptq/Numerics/LookupDequantize.h"
#include "TestData.h"
#include "ptq/Numerics/Codebook.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Rtn.h"
#include <gtest/gtest.h>
#include <random>

using namespace ptq::numerics;
using namespace ptq::numerics::test;

namespace {

/// Code k of a row, by the definition of the stream.
unsigned codeAt(const uint32_t *row, int64_t k, unsigned bits) {
  unsigned code = 0;
  for (unsigned b = 0; b < bits; ++b) {
    int64_t position = k * bits + b;
    code |= (row[position / 32] >> (position % 32) & 1) << b;
  }
  return code;
}

template <typename T> void checkAllWidths() {
  std::mt19937 engine(17);
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (int64_t columns : {1, 31, 33, 45, 100})
      for (int64_t groupSize : {1, 7, 32, 200}) {
        constexpr int64_t rows = 19;
        int64_t width = (columns * bits + 31) / 32, groups = (columns + groupSize - 1) / groupSize;
        std::vector<uint32_t> words(rows * width);
        for (uint32_t &word : words)
          word = engine();
        std::vector<float> t = randomMatrix(1, int64_t(1) << bits, bits);
        std::vector<float> s = randomMatrix(rows, groups, 3);
        std::vector<T> table(t.begin(), t.end()), scales(s.begin(), s.end());
        LookupWeight<T> weight{bits, words, table, scales, groupSize, T(0.3)};
        std::vector<T> out(rows * columns);
        dequantize(weight, MatrixRef<T>(out.data(), rows, columns));
        for (int64_t n = 0; n < rows; ++n)
          for (int64_t k = 0; k < columns; ++k) {
            T product = table[codeAt(words.data() + n * width, k, bits)] *
                        scales[n * groups + k / groupSize];
            T expected = product + T(0.3);
            ASSERT_EQ(out[n * columns + k], expected)
                << bits << " bits, " << columns << " columns, groups of " << groupSize;
          }
      }
}

TEST(LookupDequantize, AllWidthsInFloat) { checkAllWidths<float>(); }
TEST(LookupDequantize, AllWidthsInDouble) { checkAllWidths<double>(); }

TEST(LookupDequantize, IsTheDequantizationOfARoundedWeight) {
  constexpr int64_t rows = 33, columns = 96;
  std::vector<float> w = randomMatrix(rows, columns, 2);
  WeightScheme scheme;
  scheme.codebook = Codebook::NF4;
  scheme.groupSize = 32;
  QuantizedWeight q = valueOf(quantizeRtn(ConstMatrix(w.data(), rows, columns), scheme));
  std::vector<float> expected(rows * columns), out(rows * columns);
  dequantize(q, MutableMatrix(expected.data(), rows, columns));
  std::vector<uint32_t> words = packCodes(q.codes, rows, columns, 4);
  LookupWeight<float> weight{4, words, codebookEntries(Codebook::NF4), q.scales, 32, 0.0f};
  dequantize(weight, MutableMatrix(out.data(), rows, columns));
  EXPECT_EQ(out, expected);
}

TEST(LookupDequantize, Empty) {
  LookupWeight<float> weight;
  dequantize(weight, MutableMatrix(nullptr, 0, 16));
  dequantize(weight, MutableMatrix(nullptr, 4, 0));
}

// The bits promised, to the byte: a row of packed codes takes the least whole number of words.
TEST(PackedSize, IsThatOfTheBits) {
  for (int64_t bits = 2; bits <= 8; ++bits)
    for (int64_t rows : {1, 3, 64})
      for (int64_t columns = 1; columns <= 200; ++columns) {
        std::vector<int8_t> codes(rows * columns);
        size_t bytes = 4 * packCodes(codes, rows, columns, unsigned(bits)).size();
        int64_t needed = columns * bits; // of a row
        int64_t words = needed / 32 + (needed % 32 != 0);
        ASSERT_EQ(int64_t(bytes), rows * words * 4) << bits << " bits, " << columns << " columns";
      }
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/PackedIntegerLayout.h"

#include <algorithm>
#include <cassert>

using namespace ptq::kernels;

int64_t PackedIntegerLayout::rowSize(int64_t groupSize) {
  return std::min<int64_t>(groupSize & -groupSize, int64_t(1) << 20);
}

int64_t PackedIntegerLayout::parameterRows(int64_t groupSize) const {
  int64_t size = rowSize(groupSize);
  return (paddedK() + size - 1) / size;
}

namespace {

/// Where the code of column `column`, input `input` of a block goes.
struct Place {
  int64_t word;
  unsigned shift;
};

Place placeInBlock(int64_t column, int64_t input, unsigned activationBits) {
  int64_t operand = column / 8, g = column % 8;
  int64_t perWord = 32 / activationBits, halfBlock = 4 * perWord;
  int64_t half = input / halfBlock, t = input % halfBlock / perWord, e = input % perWord;
  int64_t lane = 4 * g + t;
  int64_t word = activationBits == 8 ? operand : 2 * operand + half;
  unsigned shift = activationBits == 8 ? 8 * e + (half == 0 ? 4 : 0) : 4 * e;
  return {word / 4 * 128 + lane * 4 + word % 4, shift};
}

} // namespace

std::vector<uint32_t> ptq::kernels::shuffleWeight(llvm::ArrayRef<int8_t> codes,
                                                  const PackedIntegerLayout &layout) {
  assert(static_cast<int64_t>(codes.size()) == layout.n * layout.k && "codes are [n, k]");
  assert((layout.activationBits == 4 || layout.activationBits == 8) && "4 or 8 bits");
  std::vector<uint32_t> words(layout.words());
  int64_t blockWords = layout.blockBytes() / 4, blocksK = layout.paddedK() / layout.blockK();
  for (int64_t n = 0; n < layout.n; ++n)
    for (int64_t k = 0; k < layout.k; ++k) {
      Place place = placeInBlock(n % layout.blockN, k % layout.blockK(), layout.activationBits);
      int64_t block = n / layout.blockN * blocksK + k / layout.blockK();
      words[block * blockWords + place.word] |= uint32_t(codes[n * layout.k + k] & 0xf)
                                                << place.shift;
    }
  return words;
}

std::vector<uint8_t> ptq::kernels::shuffleGroups(llvm::ArrayRef<uint8_t> scales,
                                                 llvm::ArrayRef<uint8_t> zeroPoints,
                                                 int64_t groupSize,
                                                 const PackedIntegerLayout &layout) {
  constexpr int64_t bytes = PackedIntegerLayout::parameterBytes;
  int64_t groups = layout.k / groupSize, size = PackedIntegerLayout::rowSize(groupSize);
  int64_t rows = layout.parameterRows(groupSize), rowBytes = layout.paddedN() * bytes;
  std::vector<uint8_t> result(rows * rowBytes);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t group = row * size / groupSize;
    if (group >= groups)
      continue;
    for (int64_t n = 0; n < layout.n; ++n) {
      int64_t block = n / layout.blockN, j = n % layout.blockN / 8, g = n % 8;
      int64_t at = row * rowBytes + block * layout.blockN * bytes + g * 8 + j;
      unsigned scale = scales[n * groups + group], product = scale * zeroPoints[n * groups + group];
      assert(product <= 255 && "a zero point times its scale is a byte");
      result[at] = scale;
      result[at + 4] = product;
    }
  }
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/WeightLayout.h"

#include <algorithm>
#include <cassert>

using namespace ptq::kernels;

int64_t WeightLayout::rowSize(int64_t groupSize) {
  return std::min<int64_t>(groupSize & -groupSize, int64_t(1) << 20);
}

namespace {

/// Where the code of column `column`, input `input` of a block of 64 × 16 goes.
struct Place {
  int64_t word;
  unsigned shift;
};

Place placeInBlock(int64_t column, int64_t input, unsigned bits) {
  int64_t operand = column / 8, g = column % 8;
  int64_t t = input % 8 / 2, e = input % 2 + input / 8 * 2;
  int64_t lane = 4 * g + t;
  int64_t word = bits == 4 ? operand / 2 : operand;
  unsigned shift = bits == 4 ? operand % 2 * 8 + e / 2 * 4 + e % 2 * 16 : e * 8;
  return {word / 4 * 128 + lane * 4 + word % 4, shift};
}

} // namespace

std::vector<uint32_t> ptq::kernels::shuffleWeight(llvm::ArrayRef<int8_t> codes,
                                                  const WeightLayout &layout) {
  assert(static_cast<int64_t>(codes.size()) == layout.n * layout.k && "codes are [n, k]");
  assert((layout.bits == 4 || layout.bits == 8) && "4 or 8 bits");
  std::vector<uint32_t> words(layout.words());
  int64_t blockWords = layout.blockBytes() / 4, blocksK = layout.paddedK() / layout.blockK;
  int offset = 1 << (layout.bits - 1);
  for (int64_t n = 0; n < layout.paddedN(); ++n)
    for (int64_t k = 0; k < layout.paddedK(); ++k) {
      int code = n < layout.n && k < layout.k ? codes[n * layout.k + k] : 0;
      Place place = placeInBlock(n % layout.blockN, k % layout.blockK, layout.bits);
      int64_t block = n / layout.blockN * blocksK + k / layout.blockK;
      words[block * blockWords + place.word] |= uint32_t(code + offset) << place.shift;
    }
  return words;
}

std::vector<uint16_t> ptq::kernels::shuffleGroups(llvm::ArrayRef<uint16_t> values,
                                                  int64_t groupSize, const WeightLayout &layout) {
  int64_t groups = layout.k / groupSize, size = WeightLayout::rowSize(groupSize);
  int64_t rows = (layout.paddedK() + size - 1) / size;
  std::vector<uint16_t> result(rows * layout.paddedN());
  for (int64_t row = 0; row < rows; ++row) {
    int64_t group = row * size / groupSize;
    if (group >= groups)
      continue;
    for (int64_t n = 0; n < layout.n; ++n) {
      int64_t j = n % 64 / 8, g = n % 8;
      result[row * layout.paddedN() + n / 64 * 64 + g * 8 + j] = values[n * groups + group];
    }
  }
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/WeightLayout.h"

#include <algorithm>
#include <cassert>

using namespace ptq::kernels;

int64_t WeightLayout::rowSize(int64_t groupSize) {
  return std::min<int64_t>(groupSize & -groupSize, int64_t(1) << 20);
}

llvm::ArrayRef<unsigned> WeightLayout::planes() const {
  static constexpr unsigned two[] = {2}, twoAndOne[] = {2, 1}, four[] = {4}, eight[] = {8};
  return bits == 2   ? llvm::ArrayRef(two)
         : bits == 3 ? llvm::ArrayRef(twoAndOne)
         : bits == 4 ? llvm::ArrayRef(four)
                     : llvm::ArrayRef(eight);
}

llvm::SmallVector<CodePart, 2> ptq::kernels::codeParts(int64_t n, int64_t k,
                                                       const WeightLayout &layout) {
  int64_t block = n / layout.blockN * (layout.paddedK() / layout.blockK) + k / layout.blockK;
  unsigned operand = n % layout.blockN / 8, g = n % 8, t = k % 8 / 2;
  unsigned lane = 4 * g + t, upper = k % layout.blockK / 8, odd = k % 2; // e = 2·upper + odd
  llvm::SmallVector<CodePart, 2> parts;
  unsigned from = 0;
  for (unsigned bits : layout.planes()) {
    unsigned word, shift;
    switch (bits) {
    case 1:
      word = lane;
      shift = 2 * operand + upper + 16 * odd;
      break;
    case 2:
      word = lane * 2 + operand / 4;
      shift = operand % 4 * 4 + 2 * upper + 16 * odd;
      break;
    case 4:
      word = lane * 4 + operand / 2;
      shift = operand % 2 * 8 + 4 * upper + 16 * odd;
      break;
    default:
      word = operand / 4 * 128 + lane * 4 + operand % 4;
      shift = 16 * upper + 8 * odd;
    }
    int64_t planeStart = layout.paddedN() * layout.paddedK() * from / 32;
    int64_t blockStart = block * WeightLayout::blockBytes(bits) / 4;
    parts.push_back({planeStart + blockStart + word, shift, from, bits});
    from += bits;
  }
  return parts;
}

std::vector<uint32_t> ptq::kernels::shuffleWeight(llvm::ArrayRef<int8_t> codes,
                                                  const WeightLayout &layout) {
  assert(static_cast<int64_t>(codes.size()) == layout.n * layout.k && "codes are [n, k]");
  assert(WeightLayout::hasBits(layout.bits) && "2, 3, 4 or 8 bits");
  std::vector<uint32_t> words(layout.words());
  int offset = 1 << (layout.bits - 1);
  for (int64_t n = 0; n < layout.paddedN(); ++n)
    for (int64_t k = 0; k < layout.paddedK(); ++k) {
      int code = n < layout.n && k < layout.k ? codes[n * layout.k + k] : 0;
      for (const CodePart &part : codeParts(n, k, layout))
        words[part.word] |= (uint32_t(code + offset) >> part.from & ((1u << part.width) - 1))
                            << part.shift;
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

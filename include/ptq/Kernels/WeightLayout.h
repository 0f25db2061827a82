// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order in which the weight-only kernel wants its weights: as its threads use them, so that one
// 16-byte load gives a lane whole mma operands, without a shuffle.
//
// The weight [n, k] is padded to multiples of 64 and cut into blocks of 64 (n) × 16 (k): 8 operands
// of m16n8k16's right side. Blocks are ordered by n, then k. In a block lane 4g + t owns, of
// operand j (columns 8j … 8j+7), column 8j + g and k = 2t, 2t + 1, 2t + 8, 2t + 9, called e = 0 … 3
// here. Codes are stored as u = q + 2^(bits-1).
//
//   bits = 4: a lane has 4 words; word w holds operands 2w and 2w + 1: u[2w + p, e] is in bits 8p +
//   4(e / 2) + 16(e mod 2).
//             A word, masked by 0x000f000f and 0x00f000f0, thus gives pairs e = 0, 1 and 2, 3 of
//             operand 2w in 16-bit lanes.
//   bits = 8: a lane has 8 words; word w is operand w: u[w, e] is byte e.
//   bits = 2: a lane has 2 words; word w holds operands 4w … 4w + 3: u[4w + p, e] is in bits 4p +
//             2(e / 2) + 16(e mod 2).
//   bits = 3: 2 words with the lower two bits, as for bits = 2, and a word with the third of all 8
//             operands: that of u[j, e] is bit 2j + e / 2 + 16(e mod 2).
//
// A block's words are, four at a time (bits = 2: two), those of lane 0, 1, …, 31. With 3 bits the
// lower two bits of all blocks are one plane, the third ones (a word a lane) another one after it.
//
// Scales (and zero points) [n, groups] become rows of `rowSize` inputs each: paddedK / rowSize rows
// of paddedN values, in which column 64b + 8j + g is at 64b + 8g + j: a lane's 8 columns are one
// 16-byte load.

#ifndef PTQ_KERNELS_WEIGHTLAYOUT_H
#define PTQ_KERNELS_WEIGHTLAYOUT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <vector>

namespace ptq::kernels {

struct WeightLayout {
  int64_t n, k;
  unsigned bits; ///< 2, 3, 4 or 8

  /// Of this order, in modules: another one is to have another name.
  static constexpr llvm::StringLiteral name = "n64k16";
  static bool hasBits(unsigned bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

  static constexpr int64_t blockN = 64, blockK = 16, padding = 64;
  int64_t paddedN() const { return (n + padding - 1) / padding * padding; }
  int64_t paddedK() const { return (k + padding - 1) / padding * padding; }
  /// Bytes of a block of 64 × 16 in a plane of so many bits.
  static int64_t blockBytes(unsigned planeBits) { return blockN * blockK * planeBits / 8; }
  /// The bits of the planes, lowest first.
  llvm::ArrayRef<unsigned> planes() const;
  int64_t words() const { return paddedN() * paddedK() * bits / 32; }

  /// The inputs that a row of scales serves: the largest power of two that divides the group size,
  /// at most 2^20; below 16 the kernel has no use for it.
  static int64_t rowSize(int64_t groupSize);
};

/// Where bits of a code are: `width` of them, from bit `from` of the code on, in bit `shift` and up
/// of word `word`.
struct CodePart {
  int64_t word;
  unsigned shift, from, width;
};
/// The one or two parts of the code of (n, k), in the order of planes.
llvm::SmallVector<CodePart, 2> codeParts(int64_t n, int64_t k, const WeightLayout &layout);

/// The weight in the kernel's order. codes: signed [n, k]; padding is code 0.
std::vector<uint32_t> shuffleWeight(llvm::ArrayRef<int8_t> codes, const WeightLayout &layout);

/// Group parameters in the kernel's order. values: [n, k / groupSize], 16-bit patterns; padding is
/// 0.
std::vector<uint16_t> shuffleGroups(llvm::ArrayRef<uint16_t> values, int64_t groupSize,
                                    const WeightLayout &layout);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_WEIGHTLAYOUT_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order in which the kernel of integer activations and 4-bit weights wants its weights: as its
// threads use them, so that one 16-byte load gives a lane whole mma operands, without a shuffle.
//
// The weight [n, k] is padded to multiples of 32 and 64 and cut into blocks of 32 columns (n) and
// one step of the mma (32 inputs of 8 bits, 64 of 4), 4 operands of m16n8's right side. Blocks are
// ordered by n, then k. In a block lane 4g + t owns, of operand j (columns 8j … 8j+7), column 8j +
// g, of which the mma wants, in two words:
//   8-bit activations: inputs 4t … 4t+3 and 16+4t … 16+4t+3, a byte each;
//   4-bit activations: inputs 8t … 8t+7 and 32+8t … 32+8t+7, a nibble each, lowest first.
//
// Codes have 4 bits:
//   8-bit activations: word j of a lane is operand j: the first word's inputs are the high nibbles
//     of its bytes, the second word's the low ones. w & 0xf0f0f0f0 and (w << 4) & 0xf0f0f0f0 are
//     then bytes of value 16·q if codes are in two's complement.
//   4-bit activations: words 2j and 2j + 1 are the mma's own.
// Four words at a time: 32 lanes × 16 bytes, words 0–3 of all lanes, then words 4–7.
//
// Group parameters (scale s and zero point times scale z·s, bytes) become rows of `rowSize` inputs
// each: for each 32 columns and g, the scales of columns 8j + g, j = 0 … 3, then their z·s: 8 bytes
// that a lane reads at once.

#ifndef PTQ_KERNELS_PACKEDINTEGERLAYOUT_H
#define PTQ_KERNELS_PACKEDINTEGERLAYOUT_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <vector>

namespace ptq::kernels {

struct PackedIntegerLayout {
  int64_t n, k;
  unsigned activationBits = 8; ///< 4 or 8

  static constexpr int64_t blockN = 32, paddingK = 64, weightBits = 4;
  /// Bytes of parameters of a column in a row of them: s and z·s.
  static constexpr int64_t parameterBytes = 2;
  /// Inputs that an mma takes, and that a block of weights has.
  int64_t blockK() const { return 256 / activationBits; }
  int64_t paddedN() const { return (n + blockN - 1) / blockN * blockN; }
  int64_t paddedK() const { return (k + paddingK - 1) / paddingK * paddingK; }
  int64_t blockBytes() const { return blockN * blockK() * weightBits / 8; }
  int64_t words() const { return paddedN() * paddedK() * weightBits / 32; }

  /// The inputs that a row of parameters serves: the largest power of two that divides the group
  /// size, at most 2^20; below 32 the kernel has no use for it.
  static int64_t rowSize(int64_t groupSize);
  int64_t parameterRows(int64_t groupSize) const;
};

/// The weight in the kernel's order, the low 4 bits of each code. codes: [n, k]; padding is 0.
std::vector<uint32_t> shuffleWeight(llvm::ArrayRef<int8_t> codes,
                                    const PackedIntegerLayout &layout);

/// Group parameters in the kernel's order. scales, zeroPoints: [n, k / groupSize], with s·z ≤ 255;
/// padding is 0.
std::vector<uint8_t> shuffleGroups(llvm::ArrayRef<uint8_t> scales,
                                   llvm::ArrayRef<uint8_t> zeroPoints, int64_t groupSize,
                                   const PackedIntegerLayout &layout);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_PACKEDINTEGERLAYOUT_H

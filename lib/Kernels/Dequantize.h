// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Packed weights in WeightLayout's order → operands of m16n8k16 in f16 or bf16, in registers. With
// u = q + 2^(b-1):
//
//   4 bits, f16:  (w & 0x000f000f) | 0x6400'6400 is the pair 1024 + u, in one lop3; minus
//                 (1032 + z) it is q − z, exactly.
//                 (w & 0x00f000f0) | 0x6400'6400 is 1024 + 16u; times 1/16 minus (72 + z), in one
//                 fma, it is q − z, exactly. The other two pairs of a word are the same of w >> 8.
//   4 bits, bf16: (w >> 4i & 0x000f000f) | 0x4300'4300 is 128 + u; minus (136 + z).
//   2 bits:       (w >> 2i & 0x00030003) with the same exponents; minus (2^10 or 2^7) + 2 + z.
//   3 bits:       the third bit, 4 in value, comes by one more lop3 from a word of its own.
//   8 bits, f16:  a byte permutation puts 0x64 before each code: 1024 + u; minus (1152 + z).
//   8 bits, bf16: 7 bits of fraction hold no u: a permutation makes the float32 2^23 + u; minus
//                 (2^23 + 128 + z) it is q − z, whose 8 bits a bf16 holds: its upper half.
//
// A zero point is exact in either type. The group's scale is multiplied last, rounded once.

#ifndef PTQ_LIB_KERNELS_DEQUANTIZE_H
#define PTQ_LIB_KERNELS_DEQUANTIZE_H

#include "KernelBuilder.h"

#include <array>

namespace ptq::kernels {

class Dequantizer {
public:
  /// bits 2, 3, 4 or 8; f16 or bfloat.
  Dequantizer(KernelBuilder &k, unsigned bits, bool bfloat) : k(k), bits(bits), bfloat(bfloat) {}

  /// From a lane's first word of a block in a plane of `planeBits` to the next lane's, in bytes.
  static int64_t laneBytes(unsigned planeBits) { return std::min(planeBits, 4u) * 4; }
  /// The `planeBits` words of a lane in a block, the first of them at `start` in shared memory.
  void read(Value start, unsigned planeBits, mlir::SmallVectorImpl<Value> &words);

  /// Scales and zero points of the columns in use, until the next call: as many words as the warp
  /// has pairs of 8 columns, two values a word. Without scales weights stay integers; without zero
  /// points they are 0.
  void setScales(mlir::ArrayRef<Value> words);
  void setZeroPoints(mlir::ArrayRef<Value> words);

  /// The two words of mma operand `operand` (8 columns) from the warp's packed words.
  std::array<Value, 2> operand(mlir::ArrayRef<Value> words, int64_t operand);

private:
  mlir::SmallVector<Value> duplicate(mlir::ArrayRef<Value> words);
  float offset() const { return (bfloat ? 128 : 1024) + (1 << (bits - 1)); }
  bool isWide() const { return bits == 8 && bfloat; }
  /// The codes of a pair without what they were offset by.
  Value centred(Value pair, int64_t operand);
  /// The same of codes in the upper half of a byte.
  Value centredHigh(Value pair, int64_t operand);
  Value wide(Value word, int64_t operand, unsigned firstByte);
  Value narrow(Value word, unsigned shift, Value highBits, unsigned highShift);

  KernelBuilder &k;
  unsigned bits;
  bool bfloat;
  /// For each of the lane's columns: its scale, and what is to be subtracted from the low and the
  /// high codes of a byte, as pairs of equal values; for 8 bits in bfloat, lowOffsets are float32.
  mlir::SmallVector<Value> scales, lowOffsets, highOffsets;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_DEQUANTIZE_H

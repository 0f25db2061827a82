// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversion of stored elements from and to float.
//
#ifndef PTQ_CHECKPOINT_FLOAT16_H
#define PTQ_CHECKPOINT_FLOAT16_H

#include "ptq/Checkpoint/DType.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace ptq::checkpoint {

/// IEEE binary16 and bfloat16, as bit patterns. Widening is exact; narrowing rounds half to even,
/// overflows to infinity and keeps subnormals. A NaN stays a NaN of the same sign, quieted, with
/// its leading payload bits.
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);
float bfloat16ToFloat(uint16_t bits);
uint16_t floatToBFloat16(float value);

/// Converts stored elements (any dtype, any alignment, little endian) to float, rounding half to
/// even where float cannot hold them. `to` has n elements, `from` n × byteWidth(dtype) bytes;
/// otherwise the smaller n counts.
void convertToFloat(DType dtype, llvm::ArrayRef<char> from, llvm::MutableArrayRef<float> to);

/// Converts float to stored elements, rounding half to even. F16, BF16 and F8E5M2 overflow to
/// infinity, F8E4M3 (which has none) to NaN; integers saturate, with NaN to 0; Bool is value ≠ 0.
/// Sizes as above.
void convertFromFloat(DType dtype, llvm::ArrayRef<float> from, llvm::MutableArrayRef<char> to);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_FLOAT16_H

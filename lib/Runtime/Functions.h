// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The entries of the table, and what they share.

#ifndef PTQ_LIB_RUNTIME_FUNCTIONS_H
#define PTQ_LIB_RUNTIME_FUNCTIONS_H

#include "ptq/Numerics/Matrix.h"
#include "ptq/Runtime/Function.h"
#include "llvm/ADT/Twine.h"

namespace ptq::runtime {

llvm::Error quantize(llvm::ArrayRef<Argument>, Allocator);
llvm::Error dynamicQuantize(llvm::ArrayRef<Argument>, Allocator);
llvm::Error outlierColumns(llvm::ArrayRef<Argument>, Allocator);
llvm::Error scaleChannels(llvm::ArrayRef<Argument>, Allocator);
llvm::Error integerLinear(llvm::ArrayRef<Argument>, Allocator);
llvm::Error integerLinearPacked(llvm::ArrayRef<Argument>, Allocator);
llvm::Error integerBatchMatmul(llvm::ArrayRef<Argument>, Allocator);
llvm::Error weightOnlyLinear(llvm::ArrayRef<Argument>, Allocator);
llvm::Error linear(llvm::ArrayRef<Argument>, Allocator);
llvm::Error lookupDequantize(llvm::ArrayRef<Argument>, Allocator);

template <typename T> numerics::MatrixRef<const T> matrixOf(const Argument &argument) {
  return {static_cast<const T *>(argument.data), argument.shape[0], argument.shape[1]};
}

/// y = x·Wᵀ + beta·y, [x.rows, weight.rows], by SGEMM; without columns y stays as it is. Errors:
/// the operands are of different depths, or too large for BLAS.
llvm::Error multiplyFloats(numerics::ConstMatrix x, numerics::ConstMatrix weight, float beta,
                           float *y);

/// An error unless `argument` has `size` elements, or is one of the other sizes allowed.
llvm::Error checkSize(llvm::StringRef what, const Argument &argument,
                      llvm::ArrayRef<int64_t> allowed);
llvm::Error checkBits(int32_t bits, int32_t greatest);

} // namespace ptq::runtime

#endif // PTQ_LIB_RUNTIME_FUNCTIONS_H

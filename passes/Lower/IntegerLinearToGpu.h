// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the lowerings of ptq.integer_linear to its kernels share.

#ifndef PTQ_PASSES_LOWER_INTEGERLINEARTOGPU_H
#define PTQ_PASSES_LOWER_INTEGERLINEARTOGPU_H

#include "GpuKernels.h"
#include "ptq/Kernels/IntegerLinear.h"

namespace ptq {

/// Shapes and types of the layer; an error says which of its types no kernel has.
llvm::Expected<kernels::IntegerLinearSpec> integerLinearSpec(IntegerLinearOp op);

/// What a kernel's name says of the specification and the tile.
std::string describe(const kernels::IntegerLinearSpec &spec, const kernels::GemmTile &tile);

/// Σ_k w[n, k] of the integers [n, k] as a constant vector of i32.
mlir::Value createRowSums(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<int8_t> integers,
                          int64_t n);

/// Replaces a layer whose weight is packed, or made by ptq.expand_groups, by a launch of the W4A8
/// or W4A4 kernel. Errors as lowerToGpu's.
llvm::Error lowerPackedToGpu(IntegerLinearOp op, GpuKernels &kernels);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_INTEGERLINEARTOGPU_H

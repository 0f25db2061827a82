// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel between a quantization that writes int4 activations as bytes and the W4A4 kernel,
// which reads two of them in a byte. It moves 1.5 bytes an activation once; where the product is
// bound by its tensor cores this is paid back by their double rate.

#ifndef PTQ_KERNELS_PACKACTIVATIONS_H
#define PTQ_KERNELS_PACKACTIVATIONS_H

#include "ptq/Kernels/GemmTile.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ptq::kernels {

/// Adds a kernel to `module` that makes rows of nibbles of rows of `k` bytes. Its arguments,
/// pointers in global memory, 16-byte aligned: q [m, k] int8 in [-8, 7], the result [m, paddedK /
/// 2] with paddedK = k rounded up to 64, and m as i32. The first of two is in the low nibble;
/// beyond k there are zeros.
mlir::gpu::GPUFuncOp emitPackActivations(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                         int64_t k);

/// Bytes of a row of the result.
int64_t packedActivationBytes(int64_t k);

/// How a launch is divided: blocks(m, packedActivationBytes(k)) of threads(), without shared
/// memory.
GemmTile packActivationsTile();

} // namespace ptq::kernels

#endif // PTQ_KERNELS_PACKACTIVATIONS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all kernels have in common: the function, its arguments, dynamic shared memory, and which
// tile a block takes.

#ifndef PTQ_LIB_KERNELS_KERNELFUNCTION_H
#define PTQ_LIB_KERNELS_KERNELFUNCTION_H

#include "KernelBuilder.h"
#include "ptq/Kernels/GemmTile.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ptq::kernels {

/// An argument of a kernel: a pointer to 16-byte aligned global memory (Shared: through which
/// blocks exchange data), or a number (i32).
enum class Argument { Input, Output, Shared, Number };

/// A kernel without a body; the builder is placed at its beginning. End it with gpu.return.
mlir::gpu::GPUFuncOp createKernel(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                  llvm::ArrayRef<Argument> arguments, int64_t threads);

/// The module's dynamic shared memory, 1024-byte aligned, as a period of the swizzle is.
Value dynamicShared(KernelBuilder &k, mlir::gpu::GPUModuleOp module);

/// The first row and column of this block's tile. Blocks that are near in number share operands in
/// the L2 cache: they go down `groupRows` tiles before the next column of tiles.
struct TileOrigin {
  Value row, column;
};
TileOrigin tileOrigin(KernelBuilder &k, const GemmTile &tile, Value rowCount, int64_t columnCount);
/// The same for tile `number` of those of a result whose width is a value too.
TileOrigin tileOrigin(KernelBuilder &k, const GemmTile &tile, Value number, Value rowCount,
                      Value columnCount);

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_KERNELFUNCTION_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel of attention's two products in int8 (SmoothQuant's batched matrix product).

#ifndef PTQ_KERNELS_INTEGERBATCHMATMUL_H
#define PTQ_KERNELS_INTEGERBATCHMATMUL_H

#include "ptq/Kernels/GemmTile.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ptq::kernels {

/// y[i, m, n] = (float(Σ_k a[i, m, k]·b[i, n, k])·s_b[i, n])·s_a[i, m] for i in a batch: the sums
/// exact in int32, the rest in float32 in this order, rounded once to the output's type.
struct IntegerBatchMatmulSpec {
  static constexpr int64_t dynamic = -1;

  int64_t n, k;              ///< or dynamic: elements are then copied or written one by one
  bool perTokenLeft = true;  ///< s_a is [batch, m]; otherwise [1]
  bool perTokenRight = true; ///< s_b is [batch, n]; otherwise [1]
  mlir::Type leftScaleType;  ///< f16, bf16 or f32
  mlir::Type rightScaleType; ///< f16, bf16 or f32
  mlir::Type outputType;     ///< f16, bf16 or f32
};

/// Whether the kernel can be made with this tile: as for IntegerLinearSpec.
bool isValidTile(const IntegerBatchMatmulSpec &spec, const GemmTile &tile);

/// Adds a kernel to `module`. Its arguments, pointers in global memory (row-major, 16-byte
/// aligned):
///   a [batch, m, k], s_a, b [batch, n, k], s_b, y [batch, m, n], and m, n, k as i32.
/// Precondition: isValidTile.
mlir::gpu::GPUFuncOp emitIntegerBatchMatmul(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                            const IntegerBatchMatmulSpec &spec,
                                            const GemmTile &tile);

/// Dynamic shared memory of a launch, in bytes. Its grid is batch · tile.blocks(m, n), along x, the
/// batch outermost; a block has tile.threads().
int64_t sharedBytes(const IntegerBatchMatmulSpec &spec, const GemmTile &tile);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_INTEGERBATCHMATMUL_H

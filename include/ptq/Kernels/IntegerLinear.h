// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W8A8 kernel: int8 activations times int8 weights on the tensor cores.

#ifndef PTQ_KERNELS_INTEGERLINEAR_H
#define PTQ_KERNELS_INTEGERLINEAR_H

#include "ptq/Kernels/GemmTile.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ptq::kernels {

/// y[m, n] = (float(Σ_k q[m, k]·w[n, k] − z[m]·Σ_k w[n, k])·s_w[n])·s_x[m] + b[n]: q, w int8, the
/// sums exact in int32 (modulo 2^32), the rest in float32 in this order, rounded once to the
/// output's type. With outliers (LLM.int8()) Σ_j x_o[m, j]·w_o[n, j] is added before b, x_o and w_o
/// 16-bit floats: on the tensor cores, in float32, starting from the scaled sum.
struct IntegerLinearSpec {
  static constexpr int64_t dynamicOutliers = -1;

  int64_t n, k;
  bool perTokenScale = true;   ///< s_x is [m]; otherwise [1]
  bool perChannelScale = true; ///< s_w is [n]; otherwise [1]
  mlir::Type inputScaleType;   ///< f16, bf16 or f32
  mlir::Type weightScaleType;  ///< f16, bf16 or f32
  mlir::Type zeroPointType;    ///< i8 or i32, in the shape of s_x; null: no zero points
  mlir::Type biasType;         ///< f16, bf16 or f32; null: no bias
  mlir::Type outputType;       ///< f16, bf16 or f32
  mlir::Type outlierType;      ///< f16 or bf16; null: no outliers
  int64_t outlierColumns = 0;  ///< their number O, or dynamicOutliers

  bool hasDynamicOutliers() const { return outlierType && outlierColumns == dynamicOutliers; }
};

/// Whether the kernel can be made with this tile: warps of 16·i × 16·j, blockK 64 or 128, at least
/// two stages, at most as many splits as k has tiles. By wgmma: warps of 16 rows, four or a power
/// of two more of them, and all columns (a multiple of 16 up to 256), blockK 128, at least three
/// stages, no outliers; the kernel is for sm_90a then.
bool isValidTile(const IntegerLinearSpec &spec, const GemmTile &tile);

/// Adds a kernel to `module`. Its arguments, pointers in global memory (matrices row-major and
/// 16-byte aligned):
///   q [m, k], s_x, (z, Σ_k w [n] i32,) w [n, k], s_w, (x_o [m, O], w_o [n, O],) (b [n],) y [m, n],
///   and as i32 m (and O if it is dynamic); with splits, as pointers, the Workspace's sums and
///   counters.
/// Precondition: isValidTile.
mlir::gpu::GPUFuncOp emitIntegerLinear(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                       const IntegerLinearSpec &spec, const GemmTile &tile);

/// Dynamic shared memory of a launch, in bytes. Its grid is tile.blocks(m, n), along x; a block has
/// tile.threads().
int64_t sharedBytes(const IntegerLinearSpec &spec, const GemmTile &tile);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_INTEGERLINEAR_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weight-only kernel: 16-bit activations times packed weights, dequantized in registers.

#ifndef PTQ_KERNELS_WEIGHTONLYLINEAR_H
#define PTQ_KERNELS_WEIGHTONLYLINEAR_H

#include "ptq/Kernels/GemmTile.h"
#include "ptq/Kernels/WeightLayout.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ptq::kernels {

/// y[m, n] = Σ_k x[m, k]·w[n, k] + b[n]. Per group: w = (q − z)·s rounded to x's type; sums in
/// float32. Per channel (groupSize 0): the sums of x·(q − z), q − z exact, are multiplied by s[n]
/// in float32. The result is rounded once.
struct WeightOnlyLinearSpec {
  int64_t n, k;
  unsigned bits;         ///< 2, 3, 4 or 8
  int64_t groupSize = 0; ///< inputs that share a scale, a multiple of 16; 0: all
  bool zeroPoints = false;
  mlir::Type inputType;  ///< f16 or bf16
  mlir::Type scaleType;  ///< per channel: f16, bf16 or f32; per group they are in the input's type
  mlir::Type biasType;   ///< f16, bf16 or f32; null: no bias
  mlir::Type outputType; ///< f16, bf16 or f32

  WeightLayout layout() const { return {n, k, bits}; }
};

/// Whether the kernel can be made with this tile: warps of 16·i × 64·j, blockK 64 or 128, at least
/// two stages, at most as many splits as k has tiles.
bool isValidTile(const WeightOnlyLinearSpec &spec, const GemmTile &tile);

/// Adds a kernel to `module`. Its arguments, pointers in global memory, 16-byte aligned:
///   x [m, k], the weight in WeightLayout's order, scales (per group in WeightLayout's order, in
///   x's type; per channel [n]), (zero points, in WeightLayout's order, in x's type; per channel as
///   for one group of k rounded up to 64,) (b [n],) y [m, n], and m as i32; with splits the
///   Workspace's sums and counters.
/// Precondition: isValidTile.
mlir::gpu::GPUFuncOp emitWeightOnlyLinear(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                          const WeightOnlyLinearSpec &spec, const GemmTile &tile);

/// Dynamic shared memory of a launch, in bytes. Its grid is tile.blocks(m, n), along x; a block has
/// tile.threads().
int64_t sharedBytes(const WeightOnlyLinearSpec &spec, const GemmTile &tile);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_WEIGHTONLYLINEAR_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W4A8 and W4A4 kernels: int8 or int4 activations times 4-bit weights on the tensor cores.

#ifndef PTQ_KERNELS_PACKEDINTEGERLINEAR_H
#define PTQ_KERNELS_PACKEDINTEGERLINEAR_H

#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Kernels/PackedIntegerLayout.h"

namespace ptq::kernels {

/// What IntegerLinearSpec says, for weights of 4-bit codes u:
///   groupSize = 0: w = u, in [-8, 7];
///   otherwise progressive groups (QServe, arXiv:2405.04532): w[n, k] = (u[n, k] − z[n, g])·s[n,
///   g], u and z in [0, 15], s·15 ≤ 255, every w in [-128, 127]; linear.perChannelScale is the
///   scale of these int8 weights.
struct PackedIntegerLinearSpec {
  IntegerLinearSpec linear;
  unsigned activationBits = 8; ///< 8; or 4, on chips that have mma of s4, without groups
  int64_t groupSize = 0;       ///< inputs that share s and z, a multiple of 32; 0: no groups

  PackedIntegerLayout layout() const { return {linear.n, linear.k, activationBits}; }
};

/// Why the kernel cannot be made for the specification; empty if it can.
llvm::StringRef whyUnsupported(const PackedIntegerLinearSpec &spec);

/// Whether the kernel can be made with this tile: a supported specification, warps of 16·i × 32·j,
/// rows of activations of 64 or 128 bytes, at least two stages.
bool isValidTile(const PackedIntegerLinearSpec &spec, const GemmTile &tile);

/// Adds a kernel to `module`. Its arguments, pointers in global memory, 16-byte aligned:
///   q ([m, k] int8; or int4, two in a byte, the first in the low nibble, rows padded by zeros to
///   layout().paddedK()), s_x, (z, Σ_k w [n] i32,) the weight in PackedIntegerLayout's order,
///   (its group parameters,) s_w, (b [n],) y [m, n], and m as i32.
/// Precondition: isValidTile.
mlir::gpu::GPUFuncOp emitPackedIntegerLinear(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                             const PackedIntegerLinearSpec &spec,
                                             const GemmTile &tile);

/// Dynamic shared memory of a launch, in bytes. Its grid is tile.blocks(m, n), along x; a block has
/// tile.threads().
int64_t sharedBytes(const PackedIntegerLinearSpec &spec, const GemmTile &tile);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_PACKEDINTEGERLINEAR_H

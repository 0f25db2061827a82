// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The product of two row-major int8 matrices, a·bᵀ, on sm_90a's tensor cores: tiles pass through a
// ring in shared memory, swizzled as TiledProduct's are, and four warps together multiply straight
// from there (wgmma): no fragments, no ldmatrix.
//
// wgmma runs asynchronously, so a stage is free one iteration later than in Pipeline. In the
// iteration of tile i
//   - this thread's copies of tile i have arrived, and it orders them before what wgmma reads
//     (fence.proxy.async); after the barrier all threads' have;
//   - all warpgroups have finished tile i − 2, as each waited for it before the barrier: its stage
//     takes tile i + stages − 2;
//   - tile i is multiplied while the products of tile i − 1 are awaited.
//
// A tile's rows are 128 bytes of k, its chunks of 16 bytes permuted by the row modulo 8: that is
// wgmma's 128-byte swizzle (PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout").

#ifndef PTQ_LIB_KERNELS_WARPGROUPPRODUCT_H
#define PTQ_LIB_KERNELS_WARPGROUPPRODUCT_H

#include "TiledProduct.h"

namespace ptq::kernels {

struct WarpgroupProduct {
  static constexpr int64_t rowBytes = 128;
  /// Of the shared memory's start.
  static constexpr int64_t alignment = 1024;

  const GemmTile &tile; ///< with GemmTile::wgmma
  int64_t depth;        ///< elements of a row of the matrices
  TiledProduct::Operand left, right;
  KRange range = {}; ///< the tiles along k that are multiplied

  /// The sums of a warp's 16 rows: 4 for each m16×n8 block, in the mma's layout of results.
  /// `shared` has (blockM + blockN) · rowBytes · stages bytes that are free before and after.
  llvm::SmallVector<Value> run(KernelBuilder &k, const WarpPlace &place, Value shared) const;
};

/// Whether wgmma has a shape of n columns, s8.
bool isWgmmaWidth(int64_t n);

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_WARPGROUPPRODUCT_H

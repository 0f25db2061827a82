// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The product of two row-major matrices that need no unpacking, a·bᵀ: both as they are, in swizzled
// tiles that pass through a ring, read by ldmatrix. It is the main loop of the int8 kernels and of
// the 16-bit tail of outliers, as the fragments of both have the same bytes: m16 × 32 bytes of k.

#ifndef PTQ_LIB_KERNELS_TILEDPRODUCT_H
#define PTQ_LIB_KERNELS_TILEDPRODUCT_H

#include "PartialSums.h"
#include "ptq/Kernels/GemmTile.h"

namespace ptq::kernels {

/// Which part of a block's tile a thread works at.
struct WarpPlace {
  /// `thread` in [0, tile.threads()).
  WarpPlace(KernelBuilder &k, const GemmTile &tile, Value thread);
  Value thread, lane, warp;
  Value row, column; ///< of the warp's part in the block's tile
};

struct TiledProduct {
  enum class Element { S8, F16, BF16 };
  struct Operand {
    Value matrix;   ///< 16-byte aligned if `depth` rows are
    Value firstRow; ///< of the block's tile
    Value rowCount; ///< null where no tile reaches beyond
  };

  const GemmTile &tile; ///< blockM, blockN, warps
  Element element;
  int64_t rowBytes; ///< of a tile in shared memory: 64 or 128
  int64_t stages;
  int64_t depth = 0;  ///< elements of a row of the matrices
  Value dynamicDepth; ///< if given, instead
  Operand left, right;
  KRange range = {}; ///< the tiles along k that are multiplied

  int64_t blocksM() const { return tile.warpM() / 16; }
  int64_t blocksN() const { return tile.warpN() / 8; }
  int64_t elementBytes() const { return element == Element::S8 ? 1 : 2; }
  int64_t stageBytes() const { return (tile.blockM + tile.blockN) * rowBytes; }

  /// Adds the products to `sums`: 4 values, i32 or f32, for each m16×n8 block of the warp's part.
  /// `shared` has stages · stageBytes() bytes that are free before and after.
  llvm::SmallVector<Value> run(KernelBuilder &k, const WarpPlace &place, Value shared,
                               mlir::ValueRange sums) const;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_TILEDPRODUCT_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums that are found in parts: by warps of a block that divide a tile's depth (warpsK), and by
// blocks that divide the product's (splits).
//
// Blocks: each writes its sums to the workspace and counts itself at its tile's counter, which
// releases what it wrote and acquires what those before it wrote. The one that finds all others
// counted adds up and sets the counter to zero again; no block waits for another. Integers, whose
// sum does not depend on the order, start from the block's own; floats are added in the order of
// k, so that the result does not depend on which block is last.

#ifndef PTQ_LIB_KERNELS_PARTIALSUMS_H
#define PTQ_LIB_KERNELS_PARTIALSUMS_H

#include "KernelBuilder.h"
#include "ptq/Kernels/GemmTile.h"

namespace ptq::kernels {

/// Tiles along k: [first, first + count). Null: all of them.
struct KRange {
  Value first, count;
  Value end(KernelBuilder &k) const { return k.add(first, count); }
};

/// Adds the sums of the warps that share a part of a tile, in their order: complete in those with
/// warpK = 0, where the results are valid. `part` is the number of the warp's part of the tile.
/// `shared` has warpSumBytes that are free before.
llvm::SmallVector<Value> addWarpSums(KernelBuilder &k, const GemmTile &tile, Value shared,
                                     Value part, Value warpK, Value lane, mlir::ValueRange sums);
int64_t warpSumBytes(const GemmTile &tile);

/// This block among those that share a tile.
class SplitTile {
public:
  /// `tiles` is the number of tiles along k, at least tile.splits. Without splits the two pointers
  /// are null.
  SplitTile(KernelBuilder &k, const GemmTile &tile, int64_t tiles, Value workspace, Value counters);

  /// The tile of the product.
  Value number() const { return tileNumber; }
  KRange range() const { return kRange; }

  /// Calls `finish` with the complete sums in all threads of one block of each tile. To be called
  /// by all threads of the block; those with `own` (null: all) have sums, `part` and `lane` being
  /// their warp's part of the tile and their place in it.
  void finish(Value thread, Value part, Value lane, Value own, mlir::ValueRange sums,
              llvm::function_ref<void(llvm::ArrayRef<Value>)> finish);

private:
  KernelBuilder &k;
  const GemmTile &tile;
  Value workspace, counters, tileNumber, split;
  KRange kRange;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_PARTIALSUMS_H

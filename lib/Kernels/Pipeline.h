// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The main loop of a matrix product: tiles of the operands pass through a ring of stages in shared
// memory.
//
// In the iteration of tile i the copy of tile i + stages − 1 is issued into the place of tile i −
// 1, and tile i is multiplied in `steps` steps. The fragments of a step are read one step ahead of
// their use, those of tile i + 1's first step before tile i's last step is multiplied: at that
// point one wait and one barrier say at once that tile i + 1 has arrived and that all warps have
// read tile i to its end, so that iteration i + 1 may overwrite it.

#ifndef PTQ_LIB_KERNELS_PIPELINE_H
#define PTQ_LIB_KERNELS_PIPELINE_H

#include "KernelBuilder.h"

namespace ptq::kernels {

struct Pipeline {
  using Values = llvm::SmallVector<Value>;

  int64_t stages, stageBytes;
  int64_t tiles;
  Value tileCount; ///< if given, instead of `tiles`
  unsigned steps;
  /// Pointers that go from tile to tile, and by how many bytes.
  Values pointers;
  llvm::SmallVector<int64_t> advances;

  /// Issues the copies of tile `tile`, whose pointers are given, to the stage at `stage`; tile may
  /// be beyond the last.
  std::function<void(mlir::ValueRange pointers, Value tile, Value stage)> issue;
  /// The fragments that step `step` needs of the tile in the stage at `stage`.
  std::function<Values(Value stage, unsigned step)> read;
  /// Adds a step's products to the sums.
  std::function<void(unsigned step, llvm::ArrayRef<Value> fragments,
                     llvm::MutableArrayRef<Value> sums)>
      multiply;

  /// The sums after all tiles. `shared` is the ring's start. Afterwards no copy is under way and
  /// the ring is free.
  Values run(KernelBuilder &k, Value shared, mlir::ValueRange zeros) const;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_PIPELINE_H

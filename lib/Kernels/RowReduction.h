// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums and extrema over the threads that share a row: a warp, or all of a block.

#ifndef PTQ_LIB_KERNELS_ROWREDUCTION_H
#define PTQ_LIB_KERNELS_ROWREDUCTION_H

#include "KernelBuilder.h"

namespace ptq::kernels {

/// Combines float32s or float64s with a commutative operation. Lanes first, in butterflies of 16,
/// 8, 4, 2, 1; then the warps' results through shared memory (every reduction its own), in the same
/// butterflies filled up with zeros. Every thread has the result.
class RowReduction {
public:
  using Combine = llvm::function_ref<Value(Value, Value)>;

  /// `thread` within the row; `shared` is used where a row has several warps.
  RowReduction(KernelBuilder &k, Value thread, int64_t threadsPerRow, Value shared)
      : k(k), thread(thread), warps(threadsPerRow / 32), shared(shared) {}

  /// 0 is to be neutral.
  Value reduce(Value value, Combine combine);

  /// Shared memory of `reductions` of them, in bytes.
  static int64_t sharedBytes(int64_t threadsPerRow, int64_t reductions) {
    return threadsPerRow > 32 ? reductions * threadsPerRow / 32 * slotBytes : 0;
  }

private:
  static constexpr int64_t slotBytes = 8;

  Value reduceWarp(Value value, int64_t lanes, Combine combine);

  KernelBuilder &k;
  Value thread;
  int64_t warps;
  Value shared;
  int64_t used = 0;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_ROWREDUCTION_H

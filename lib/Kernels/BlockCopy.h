// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies pieces of memory that are whole multiples of 16 bytes and stay in their order.

#ifndef PTQ_LIB_KERNELS_BLOCKCOPY_H
#define PTQ_LIB_KERNELS_BLOCKCOPY_H

#include "KernelBuilder.h"

namespace ptq::kernels {

/// Copies `rows` pieces of `rowBytes` (a power of two), `pitch` bytes apart in global memory and
/// one after another in shared memory, by all threads of a block.
class BlockCopy {
public:
  /// Rows from `rowLimit` on (null: none) become zero.
  BlockCopy(KernelBuilder &k, int64_t rows, int64_t rowBytes, int64_t pitch, unsigned threads,
            Value thread, Value rowLimit);

  int64_t bytes() const { return rows * rowBytes; }
  /// Where this thread reads first if the first row begins at `base`.
  Value pointer(Value base);
  /// Copies to `shared`. Chunks at byte `limit` of their row and after become zero (null: none do).
  void issue(Value pointer, Value shared, Value limit);

private:
  static constexpr int64_t chunk = 16;
  int64_t perRow() const { return rowBytes / chunk; }
  Value firstByte() { return k.mul(k.rem(thread, perRow()), chunk); }

  KernelBuilder &k;
  int64_t rows, rowBytes, pitch, threads;
  Value thread, rowLimit;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_BLOCKCOPY_H

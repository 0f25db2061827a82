// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A sum over blocks of data in one order, wherever the blocks are.
//
// Floating-point sums depend on their order. Here it is that of a binary tree over the numbers of
// the blocks: the sum over [first, last) is that over [first, middle) plus that over [middle,
// last), middle - first being the greatest power of two less than last - first. A rank computes
// the blocks it has; where a node's halves are on two ranks, the right one is sent to the left.
// So any number of ranks gives the bits that one gives.

#ifndef PTQ_DISTRIBUTED_BLOCKSUM_H
#define PTQ_DISTRIBUTED_BLOCKSUM_H

#include "ptq/Distributed/Communicator.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>

namespace ptq::distributed {

/// Where the given one of `parts` even, contiguous parts of [0, count) begins.
inline int64_t partBegin(int64_t part, int64_t parts, int64_t count) {
  return part * count / parts;
}

/// Which blocks of [0, count) a rank has: contiguous shares, in order of rank. With fewer blocks
/// than ranks there is nothing to share, and each rank has all.
struct BlockShare {
  int64_t first = 0, last = 0; ///< [first, last) is this rank's.
  int64_t count = 0;

  static BlockShare of(int64_t count, const Communicator &communicator);
  /// Whether other ranks have other blocks.
  bool isShared() const { return last - first != count; }
};

/// `sum` = Σ over all blocks, on all ranks; compute(block, to) overwrites `to`, of as many floats,
/// with one block of this rank's share. For a moment it takes the room of log2(blocks) sums.
llvm::Error
sumBlocks(Communicator &communicator, const BlockShare &share, llvm::MutableArrayRef<float> sum,
          llvm::function_ref<void(int64_t block, llvm::MutableArrayRef<float> to)> compute);

} // namespace ptq::distributed

#endif // PTQ_DISTRIBUTED_BLOCKSUM_H

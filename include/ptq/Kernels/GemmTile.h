// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a matrix product is divided over thread blocks, warps and time.

#ifndef PTQ_KERNELS_GEMMTILE_H
#define PTQ_KERNELS_GEMMTILE_H

#include <cstdint>

namespace ptq::kernels {

/// A thread block computes blockM × blockN of the product, blockK of the reduction at a time. Its
/// warps divide the block evenly, warpsM × warpsN ways; with warpsK > 1 each part is computed by
/// warpsK warps that divide blockK, and added up at the end. `stages` tiles of the operands are in
/// shared memory: one in use, the others on their way.
struct GemmTile {
  int64_t blockM, blockN, blockK;
  int64_t warpsM, warpsN;
  int64_t stages;
  int64_t warpsK = 1;

  int64_t warpM() const { return blockM / warpsM; }
  int64_t warpN() const { return blockN / warpsN; }
  int64_t warps() const { return warpsM * warpsN * warpsK; }
  int64_t threads() const { return warps() * 32; }
  /// Tiles of an m x n result: the blocks of a launch.
  int64_t blocks(int64_t m, int64_t n) const {
    return (m + blockM - 1) / blockM * ((n + blockN - 1) / blockN);
  }
};

} // namespace ptq::kernels

#endif // PTQ_KERNELS_GEMMTILE_H

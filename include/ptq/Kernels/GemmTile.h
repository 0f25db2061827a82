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
/// shared memory: one in use, the others on their way. With splits > 1 so many blocks divide the
/// reduction of a tile of the product; the last of them to be done adds up what they found
/// (split-K), through memory that the launch provides (Workspace).
struct GemmTile {
  int64_t blockM, blockN, blockK;
  int64_t warpsM, warpsN;
  int64_t stages;
  int64_t warpsK = 1;
  int64_t splits = 1;
  /// By wgmma (sm_90a): four warps, one upon the other, are a warpgroup of 64 rows and all columns.
  bool wgmma = false;

  int64_t warpM() const { return blockM / warpsM; }
  int64_t warpN() const { return blockN / warpsN; }
  int64_t warps() const { return warpsM * warpsN * warpsK; }
  int64_t threads() const { return warps() * 32; }
  /// Tiles of an m x n result.
  int64_t tiles(int64_t m, int64_t n) const {
    return (m + blockM - 1) / blockM * ((n + blockN - 1) / blockN);
  }
  /// The blocks of a launch.
  int64_t blocks(int64_t m, int64_t n) const { return tiles(m, n) * splits; }
};

/// What a launch of a kernel with splits > 1 needs beside its operands, of an m x n result: sums,
/// which need no value, and a counter (i32) of each tile, which is zero before and after.
struct Workspace {
  static int64_t sumBytesPerTile(const GemmTile &tile) {
    return tile.splits * tile.blockM * tile.blockN * 4;
  }
  static int64_t sumBytes(const GemmTile &tile, int64_t m, int64_t n) {
    return tile.tiles(m, n) * sumBytesPerTile(tile);
  }
  static int64_t counterBytes(const GemmTile &tile, int64_t m, int64_t n) {
    return tile.tiles(m, n) * 4;
  }
};

} // namespace ptq::kernels

#endif // PTQ_KERNELS_GEMMTILE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operands of wgmma: tiles of A and B, from shared memory by a matrix descriptor, or of A from
// registers.
//
// A(i) in registers, e elements in each, g = lane / 4, t = lane % 4: row 16·warp + g + 8·((i/e)&1),
// column e·t + i%e + 4e·(i/2e).
//
// Matrices in shared memory, W the bytes of the swizzle (16 for none), offsets from the start:
//   K innermost, row r, byte b of K:  none     16(r%8) + SBO(r/8) + LBO(b/16) + b%16
//                                     swizzle  W(r%8) + SBO(r/8) + b
//   M or N innermost, m, k (16 bit):  none     2(m%8) + SBO(m/8) + 16(k%8) + LBO(k/8)
//                                     swizzle  2(m%(W/2)) + LBO(m/(W/2)) + W(k%8) + SBO(k/8)
// then bits 4… of the address are xored with bits 7…, less the base offset.
//
#ifndef PTQ_LIB_EMULATOR_WGMMATILES_H
#define PTQ_LIB_EMULATOR_WGMMATILES_H

#include "Warp.h"

namespace ptq::emulator {

/// Rows of 32 bytes along K, and which of them are not defined.
struct WgmmaTile {
  static constexpr unsigned depthBytes = 32;
  uint8_t data[256][depthBytes];
  uint8_t undefined[256];
};

/// The agent of the race checker that reads for a warp's warpgroup.
inline unsigned matrixAgentOf(const Warp &warp) { return matrixAgents + warp.index / 4; }

/// Reads `rows` rows from `firstRow` on, of the matrix with that descriptor; transposed: M or N is
/// innermost.
void readTile(Warp &warp, const Instruction &instruction, uint64_t descriptor, unsigned firstRow,
              unsigned rows, bool transposed, WgmmaTile &tile);

/// A's 16 rows of a warp from four registers.
void readFragment(Warp &warp, const Instruction &instruction, const uint32_t *slots,
                  WgmmaTile &tile);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_WGMMATILES_H

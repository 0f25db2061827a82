// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WgmmaTiles.h"
#include "Bindings.h"
#include "OperandDecoder.h"

#include <cstring>

using namespace ptq::emulator;

namespace {
struct Descriptor {
  explicit Descriptor(uint64_t bits)
      : start((bits & 0x3fff) << 4), leading(((bits >> 16) & 0x3fff) << 4),
        stride(((bits >> 32) & 0x3fff) << 4), base((bits >> 49) & 7) {
    unsigned mode = bits >> 62; // 0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes
    swizzleBits = mode ? 4 - mode : 0;
  }
  unsigned width() const { return 16u << swizzleBits; }
  uint64_t place(uint64_t offset) const {
    uint64_t address = start + offset;
    uint64_t row = ((address >> 7) - base) & ((1u << swizzleBits) - 1);
    return address ^ (row << 4);
  }
  /// Of the 16 bytes that hold row `row`, byte `byte` of K.
  uint64_t alongDepth(unsigned row, unsigned byte) const {
    if (!swizzleBits)
      return place(16 * (row % 8) + stride * (row / 8) + leading * (byte / 16));
    return place(uint64_t(width()) * (row % 8) + stride * (row / 8) + byte);
  }
  /// Of rows `row` to row + 7 at depth k.
  uint64_t alongRows(unsigned row, unsigned k) const {
    if (!swizzleBits)
      return place(stride * (row / 8) + 16 * (k % 8) + leading * (k / 8));
    unsigned span = width() / 2;
    return place(2 * (row % span) + leading * (row / span) + uint64_t(width()) * (k % 8) +
                 stride * (k / 8));
  }

  uint64_t start, leading, stride, base;
  unsigned swizzleBits;
};
} // namespace

/// 16 bytes for the tensor cores; false if they are not all defined.
static bool readPiece(Warp &warp, const Instruction &instruction, uint64_t offset, uint8_t *data) {
  uint64_t address = sharedWindow + offset;
  Location location;
  std::memset(data, 0, 16);
  if (!locate(warp, instruction, 0, address, 16, AccessKind::Read, location))
    return true;
  checkRace(warp, instruction, 0, address, 16, AccessKind::Read, location, nullptr,
            matrixAgentOf(warp));
  return readBytes(warp, instruction, 0, address, location, 16, data);
}

void ptq::emulator::readTile(Warp &warp, const Instruction &instruction, uint64_t bits,
                             unsigned firstRow, unsigned rows, bool transposed, WgmmaTile &tile) {
  Descriptor descriptor(bits);
  std::memset(tile.undefined, 0, rows);
  uint64_t phase = (descriptor.start >> 7) & ((1u << descriptor.swizzleBits) - 1);
  if (descriptor.swizzleBits && phase != (descriptor.base & ((1u << descriptor.swizzleBits) - 1)))
    warp.report(Check::Misalignment, instruction, allLanes, descriptor.start,
                "a matrix descriptor starts within the swizzle's pattern, which repeats every " +
                    llvm::Twine(8 * descriptor.width()) + " bytes");
  if (!transposed) {
    for (unsigned row = 0; row != rows; ++row)
      for (unsigned byte = 0; byte != WgmmaTile::depthBytes; byte += 16)
        if (!readPiece(warp, instruction, descriptor.alongDepth(firstRow + row, byte),
                       tile.data[row] + byte))
          tile.undefined[row] = 1;
    return;
  }
  for (unsigned row = 0; row != rows; row += 8)
    for (unsigned k = 0; k != WgmmaTile::depthBytes / 2; ++k) {
      uint8_t piece[16];
      bool defined = readPiece(warp, instruction, descriptor.alongRows(firstRow + row, k), piece);
      for (unsigned index = 0; index != 8; ++index) {
        std::memcpy(tile.data[row + index] + 2 * k, piece + 2 * index, 2);
        tile.undefined[row + index] |= !defined;
      }
    }
}

void ptq::emulator::readFragment(Warp &warp, const Instruction &instruction, const uint32_t *slots,
                                 WgmmaTile &tile) {
  std::memset(tile.undefined, 0, 16);
  for (unsigned reg = 0; reg != 4; ++reg) {
    const uint32_t *values = warp.slot(slots[reg]);
    uint32_t undefined = warp.undefinedLanes(slots[reg]);
    for (unsigned lane = 0; lane != warpSize; ++lane) {
      unsigned row = (lane >> 2) + 8 * (reg & 1), byte = 4 * (lane & 3) + 16 * (reg >> 1);
      std::memcpy(tile.data[row] + byte, &values[lane], 4);
      tile.undefined[row] |= (undefined >> lane) & 1;
    }
  }
}

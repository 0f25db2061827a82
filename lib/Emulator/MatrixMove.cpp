// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ldmatrix, stmatrix, movmatrix: 8×8 matrices of 16-bit elements between shared memory and the
// registers of a warp. In registers, row r's element c is in lane 4r + c/2, half c%2.

#include "Bindings.h"

#include <cstring>

using namespace ptq::emulator;

static unsigned countOf(const Match &match) {
  return match.has(".x4") ? 4 : match.has(".x2") ? 2 : 1;
}

/// Elements of 2 bytes. Register j: 8 rows of 16 bytes, whose addresses lanes 8j to 8j + 7 give;
/// row r's element c goes to lane 4r + c/2, half c%2. Transposed: element (r, c) goes to lane 4c +
/// r/2, half r%2.
static void loadMatrix(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned count = instruction.elements;
  if (!checkAligned(warp, instruction, mask))
    return;
  uint64_t addresses[warpSize];
  uint32_t lanes = count == 4 ? allLanes : (1u << (8 * count)) - 1;
  computeAddresses(warp, instruction, count, lanes, addresses);
  auto &counters = warp.cta.tally.memory[instruction.id].shared;
  for (unsigned reg = 0; reg != count; ++reg) {
    uint16_t rows[8][8];
    uint32_t badRows = 0;
    // Eight rows are one phase; the whole is one request.
    MemoryCounters phase;
    uint64_t shifted[warpSize];
    for (unsigned row = 0; row != 8; ++row)
      shifted[row] = addresses[8 * reg + row];
    countShared(phase, shifted, 0xff, 16);
    phase.requests = reg == 0;
    counters += phase;
    for (unsigned row = 0; row != 8; ++row) {
      unsigned lane = 8 * reg + row;
      if (const uint8_t *found = instruction.space == Space::Shared
                                     ? readShared(warp, instruction, addresses[lane], 16)
                                     : nullptr) {
        std::memcpy(rows[row], found, 16);
        continue;
      }
      uint8_t data[16] = {};
      Location location;
      if (locate(warp, instruction, lane, addresses[lane], 16, AccessKind::Read, location)) {
        checkRace(warp, instruction, lane, addresses[lane], 16, AccessKind::Read, location);
        if (!readBytes(warp, instruction, lane, addresses[lane], location, 16, data))
          badRows |= 1u << row;
      }
      std::memcpy(rows[row], data, 16);
    }
    uint32_t *result = warp.slot(instruction.operands[reg]);
    uint32_t bad = 0;
    for (unsigned lane = 0; lane != warpSize; ++lane) {
      unsigned first = lane >> 2, second = 2 * (lane & 3);
      if (instruction.option) {
        result[lane] = rows[second][first] | uint32_t(rows[second + 1][first]) << 16;
        bad |= uint32_t(((badRows >> second) & 3) != 0) << lane;
      } else {
        result[lane] = rows[first][second] | uint32_t(rows[first][second + 1]) << 16;
        bad |= ((badRows >> first) & 1) << lane;
      }
    }
    warp.define(instruction.operands[reg], allLanes);
    if (bad)
      warp.taint(instruction.operands[reg], bad, instruction);
  }
}
static void bindLoadMatrix(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.instruction->elements = countOf(match);
  match.instruction->elementBytes = 16;
  match.instruction->option = match.has(".trans");
  match.set(loadMatrix);
}

/// The reverse of ldmatrix: row r of matrix j is written by lane 8j + r.
static void storeMatrix(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned count = instruction.elements;
  if (!checkAligned(warp, instruction, mask))
    return;
  uint64_t addresses[warpSize];
  uint32_t lanes = count == 4 ? allLanes : (1u << (8 * count)) - 1;
  computeAddresses(warp, instruction, 0, lanes, addresses);
  auto &counters = warp.cta.tally.memory[instruction.id].shared;
  for (unsigned reg = 0; reg != count; ++reg) {
    MemoryCounters phase;
    countShared(phase, addresses + 8 * reg, 0xff, 16);
    phase.requests = reg == 0;
    counters += phase;
    const uint32_t *source = warp.slot(instruction.operands[1 + reg]);
    uint32_t undefined = warp.undefinedLanes(instruction.operands[1 + reg]);
    uint16_t rows[8][8];
    uint32_t badRows = 0;
    for (unsigned lane = 0; lane != warpSize; ++lane)
      for (unsigned half = 0; half != 2; ++half) {
        unsigned row = lane >> 2, column = 2 * (lane & 3) + half;
        if (instruction.option)
          std::swap(row, column);
        rows[row][column] = static_cast<uint16_t>(source[lane] >> (16 * half));
        badRows |= ((undefined >> lane) & 1) << row;
      }
    for (unsigned row = 0; row != 8; ++row) {
      unsigned lane = 8 * reg + row;
      const auto *data = reinterpret_cast<const uint8_t *>(rows[row]);
      Location location;
      if (!locate(warp, instruction, lane, addresses[lane], 16, AccessKind::Write, location))
        continue;
      checkRace(warp, instruction, lane, addresses[lane], 16, AccessKind::Write, location, data);
      writeBytes(warp, instruction, lane, addresses[lane], location, 16, data,
                 !((badRows >> row) & 1));
    }
  }
}
static void bindStoreMatrix(Match &match) {
  bindLoadMatrix(match);
  match.set(storeMatrix);
}

/// The transpose of one matrix in registers.
static void moveMatrix(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  uint32_t source[warpSize], *result = warp.slot(instruction.operands[0]);
  std::memcpy(source, warp.slot(instruction.operands[1]), sizeof(source));
  uint32_t undefined = warp.undefinedLanes(instruction.operands[1]), bad = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    result[lane] = 0;
    for (unsigned half = 0; half != 2; ++half) {
      unsigned row = 2 * (lane & 3) + half, column = lane >> 2;
      unsigned from = 4 * row + column / 2;
      result[lane] |= ((source[from] >> (16 * (column & 1))) & 0xffff) << (16 * half);
      bad |= ((undefined >> from) & 1) << lane;
    }
  }
  warp.define(instruction.operands[0], allLanes);
  if (bad)
    warp.taint(instruction.operands[0], bad, instruction, 1);
}

#define LDMATRIX "Matrix: ldmatrix"
#define STMATRIX "Matrix: stmatrix"
#define SHARED "?.shared|.shared::cta"
llvm::ArrayRef<Form> ptq::emulator::matrixMoveForms() {
  static const Form forms[] = {
      {"ldmatrix .sync .aligned .m8n8 .x1 ?.trans " SHARED " .b16", "=v1:b32 mem", LDMATRIX,
       bindLoadMatrix},
      {"ldmatrix .sync .aligned .m8n8 .x2 ?.trans " SHARED " .b16", "=v2:b32 mem", LDMATRIX,
       bindLoadMatrix},
      {"ldmatrix .sync .aligned .m8n8 .x4 ?.trans " SHARED " .b16", "=v4:b32 mem", LDMATRIX,
       bindLoadMatrix},
      // The order that CUTLASS writes.
      {"ldmatrix .sync .aligned .x1 ?.trans .m8n8 " SHARED " .b16", "=v1:b32 mem", LDMATRIX,
       bindLoadMatrix},
      {"ldmatrix .sync .aligned .x2 ?.trans .m8n8 " SHARED " .b16", "=v2:b32 mem", LDMATRIX,
       bindLoadMatrix},
      {"ldmatrix .sync .aligned .x4 ?.trans .m8n8 " SHARED " .b16", "=v4:b32 mem", LDMATRIX,
       bindLoadMatrix},
      {"stmatrix .sync .aligned .m8n8 .x1 ?.trans " SHARED " .b16", "mem v1:b32", STMATRIX,
       bindStoreMatrix},
      {"stmatrix .sync .aligned .m8n8 .x2 ?.trans " SHARED " .b16", "mem v2:b32", STMATRIX,
       bindStoreMatrix},
      {"stmatrix .sync .aligned .m8n8 .x4 ?.trans " SHARED " .b16", "mem v4:b32", STMATRIX,
       bindStoreMatrix},
      {"movmatrix .sync .aligned .m8n8 .trans .b16", "=b32 b32", "Matrix: movmatrix",
       [](Match &m) { m.set(moveMatrix); }},
  };
  return forms;
}

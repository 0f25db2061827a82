// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How undefined values travel, bit by bit where an instruction moves or masks bits, and when they
// are a finding.

#include "InstructionTable.h"
#include "Machine.h"

using namespace ptq::emulator;

void Warp::taint(uint32_t slot, uint32_t lanes, const Instruction &instruction, int source) {
  undefined[slot] |= lanes;
  Frame &frame = *frames.back();
  if (!frame.undefinedBits.empty())
    for (unsigned lane = 0; lane != warpSize; ++lane)
      if ((lanes >> lane) & 1)
        frame.undefinedBits[size_t(slot) * warpSize + lane] = 0;
  auto &origins = frame.origins;
  const Instruction *origin = source >= 0 ? origins[instruction.operands[source]] : nullptr;
  origins[slot] = origin ? origin : &instruction;
}

void Warp::setUndefinedBits(uint32_t slot, unsigned lane, uint64_t bits,
                            const Instruction &instruction, int source) {
  if (!bits)
    return define(slot, 1u << lane);
  taint(slot, 1u << lane, instruction, source);
  auto &some = frames.back()->undefinedBits;
  if (some.empty() && ~bits)
    some.resize(frames.back()->undefined.size() * warpSize);
  if (!some.empty())
    some[size_t(slot) * warpSize + lane] = bits;
}

static uint64_t lowBits(unsigned count) {
  return count >= 64 ? ~uint64_t(0) : (uint64_t(1) << count) - 1;
}

/// `mask` with what a sign bit that is undefined makes undefined above it.
static uint64_t extendSign(uint64_t mask, unsigned bits) {
  mask &= lowBits(bits);
  return (mask >> (bits - 1)) & 1 ? mask | ~lowBits(bits) : mask;
}

namespace {
/// A lane's sources: values, undefined bits, and whether the value is still what it was (the result
/// may have replaced it).
struct Sources {
  uint64_t values[4] = {}, undefined[4] = {};
  bool known[4] = {};
  unsigned count = 0;

  bool isExact(unsigned index) const { return known[index] && !undefined[index]; }
};
} // namespace

/// A bit is undefined if the undefined bits of the sources can make it 0 and 1.
static uint64_t logicFlow(const Sources &sources, uint32_t table) {
  uint64_t canBe[2] = {0, 0}, any = 0;
  for (unsigned row = 0; row != 8; ++row) {
    uint64_t possible = ~uint64_t(0);
    for (unsigned index = 0; index != sources.count; ++index) {
      uint64_t free = sources.known[index] ? sources.undefined[index] : ~uint64_t(0);
      uint64_t value = sources.values[index];
      possible &= free | (row & (4 >> index) ? value : ~value);
    }
    canBe[(table >> row) & 1] |= possible;
  }
  for (unsigned index = 0; index != sources.count; ++index)
    any |= sources.undefined[index];
  return canBe[0] & canBe[1] & any;
}

static uint64_t flowBits(const Instruction &instruction, const Sources &sources) {
  uint64_t any = 0;
  for (unsigned index = 0; index != sources.count; ++index)
    any |= sources.undefined[index];
  const uint64_t all = any ? ~uint64_t(0) : 0, first = sources.undefined[0];
  unsigned width = typeBits(instruction.bitFlowType);
  switch (instruction.bitFlow) {
  case BitFlow::Whole:
    return all;
  case BitFlow::Upward:
    any &= lowBits(width);
    return any ? 0 - (any & (0 - any)) : 0;
  case BitFlow::Move:
    return any;
  case BitFlow::Logic:
    return logicFlow(sources, instruction.bitFlowOption);
  case BitFlow::Halves:
    return (any & 0xffff ? 0xffff : 0) | (any & 0xffff0000 ? 0xffff0000 : 0);
  case BitFlow::Join:
    return (first ? 0xffff0000 : 0) | (sources.undefined[1] ? 0xffff : 0);
  case BitFlow::ShiftLeft:
  case BitFlow::ShiftRight: {
    if (!sources.isExact(1))
      return all;
    uint64_t by = static_cast<uint32_t>(sources.values[1]);
    if (instruction.bitFlow == BitFlow::ShiftLeft)
      return by >= width ? 0 : (first << by) & lowBits(width);
    if (!isSigned(instruction.bitFlowType))
      return by >= width ? 0 : (first & lowBits(width)) >> by;
    auto extended = static_cast<int64_t>(extendSign(first, width));
    return static_cast<uint64_t>(extended >> std::min<uint64_t>(by, width - 1)) & lowBits(width);
  }
  case BitFlow::Field: {
    if (!sources.isExact(1) || !sources.isExact(2))
      return all;
    uint64_t begin = sources.values[1] & 255, length = sources.values[2] & 255;
    if (length == 0 || begin >= width)
      return isSigned(instruction.bitFlowType) && length ? all : 0;
    uint64_t field = ((first & lowBits(width)) >> begin) & lowBits(length);
    return isSigned(instruction.bitFlowType) && field ? all : field;
  }
  case BitFlow::Permute: {
    if (!sources.isExact(2))
      return all;
    uint64_t bytes = (first & lowBits(32)) | sources.undefined[1] << 32, result = 0;
    for (unsigned index = 0; index != 4; ++index) {
      uint64_t select = (sources.values[2] >> (4 * index)) & 15;
      uint64_t byte = (bytes >> (8 * (select & 7))) & 255;
      result |= (select & 8 ? (byte & 128 ? 255 : 0) : byte) << (8 * index);
    }
    return result;
  }
  case BitFlow::Extend: {
    uint64_t source = first & lowBits(instruction.bitFlowOption & 127);
    if (instruction.bitFlowOption & 128)
      source = extendSign(first, instruction.bitFlowOption & 127);
    return isSigned(instruction.bitFlowType) ? extendSign(source, width) : source & lowBits(width);
  }
  }
  return all;
}

void Warp::flowSlow(const Instruction &instruction, uint32_t mask, unsigned results,
                    unsigned count) {
  uint32_t bad = 0;
  int source = -1;
  for (unsigned index = results; index != results + count; ++index) {
    uint32_t lanes = undefined[instruction.operands[index]] & mask;
    if (lanes && source < 0)
      source = index;
    bad |= lanes;
  }
  bool exact = results == 1 && count <= 4 && instruction.bitFlow != BitFlow::Whole;
  if (!exact) {
    for (unsigned index = 0; index != results; ++index) {
      undefined[instruction.operands[index]] &= ~mask;
      if (bad)
        taint(instruction.operands[index], bad, instruction, source);
    }
    return;
  }
  uint32_t destination = instruction.operands[0];
  uint64_t bits[warpSize] = {};
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((bad >> lane) & 1))
      continue;
    Sources sources;
    // lop3's table is no source.
    sources.count = instruction.bitFlow == BitFlow::Logic ? std::min(count, 3u) : count;
    for (unsigned index = 0; index != sources.count; ++index) {
      uint32_t slot = instruction.operands[results + index];
      bool wide = typeBits(instruction.bitFlowType) > 32 && instruction.bitFlow <= BitFlow::Logic;
      sources.values[index] =
          wide ? reinterpret_cast<uint64_t *>(this->slot(slot))[lane] : this->slot(slot)[lane];
      sources.known[index] = slot != destination;
      sources.undefined[index] = undefinedBits(slot, lane);
    }
    bits[lane] = flowBits(instruction, sources);
  }
  const Instruction *origin = frames.back()->origins[instruction.operands[source]];
  undefined[destination] &= ~mask;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if (bits[lane]) {
      setUndefinedBits(destination, lane, bits[lane], instruction);
      frames.back()->origins[destination] = origin ? origin : &instruction;
    }
}

/// By opcode: the flows that the table's handlers leave to Warp::flow.
void ptq::emulator::setBitFlow(const Match &match) {
  Instruction &instruction = *match.instruction;
  llvm::StringRef opcode = match.statement->opcode;
  if (match.types.empty())
    return;
  Type type = match.types[0];
  instruction.bitFlowType = type;
  auto set = [&](BitFlow flow, uint8_t option = 0) {
    instruction.bitFlow = flow;
    instruction.bitFlowOption = option;
  };
  bool packed = type == Type::F16x2 || type == Type::BF16x2;
  if (type == Type::Pred)
    return;
  if (opcode == "mov" || opcode == "not")
    set(BitFlow::Move);
  else if (opcode == "and")
    set(BitFlow::Logic, 0xc0);
  else if (opcode == "or")
    set(BitFlow::Logic, 0xfc);
  else if (opcode == "xor")
    set(BitFlow::Logic, 0x3c);
  else if (opcode == "lop3" && match.statement->operands.size() == 5)
    set(BitFlow::Logic, static_cast<uint8_t>(match.statement->operands[4].value));
  else if (opcode == "shl")
    set(BitFlow::ShiftLeft);
  else if (opcode == "shr")
    set(BitFlow::ShiftRight);
  else if (opcode == "bfe")
    set(BitFlow::Field);
  else if (opcode == "prmt" && match.numModifiers() == 1)
    set(BitFlow::Permute);
  else if (opcode == "cvt" && match.types.size() == 2 && packed && match.type(1) == Type::F32)
    set(BitFlow::Join);
  else if (opcode == "cvt" && match.types.size() == 2 && isInteger(type) &&
           isInteger(match.type(1)) && !match.has(".sat"))
    set(BitFlow::Extend,
        static_cast<uint8_t>(typeBits(match.type(1)) | (isSigned(match.type(1)) ? 128 : 0)));
  else if (packed && opcode != "cvt")
    set(BitFlow::Halves);
  else if (isInteger(type) && !match.has(".sat") && !match.has(".hi") && !match.has(".wide") &&
           !match.has(".cc") &&
           (opcode == "add" || opcode == "sub" || opcode == "mul" || opcode == "mad"))
    set(BitFlow::Upward);
}

void Warp::reportUndefined(const Instruction &instruction, uint32_t slot, uint32_t mask,
                           const char *use) {
  uint32_t lanes = undefined[slot] & mask;
  const Instruction *origin = frames.back()->origins[slot];
  // The instruction that read what was never written; this one, if the register itself never was.
  const Instruction &at = origin ? *origin : instruction;
  undefined[slot] &= ~lanes;
  if (origin && origin != &instruction)
    report(Check::Uninitialised, at, lanes, 0,
           llvm::Twine("an undefined value, read here, ") + use + " at line " +
               llvm::Twine(instruction.line));
  else
    report(Check::Uninitialised, at, lanes, 0,
           llvm::Twine("a register that was never written ") + use);
}

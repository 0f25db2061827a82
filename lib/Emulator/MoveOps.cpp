// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mov, with its packing and unpacking of vectors, cvta and isspacep.

#include "Bindings.h"
#include "Lanes.h"
#include "OperandDecoder.h"

using namespace ptq::emulator;

/// A copy does not make an undefined value a finding, nor a new one.
template <class T> static void move(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto *result = reinterpret_cast<T *>(warp.slot(instruction.operands[0]));
  auto *source = reinterpret_cast<T *>(warp.slot(instruction.operands[1]));
  if (mask == allLanes)
    std::memcpy(result, source, sizeof(T) * warpSize);
  else
    for (unsigned lane = 0; lane != warpSize; ++lane)
      result[lane] = (mask >> lane) & 1 ? source[lane] : result[lane];
  warp.flow<1>(instruction, mask);
}
static void movePredicate(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.setPredicate(instruction.operands[0], warp.predicate(instruction.operands[1]), mask);
  warp.flow<1>(instruction, mask);
}
/// %clock and the like: the number of instructions is not known here; it only has to grow.
static void moveClock(Warp &warp, const Instruction &instruction, uint32_t mask) {
  static std::atomic<uint64_t> ticks{0};
  uint64_t now = ticks.fetch_add(4, std::memory_order_relaxed);
  auto reg = static_cast<SpecialRegister>(instruction.option);
  bool wide = reg == SpecialRegister::Clock64 || reg == SpecialRegister::GlobalTimer;
  if (reg == SpecialRegister::ClockHigh)
    now >>= 32;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1) {
      if (wide)
        warp.wideSlot(instruction.operands[0])[lane] = now;
      else
        warp.slot(instruction.operands[0])[lane] = static_cast<uint32_t>(now);
    }
  warp.define(instruction.operands[0], mask);
}
static void moveAny(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (__builtin_expect(instruction.option != 0, 0))
    return moveClock(warp, instruction, mask);
  if (instruction.elementBytes == 8)
    move<uint64_t>(warp, instruction, mask);
  else
    move<uint32_t>(warp, instruction, mask);
}

/// mov.b64 d, {a, b}: elements joined, the first lowest. `elements` sources.
static void pack(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned count = instruction.elements, width = instruction.elementBytes * 8;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t value = 0;
    for (unsigned index = 0; index != count; ++index)
      value |= uint64_t(warp.slot(instruction.operands[1 + index])[lane]) << (index * width);
    if (count * width == 64)
      warp.wideSlot(instruction.operands[0])[lane] = value;
    else
      warp.slot(instruction.operands[0])[lane] = static_cast<uint32_t>(value);
  }
  uint32_t bad = 0;
  for (unsigned index = 0; index != count; ++index)
    bad |= warp.undefinedLanes(instruction.operands[1 + index]) & mask;
  if (!bad)
    return warp.define(instruction.operands[0], mask);
  uint64_t bits[warpSize] = {};
  int source = 1;
  for (unsigned index = count; index-- != 0;) {
    uint32_t lanes = warp.undefinedLanes(instruction.operands[1 + index]) & mask;
    if (lanes)
      source = 1 + index;
    for (; lanes; lanes &= lanes - 1) {
      unsigned lane = __builtin_ctz(lanes);
      bits[lane] |=
          (warp.undefinedBits(instruction.operands[1 + index], lane) & ((uint64_t(1) << width) - 1))
          << (index * width);
    }
  }
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.setUndefinedBits(instruction.operands[0], lane, bits[lane], instruction, source);
}
static void unpack(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned count = instruction.elements, bits = instruction.elementBytes * 8;
  uint32_t source = instruction.operands[count];
  uint32_t keep = bits == 32 ? ~0u : (1u << bits) - 1;
  uint32_t bad = warp.undefinedLanes(source) & mask;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t value = count * bits == 64 ? warp.wideSlot(source)[lane] : warp.slot(source)[lane];
    for (unsigned index = 0; index != count; ++index)
      warp.slot(instruction.operands[index])[lane] = uint32_t(value >> (index * bits)) & keep;
  }
  uint64_t undefined[warpSize];
  for (uint32_t lanes = bad; lanes; lanes &= lanes - 1)
    undefined[__builtin_ctz(lanes)] = warp.undefinedBits(source, __builtin_ctz(lanes));
  for (unsigned index = 0; index != count; ++index) {
    warp.define(instruction.operands[index], mask);
    for (uint32_t lanes = bad; lanes; lanes &= lanes - 1) {
      unsigned lane = __builtin_ctz(lanes);
      warp.setUndefinedBits(instruction.operands[index], lane,
                            (undefined[lane] >> (index * bits)) & keep, instruction, count);
    }
  }
}

/// Element by element; a source may be a destination too. `elements`: how many.
template <class T>
static void moveVector(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned count = instruction.elements;
  T sources[4][warpSize];
  uint32_t undefined[4];
  uint64_t bits[4][warpSize];
  for (unsigned index = 0; index != count; ++index) {
    uint32_t slot = instruction.operands[count + index];
    std::memcpy(sources[index], warp.slot(slot), sizeof(sources[index]));
    undefined[index] = warp.undefinedLanes(slot) & mask;
    for (uint32_t lanes = undefined[index]; lanes; lanes &= lanes - 1)
      bits[index][__builtin_ctz(lanes)] = warp.undefinedBits(slot, __builtin_ctz(lanes));
  }
  for (unsigned index = 0; index != count; ++index) {
    uint32_t slot = instruction.operands[index];
    auto *result = reinterpret_cast<T *>(warp.slot(slot));
    for (unsigned lane = 0; lane != warpSize; ++lane)
      result[lane] = (mask >> lane) & 1 ? sources[index][lane] : result[lane];
    warp.define(slot, mask);
    for (uint32_t lanes = undefined[index]; lanes; lanes &= lanes - 1)
      warp.setUndefinedBits(slot, __builtin_ctz(lanes), bits[index][__builtin_ctz(lanes)],
                            instruction, count + index);
  }
}
static void bindMoveVector(Match &match) {
  match.instruction->elements = match.has(".v2") ? 2 : 4;
  match.set(typeBits(match.type(0)) == 64 ? moveVector<uint64_t> : moveVector<uint32_t>);
}

/// The form with braces has the same modifiers as the plain one: which it is, the operands say.
static void bindMove(Match &match) {
  Type type = match.type(0);
  const auto &operands = match.statement->operands;
  Instruction &instruction = *match.instruction;
  for (unsigned index = 0; index != operands.size() && index != 2; ++index) {
    if (operands[index].kind != Operand::Vector)
      continue;
    unsigned count = operands[index].elements.size();
    unsigned bytes = count ? typeBytes(type) / count : 0;
    bool known = isUntyped(type) && (count == 2 || count == 4) && bytes >= 2;
    if (!known)
      return;
    static const Form packs[] = {
        {"", "=b32 v2:b16", "", nullptr}, {"", "=b64 v2:b32", "", nullptr},
        {"", "=b64 v4:b16", "", nullptr}, {"", "=v2:b16 b32", "", nullptr},
        {"", "=v2:b32 b64", "", nullptr}, {"", "=v4:b16 b64", "", nullptr}};
    match.form = &packs[(index ? 0 : 3) + (type == Type::B32 ? 0 : count == 2 ? 1 : 2)];
    instruction.elements = count;
    instruction.elementBytes = bytes;
    return match.set(index ? pack : unpack, type);
  }
  instruction.elementBytes = typeBits(type) == 64 ? 8 : 4;
  match.set(type == Type::Pred ? movePredicate : moveAny, type);
}

/// cvta: to generic, the window's address is added; from it, subtracted. Global and constant are
/// generic already.
static void convertAddress(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint64_t *source = warp.wideSlot(instruction.operands[1]);
  uint64_t *result = warp.wideSlot(instruction.operands[0]);
  uint64_t window = instruction.space == Space::Shared  ? sharedWindow
                    : instruction.space == Space::Local ? localWindow
                    : instruction.space == Space::Param ? parameterWindow
                                                        : 0;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      result[lane] = instruction.option ? source[lane] - window : source[lane] + window;
  warp.flow<1>(instruction, mask);
}
static void bindCvta(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.instruction->option = match.has(".to");
  match.set(convertAddress);
}
static void isSpace(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint64_t *source = warp.wideSlot(instruction.operands[1]);
  uint32_t result = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    uint64_t address = source[lane];
    bool shared = address - sharedWindow < windowBytes, local = address - localWindow < windowBytes,
         param = address - parameterWindow < windowBytes;
    const Buffer *buffer = warp.cta.machine.memory.find(address);
    bool constant = buffer && buffer->readOnly;
    bool yes = instruction.space == Space::Shared  ? shared
               : instruction.space == Space::Local ? local
               : instruction.space == Space::Param ? param
               : instruction.space == Space::Const ? constant
                                                   : !shared && !local && !param && !constant;
    result |= uint32_t(yes) << lane;
  }
  warp.setPredicate(instruction.operands[0], result, mask);
  warp.flow<1>(instruction, mask);
}
llvm::ArrayRef<Form> ptq::emulator::moveForms() {
  static const Form forms[] = {
      {"mov .pred|.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64", "=0 any",
       "Data Movement: mov", bindMove},
      {"mov .v2 .b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64", "=v2:0 v2:0",
       "Data Movement: mov", bindMoveVector},
      {"mov .v4 .b16|.b32|.u16|.u32|.s16|.s32|.f32", "=v4:0 v4:0", "Data Movement: mov",
       bindMoveVector},
      {"cvta ?.to .global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry "
       ".u64",
       "=u64 any", "Data Movement: cvta", bindCvta},
      {"isspacep .global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry",
       "=pred b64", "Data Movement: isspacep",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.set(isSpace);
       }},
  };
  return forms;
}

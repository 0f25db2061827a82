// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ld, st, mov, cvta and their like.

#include "Bindings.h"
#include "Lanes.h"
#include "OperandDecoder.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;

//===- Ordered accesses
//---------------------------------------------------------------------------===//

/// Knowledge passed through a location by strong accesses.
static void synchronize(Warp &warp, const Instruction &instruction, uint32_t mask,
                        const uint64_t *addresses, bool reads, bool writes) {
  Cta &cta = warp.cta;
  if (!cta.machine.checksRaces())
    return;
  Ordering ordering = instruction.ordering;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    bool shared = addresses[lane] - sharedWindow < windowBytes;
    if (!shared && !cta.machine.program.synchronizesAcrossCtas)
      continue;
    auto &released = shared ? cta.released : cta.machine.released;
    if (reads) {
      auto found = released.find(addresses[lane]);
      if (found != released.end())
        cta.clocks.acquire(warp.index, found->second);
    }
    if (!writes)
      continue;
    if (ordering == Ordering::Release || ordering == Ordering::AcquireRelease)
      released[addresses[lane]].join(cta.clocks.release(warp.index));
    else if (const auto &fenced = cta.clocks.fenced[warp.index])
      released[addresses[lane]].join(*fenced);
  }
}

void ptq::emulator::synchronizeAtomic(Warp &warp, const Instruction &instruction, uint32_t mask,
                                      const uint64_t *addresses) {
  synchronize(warp, instruction, mask, addresses, true, true);
}

//===- ld and st
//----------------------------------------------------------------------------------===//

/// A loaded element, extended to its register's width.
static void setElement(Warp &warp, const Instruction &instruction, uint32_t slot, unsigned lane,
                       const uint8_t *data) {
  uint64_t raw = 0;
  std::memcpy(&raw, data, instruction.elementBytes);
  if (isSigned(instruction.type)) {
    unsigned shift = 64 - instruction.elementBytes * 8;
    raw = static_cast<uint64_t>(static_cast<int64_t>(raw << shift) >> shift);
  }
  if (instruction.registerBytes == 8)
    warp.wideSlot(slot)[lane] = raw;
  else if (instruction.registerBytes == 2)
    warp.slot(slot)[lane] = static_cast<uint16_t>(raw);
  else
    warp.slot(slot)[lane] = static_cast<uint32_t>(raw);
}

static void load(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned elements = instruction.elements, bytes = elements * instruction.elementBytes;
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, elements, mask, addresses);
  countRequest(warp, instruction, addresses, mask, bytes);
  bool strong = instruction.ordering != Ordering::Weak;
  if (strong)
    synchronize(warp, instruction, mask, addresses, true, false);
  uint32_t bad = 0;
  bool fast = instruction.space == Space::Shared && bytes % 4 == 0 && !strong;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    if (const uint8_t *found =
            fast ? readShared(warp, instruction, addresses[lane], bytes) : nullptr) {
      if (bytes == 4 && instruction.registerBytes == 4)
        std::memcpy(warp.slot(instruction.operands[0]) + lane, found, 4);
      else
        for (unsigned index = 0; index != elements; ++index)
          setElement(warp, instruction, instruction.operands[index], lane,
                     found + index * instruction.elementBytes);
      continue;
    }
    uint8_t data[32] = {};
    Location location;
    if (locate(warp, instruction, lane, addresses[lane], bytes, AccessKind::Read, location)) {
      checkRace(warp, instruction, lane, addresses[lane], bytes, AccessKind::Read, location);
      if (!readBytes(warp, instruction, lane, addresses[lane], location, bytes, data))
        bad |= 1u << lane;
    }
    for (unsigned index = 0; index != elements; ++index)
      setElement(warp, instruction, instruction.operands[index], lane,
                 data + index * instruction.elementBytes);
  }
  for (unsigned index = 0; index != elements; ++index) {
    warp.define(instruction.operands[index], mask);
    if (bad)
      warp.taint(instruction.operands[index], bad, instruction);
  }
}

static void store(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned elements = instruction.elements, bytes = elements * instruction.elementBytes;
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 0, mask, addresses);
  countRequest(warp, instruction, addresses, mask, bytes);
  uint32_t bad = 0;
  bool global =
      mask &&
      (instruction.space == Space::Global ||
       (instruction.space == Space::Generic && addresses[__builtin_ctz(mask)] < parameterWindow));
  for (unsigned index = 0; index != elements; ++index) {
    if (global)
      warp.requireDefined(instruction, instruction.operands[1 + index], mask,
                          "is stored to global memory");
    bad |= warp.undefinedLanes(instruction.operands[1 + index]);
  }
  if (instruction.ordering != Ordering::Weak)
    synchronize(warp, instruction, mask, addresses, false, true);
  bool fast = instruction.space == Space::Shared && bytes % 4 == 0 &&
              instruction.ordering == Ordering::Weak;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint8_t data[32];
    for (unsigned index = 0; index != elements; ++index) {
      uint32_t slot = instruction.operands[1 + index];
      uint64_t raw =
          instruction.sourceBytes == 8 ? warp.wideSlot(slot)[lane] : warp.slot(slot)[lane];
      std::memcpy(data + index * instruction.elementBytes, &raw, instruction.elementBytes);
    }
    if (fast && !((bad >> lane) & 1) &&
        writeShared(warp, instruction, addresses[lane], bytes, data))
      continue;
    Location location;
    if (!locate(warp, instruction, lane, addresses[lane], bytes, AccessKind::Write, location))
      continue;
    checkRace(warp, instruction, lane, addresses[lane], bytes, AccessKind::Write, location, data);
    writeBytes(warp, instruction, lane, addresses[lane], location, bytes, data,
               !((bad >> lane) & 1));
  }
}

Space ptq::emulator::spaceOfMatch(const Match &match) {
  for (llvm::StringRef modifier : match.modifiers) {
    auto space = llvm::StringSwitch<Space>(modifier)
                     .Case(".global", Space::Global)
                     .Cases({".shared", ".shared::cta", ".shared::cluster"}, Space::Shared)
                     .Case(".local", Space::Local)
                     .Cases({".param", ".param::entry", ".param::func"}, Space::Param)
                     .Case(".const", Space::Const)
                     .Default(Space::Register);
    if (space != Space::Register)
      return space;
  }
  return Space::Generic;
}

Ordering ptq::emulator::orderingOf(const Match &match) {
  if (match.has(".acq_rel"))
    return Ordering::AcquireRelease;
  if (match.has(".acquire"))
    return Ordering::Acquire;
  if (match.has(".release"))
    return Ordering::Release;
  if (match.has(".relaxed") || match.has(".volatile") || match.has(".mmio"))
    return Ordering::Relaxed;
  return Ordering::Weak;
}

template <bool Load> static void bindAccess(Match &match) {
  Instruction &instruction = *match.instruction;
  Type type = match.types.back();
  instruction.space = spaceOfMatch(match);
  instruction.ordering = orderingOf(match);
  instruction.elements = match.vectorLanes();
  instruction.elementBytes = typeBytes(type);
  if (instruction.elements * instruction.elementBytes > 32)
    return;
  match.set(Load ? load : store, type);
}

//===- mov, cvta
//----------------------------------------------------------------------------------===//

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
  bool wide = static_cast<SpecialRegister>(instruction.option) != SpecialRegister::Clock;
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
  unsigned count = instruction.elements, bits = instruction.elementBytes * 8;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t value = 0;
    for (unsigned index = 0; index != count; ++index)
      value |= uint64_t(warp.slot(instruction.operands[1 + index])[lane]) << (index * bits);
    if (count * bits == 64)
      warp.wideSlot(instruction.operands[0])[lane] = value;
    else
      warp.slot(instruction.operands[0])[lane] = static_cast<uint32_t>(value);
  }
  // A register is undefined as a whole; half of it is enough to make it so only if no half is
  // defined: compilers build pairs of which they use one half.
  uint32_t bad = mask;
  for (unsigned index = 0; index != count; ++index)
    bad &= warp.undefinedLanes(instruction.operands[1 + index]);
  warp.define(instruction.operands[0], mask);
  if (bad)
    warp.taint(instruction.operands[0], bad, instruction, 1);
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
  for (unsigned index = 0; index != count; ++index) {
    warp.define(instruction.operands[index], mask);
    if (bad)
      warp.taint(instruction.operands[index], bad, instruction, count);
  }
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
static void nothing(Warp &, const Instruction &, uint32_t) {}

#define CACHE "?.ca|.cg|.cs|.lu|.cv"
#define STORE_CACHE "?.wb|.cg|.cs|.wt"
#define EVICT                                                                                      \
  "?.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate "     \
  "?.L2::evict_normal|.L2::evict_first|.L2::evict_last ?.L2::cache_hint "                          \
  "?.L2::64B|.L2::128B|.L2::256B"
#define SPACES                                                                                     \
  "?.global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry|.param::func"
#define STORE_SPACES "?.global|.shared|.shared::cta|.shared::cluster|.local|.param|.param::func"
#define VALUES ".b8|.b16|.b32|.b64|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64"
#define SCOPE ".cta|.cluster|.gpu|.sys"
llvm::ArrayRef<Form> ptq::emulator::memoryForms() {
  static const Form forms[] = {
      {"ld ?.weak " SPACES " " CACHE " " EVICT " ?.v2|.v4|.v8 " VALUES, "=~v0 mem ?b64",
       "Data Movement: ld", bindAccess<true>},
      {"ld .volatile " SPACES " ?.L2::64B|.L2::128B|.L2::256B ?.v2|.v4 " VALUES, "=~v0 mem",
       "Data Movement: ld", bindAccess<true>},
      {"ld .relaxed|.acquire " SCOPE " " SPACES " " EVICT " ?.v2|.v4 " VALUES, "=~v0 mem ?b64",
       "Data Movement: ld", bindAccess<true>},
      // LLVM and nvcc write .acquire and its scope behind the space in inline assembly of old.
      {"ld " SPACES " .relaxed|.acquire " SCOPE " ?.v2|.v4 " VALUES, "=~v0 mem",
       "Data Movement: ld", bindAccess<true>},
      {"ld .global ?.ca|.cg|.cs .nc " EVICT " ?.v2|.v4|.v8 " VALUES, "=~v0 mem ?b64",
       "Data Movement: ld.global.nc", bindAccess<true>},
      {"ldu ?.global ?.v2|.v4 " VALUES, "=~v0 mem", "Data Movement: ldu", bindAccess<true>},
      {"st ?.weak " STORE_SPACES " " STORE_CACHE " " EVICT " ?.v2|.v4|.v8 " VALUES, "mem ~v0 ?b64",
       "Data Movement: st", bindAccess<false>},
      {"st .volatile " STORE_SPACES " ?.v2|.v4 " VALUES, "mem ~v0", "Data Movement: st",
       bindAccess<false>},
      {"st .relaxed|.release " SCOPE " " STORE_SPACES " " EVICT " ?.v2|.v4 " VALUES, "mem ~v0 ?b64",
       "Data Movement: st", bindAccess<false>},
      {"st " STORE_SPACES " .relaxed|.release " SCOPE " ?.v2|.v4 " VALUES, "mem ~v0",
       "Data Movement: st", bindAccess<false>},
      {"mov .pred|.b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64|.f32|.f64", "=0 any",
       "Data Movement: mov", bindMove},
      {"cvta ?.to .global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry "
       ".u64",
       "=u64 any", "Data Movement: cvta", bindCvta},
      {"isspacep .global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry",
       "=pred b64", "Data Movement: isspacep",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.set(isSpace);
       }},
      {"prefetch ?.global|.local .L1|.L2", "mem", "Data Movement: prefetch",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.set(nothing);
       }},
      {"prefetch .global .L2::evict_last|.L2::evict_normal", "mem", "Data Movement: prefetch",
       [](Match &m) {
         m.instruction->space = Space::Global;
         m.set(nothing);
       }},
  };
  return forms;
}

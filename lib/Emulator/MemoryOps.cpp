// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ld, st and hints for caches.

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

/// Bytes that are undefined, a bit each.
static uint32_t undefinedBytes(const Location &location, unsigned bytes) {
  uint32_t result = 0;
  for (unsigned index = 0; index != bytes; ++index)
    result |= uint32_t(location.state[index] == static_cast<uint8_t>(ByteState::Undefined))
              << index;
  return result;
}
/// A bit for each byte, widened to all eight.
static uint64_t widenToBits(uint32_t bytes) {
  uint64_t result = 0;
  for (unsigned index = 0; index != 8; ++index)
    result |= (bytes >> index) & 1 ? uint64_t(0xff) << (8 * index) : 0;
  return result;
}
/// Bytes of lane's stored elements with an undefined bit in them, a bit each.
static uint32_t undefinedStored(Warp &warp, const Instruction &instruction, unsigned lane) {
  uint32_t result = 0;
  for (unsigned index = 0; index != instruction.elements; ++index) {
    uint64_t bits = warp.undefinedBits(instruction.operands[1 + index], lane);
    for (unsigned byte = 0; byte != instruction.elementBytes; ++byte)
      result |= uint32_t(((bits >> (8 * byte)) & 0xff) != 0)
                << (index * instruction.elementBytes + byte);
  }
  return result;
}

static void load(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned elements = instruction.elements, bytes = elements * instruction.elementBytes;
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, elements, mask, addresses);
  countRequest(warp, instruction, addresses, mask, bytes);
  bool strong = instruction.ordering != Ordering::Weak;
  if (strong)
    synchronize(warp, instruction, mask, addresses, true, false);
  uint32_t bad = 0, badBytes[warpSize];
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
      if (!readBytes(warp, instruction, lane, addresses[lane], location, bytes, data)) {
        bad |= 1u << lane;
        badBytes[lane] = undefinedBytes(location, bytes);
      }
    }
    for (unsigned index = 0; index != elements; ++index)
      setElement(warp, instruction, instruction.operands[index], lane,
                 data + index * instruction.elementBytes);
  }
  for (unsigned index = 0; index != elements; ++index) {
    warp.define(instruction.operands[index], mask);
    for (uint32_t lanes = bad; lanes; lanes &= lanes - 1) {
      unsigned lane = __builtin_ctz(lanes), size = instruction.elementBytes;
      uint32_t some = (badBytes[lane] >> (index * size)) & ((1u << size) - 1);
      uint64_t bits = widenToBits(some);
      if (isSigned(instruction.type) && size < 8 && (some >> (size - 1)) & 1)
        bits |= ~uint64_t(0) << (8 * size);
      warp.setUndefinedBits(instruction.operands[index], lane, bits, instruction);
    }
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
    bad |= warp.undefinedLanes(instruction.operands[1 + index]) & mask;
  }
  // Undefined bits that are not stored do not matter.
  for (uint32_t lanes = bad; lanes; lanes &= lanes - 1) {
    unsigned lane = __builtin_ctz(lanes);
    uint32_t bytesOfLane = undefinedStored(warp, instruction, lane);
    if (!bytesOfLane)
      bad &= ~(1u << lane);
    for (unsigned index = 0; global && index != elements; ++index)
      if ((bytesOfLane >> (index * instruction.elementBytes)) &
          ((1u << instruction.elementBytes) - 1))
        warp.requireDefined(instruction, instruction.operands[1 + index], 1u << lane,
                            "is stored to global memory");
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
    writeBytes(warp, instruction, lane, addresses[lane], location, bytes, data, true);
    if ((bad >> lane) & 1 && location.state) {
      uint32_t which = undefinedStored(warp, instruction, lane);
      for (unsigned index = 0; index != bytes; ++index)
        if ((which >> index) & 1)
          location.state[index] = static_cast<uint8_t>(ByteState::Undefined);
    }
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

static bool isCacheOperator(llvm::StringRef modifier) {
  return llvm::StringSwitch<bool>(modifier)
      .Cases({".ca", ".cg", ".cs", ".lu", ".cv", ".wb", ".wt"}, true)
      .Default(false);
}

template <bool Load> static void bindAccess(Match &match) {
  Instruction &instruction = *match.instruction;
  Type type = match.types.back();
  instruction.space = spaceOfMatch(match);
  instruction.ordering = orderingOf(match);
  instruction.elements = match.vectorLanes();
  instruction.elementBytes = typeBytes(type);
  // 256 bits at once only between registers and global memory (sm_100).
  unsigned bytes = instruction.elements * instruction.elementBytes;
  bool plain = match.statement->opcode != "ldu" && llvm::none_of(match.modifiers, isCacheOperator);
  if (bytes > 32 || (bytes > 16 && (!plain || (instruction.space != Space::Global &&
                                               instruction.space != Space::Generic))))
    return;
  match.set(Load ? load : store, type);
}

/// What only concerns caches.
static void nothing(Warp &, const Instruction &, uint32_t) {}
static void bindHint(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.set(nothing);
}

#define CACHE "?.ca|.cg|.cs|.lu|.cv"
#define STORE_CACHE "?.wb|.cg|.cs|.wt"
#define EVICT_L1                                                                                   \
  "?.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate"
#define EVICT_L2 "?.L2::evict_normal|.L2::evict_first|.L2::evict_last"
#define PREFETCH "?.L2::64B|.L2::128B|.L2::256B"
#define SPACES                                                                                     \
  "?.global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry|.param::func"
#define STORE_SPACES "?.global|.shared|.shared::cta|.shared::cluster|.local|.param|.param::func"
#define STRONG_SPACES "?.global|.shared|.shared::cta|.shared::cluster"
#define VALUES ".b8|.b16|.b32|.b64|.u8|.u16|.u32|.u64|.s8|.s16|.s32|.s64|.f32|.f64"
#define SCOPE ".cta|.cluster|.gpu|.sys"
llvm::ArrayRef<Form> ptq::emulator::memoryForms() {
  static const Form forms[] = {
      {"ld ?.weak " SPACES " " CACHE " ?.v2|.v4|.v8 " VALUES, "=~v0 mem", "Data Movement: ld",
       bindAccess<true>},
      {"ld ?.weak ?.global " CACHE " ?.L2::cache_hint " PREFETCH " ?.v2|.v4 " VALUES,
       "=~v0 mem ?hint", "Data Movement: ld", bindAccess<true>},
      {"ld ?.weak ?.global " EVICT_L1 " ?.L2::cache_hint " PREFETCH " ?.v2|.v4 " VALUES,
       "=~v0 mem ?hint", "Data Movement: ld", bindAccess<true>},
      {"ld ?.weak ?.global " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint " PREFETCH
       " .v8 .b32|.u32|.s32|.f32",
       "=~v0 mem ?hint", "Data Movement: ld", bindAccess<true>},
      {"ld ?.weak ?.global " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint " PREFETCH
       " .v4 .b64|.u64|.s64|.f64",
       "=~v0 mem ?hint", "Data Movement: ld", bindAccess<true>},
      {"ld .volatile " STRONG_SPACES " ?.v2|.v4 " VALUES, "=~v0 mem", "Data Movement: ld",
       bindAccess<true>},
      {"ld .volatile ?.global " PREFETCH " ?.v2|.v4 " VALUES, "=~v0 mem", "Data Movement: ld",
       bindAccess<true>},
      {"ld .relaxed|.acquire " SCOPE " " STRONG_SPACES " ?.v2|.v4 " VALUES, "=~v0 mem",
       "Data Movement: ld", bindAccess<true>},
      {"ld .relaxed|.acquire " SCOPE " ?.global " EVICT_L1 " ?.L2::cache_hint " PREFETCH
       " ?.v2|.v4 " VALUES,
       "=~v0 mem ?hint", "Data Movement: ld", bindAccess<true>},
      {"ld .mmio .relaxed .sys ?.global " VALUES, "=~v0 mem", "Data Movement: ld",
       bindAccess<true>},
      // The space in front of the semantics, as older compilers write it.
      {"ld " STRONG_SPACES " .relaxed|.acquire " SCOPE " ?.v2|.v4 " VALUES, "=~v0 mem",
       "Data Movement: ld", bindAccess<true>},
      {"ld .global ?.ca|.cg|.cs .nc ?.L2::cache_hint " PREFETCH " ?.v2|.v4 " VALUES,
       "=~v0 mem ?hint", "Data Movement: ld.global.nc", bindAccess<true>},
      {"ld .global .nc " EVICT_L1 " ?.L2::cache_hint " PREFETCH " ?.v2|.v4 " VALUES,
       "=~v0 mem ?hint", "Data Movement: ld.global.nc", bindAccess<true>},
      {"ld .global .nc " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint " PREFETCH
       " .v8 .b32|.u32|.s32|.f32",
       "=~v0 mem ?hint", "Data Movement: ld.global.nc", bindAccess<true>},
      {"ld .global .nc " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint " PREFETCH
       " .v4 .b64|.u64|.s64|.f64",
       "=~v0 mem ?hint", "Data Movement: ld.global.nc", bindAccess<true>},
      {"ldu ?.global ?.v2|.v4 " VALUES, "=~v0 mem", "Data Movement: ldu", bindAccess<true>},
      {"st ?.weak " STORE_SPACES " " STORE_CACHE " ?.v2|.v4|.v8 " VALUES, "mem ~v0",
       "Data Movement: st", bindAccess<false>},
      {"st ?.weak ?.global " STORE_CACHE " .L2::cache_hint ?.v2|.v4 " VALUES, "mem ~v0 ?hint",
       "Data Movement: st", bindAccess<false>},
      {"st ?.weak ?.global " EVICT_L1 " ?.L2::cache_hint ?.v2|.v4 " VALUES, "mem ~v0 ?hint",
       "Data Movement: st", bindAccess<false>},
      {"st ?.weak ?.global " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint .v8 .b32|.u32|.s32|.f32",
       "mem ~v0 ?hint", "Data Movement: st", bindAccess<false>},
      {"st ?.weak ?.global " EVICT_L1 " " EVICT_L2 " ?.L2::cache_hint .v4 .b64|.u64|.s64|.f64",
       "mem ~v0 ?hint", "Data Movement: st", bindAccess<false>},
      {"st .volatile " STRONG_SPACES " ?.v2|.v4 " VALUES, "mem ~v0", "Data Movement: st",
       bindAccess<false>},
      {"st .relaxed|.release " SCOPE " " STRONG_SPACES " ?.v2|.v4 " VALUES, "mem ~v0",
       "Data Movement: st", bindAccess<false>},
      {"st .relaxed|.release " SCOPE " ?.global " EVICT_L1 " ?.L2::cache_hint ?.v2|.v4 " VALUES,
       "mem ~v0 ?hint", "Data Movement: st", bindAccess<false>},
      {"st .mmio .relaxed .sys ?.global " VALUES, "mem ~v0", "Data Movement: st",
       bindAccess<false>},
      {"st " STRONG_SPACES " .relaxed|.release " SCOPE " ?.v2|.v4 " VALUES, "mem ~v0",
       "Data Movement: st", bindAccess<false>},
      {"prefetch ?.global|.local .L1|.L2", "mem", "Data Movement: prefetch", bindHint},
      {"prefetch .global .L2::evict_last|.L2::evict_normal", "mem", "Data Movement: prefetch",
       bindHint},
      {"prefetch ?.const|.param .tensormap", "mem", "Data Movement: prefetch", bindHint},
      {"prefetchu .L1", "mem", "Data Movement: prefetchu", bindHint},
      {"applypriority ?.global .L2::evict_normal", "mem imm", "Data Movement: applypriority",
       bindHint},
  };
  return forms;
}

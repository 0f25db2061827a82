// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// atom and red. Lanes go one after another, the lowest first; sums of floats are in that order.

#include "Bindings.h"
#include "SoftFloat.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;

namespace {
enum class AtomicOp : uint8_t { Add, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec };
} // namespace

template <class T> static T addValues(T a, T b) {
  if constexpr (std::is_same_v<T, Half>)
    return toHalf(addRoundedToOdd(toFloat(a), toFloat(b)));
  else if constexpr (std::is_same_v<T, BFloat>)
    return toBFloat(addRoundedToOdd(toFloat(a), toFloat(b)));
  else if constexpr (std::is_same_v<T, Half2>)
    return {uint32_t(addValues(Half{uint16_t(a.bits)}, Half{uint16_t(b.bits)}).bits) |
            uint32_t(addValues(Half{uint16_t(a.bits >> 16)}, Half{uint16_t(b.bits >> 16)}).bits)
                << 16};
  else if constexpr (std::is_same_v<T, BFloat2>)
    return {uint32_t(addValues(BFloat{uint16_t(a.bits)}, BFloat{uint16_t(b.bits)}).bits) |
            uint32_t(addValues(BFloat{uint16_t(a.bits >> 16)}, BFloat{uint16_t(b.bits >> 16)}).bits)
                << 16};
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) +
                          static_cast<std::make_unsigned_t<T>>(b));
  else
    return canonical(a + b);
}

template <class T> static T combine(AtomicOp op, T old, T b, T c) {
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
    case AtomicOp::Add:
      return addValues(old, b);
    case AtomicOp::Min:
      return b < old ? b : old;
    case AtomicOp::Max:
      return old < b ? b : old;
    case AtomicOp::And:
      return old & b;
    case AtomicOp::Or:
      return old | b;
    case AtomicOp::Xor:
      return old ^ b;
    case AtomicOp::Exch:
      return b;
    case AtomicOp::Cas:
      return old == b ? c : old;
    case AtomicOp::Inc:
      return old >= b ? T(0) : T(old + 1);
    case AtomicOp::Dec:
      return old == 0 || old > b ? b : T(old - 1);
    }
    return old;
  } else {
    return op == AtomicOp::Exch ? b : addValues(old, b);
  }
}

/// `elements` 1: atom, whose first operand is the result; 0: red.
template <class T> static void atomic(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned address = instruction.elements;
  unsigned bytes = sizeof(T);
  AtomicOp op = static_cast<AtomicOp>(instruction.option);
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, address, mask, addresses);
  countRequest(warp, instruction, addresses, mask, bytes);
  unsigned sources = op == AtomicOp::Cas ? 2 : 1;
  for (unsigned index = 1; index <= sources; ++index)
    warp.requireDefined(instruction, instruction.operands[address + index], mask,
                        "is an operand of an atomic");
  synchronizeAtomic(warp, instruction, mask, addresses);
  auto source = [&](unsigned index, unsigned lane) {
    auto *raw = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[address + index]));
    return fromStorage<T>(raw[lane]);
  };
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    T old{};
    Location location;
    if (locate(warp, instruction, lane, addresses[lane], bytes, AccessKind::Atomic, location)) {
      checkRace(warp, instruction, lane, addresses[lane], bytes, AccessKind::Atomic, location);
      uint8_t data[8];
      if (!readBytes(warp, instruction, lane, addresses[lane], location, bytes, data))
        warp.report(Check::Uninitialised, instruction, 1u << lane, addressInSpace(addresses[lane]),
                    "an atomic on memory that was never written");
      std::memcpy(&old, data, bytes);
      T fresh = combine(op, old, source(1, lane), sources == 2 ? source(2, lane) : T{});
      std::memcpy(data, &fresh, bytes);
      writeBytes(warp, instruction, lane, addresses[lane], location, bytes, data, true);
    }
    if (instruction.elements)
      reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[0]))[lane] =
          toStorage<T>(old);
  }
  if (instruction.elements)
    warp.define(instruction.operands[0], mask);
}

static void bindAtomic(Match &match) {
  Instruction &instruction = *match.instruction;
  instruction.space = spaceOfMatch(match);
  instruction.ordering = orderingOf(match);
  if (instruction.ordering == Ordering::Weak)
    instruction.ordering = Ordering::Relaxed;
  instruction.elements = match.statement->opcode == "atom";
  for (llvm::StringRef modifier : match.modifiers) {
    int op = llvm::StringSwitch<int>(modifier)
                 .Case(".add", int(AtomicOp::Add))
                 .Case(".min", int(AtomicOp::Min))
                 .Case(".max", int(AtomicOp::Max))
                 .Case(".and", int(AtomicOp::And))
                 .Case(".or", int(AtomicOp::Or))
                 .Case(".xor", int(AtomicOp::Xor))
                 .Case(".exch", int(AtomicOp::Exch))
                 .Case(".cas", int(AtomicOp::Cas))
                 .Case(".inc", int(AtomicOp::Inc))
                 .Case(".dec", int(AtomicOp::Dec))
                 .Default(-1);
    if (op >= 0)
      instruction.option = op;
  }
  auto choose = [&]() -> Handler {
    switch (match.types.back()) {
    case Type::B16:
      return atomic<uint16_t>;
    case Type::B32:
    case Type::U32:
      return atomic<uint32_t>;
    case Type::S32:
      return atomic<int32_t>;
    case Type::B64:
    case Type::U64:
      return atomic<uint64_t>;
    case Type::S64:
      return atomic<int64_t>;
    case Type::F32:
      return atomic<float>;
    case Type::F64:
      return atomic<double>;
    case Type::F16:
      return atomic<Half>;
    case Type::BF16:
      return atomic<BFloat>;
    case Type::F16x2:
      return atomic<Half2>;
    case Type::BF16x2:
      return atomic<BFloat2>;
    default:
      return nullptr;
    }
  };
  match.set(choose());
}

#define SEMANTICS "?.relaxed|.acquire|.release|.acq_rel ?.cta|.cluster|.gpu|.sys "
#define RED_SEMANTICS "?.relaxed|.release ?.cta|.cluster|.gpu|.sys "
#define SPACE "?.global|.shared|.shared::cta|.shared::cluster "
#define TYPED ".u32|.s32|.u64|.s64"
#define BITS ".b32|.b64"
#define ATOM "Atomics: atom"
#define RED "Atomics: red"
llvm::ArrayRef<Form> ptq::emulator::atomicForms() {
  static const Form forms[] = {
      {"atom " SEMANTICS SPACE ".add ?.L2::cache_hint .u32|.s32|.u64|.f32|.f64", "=0 mem 0 ?b64",
       ATOM, bindAtomic},
      {"atom " SEMANTICS SPACE ".add .noftz ?.L2::cache_hint .f16|.bf16|.f16x2|.bf16x2",
       "=0 mem 0 ?b64", ATOM, bindAtomic},
      {"atom " SEMANTICS SPACE ".min|.max ?.L2::cache_hint " TYPED, "=0 mem 0 ?b64", ATOM,
       bindAtomic},
      {"atom " SEMANTICS SPACE ".inc|.dec ?.L2::cache_hint .u32", "=0 mem 0 ?b64", ATOM,
       bindAtomic},
      {"atom " SEMANTICS SPACE ".and|.or|.xor|.exch ?.L2::cache_hint " BITS, "=0 mem 0 ?b64", ATOM,
       bindAtomic},
      {"atom " SEMANTICS SPACE ".cas .b16|.b32|.b64", "=0 mem 0 0", ATOM, bindAtomic},
      // The space in front of the semantics, as older compilers write it.
      {"atom .global|.shared .relaxed|.acquire|.release|.acq_rel ?.cta|.gpu|.sys .add "
       ".u32|.s32|.u64|.f32|.f64",
       "=0 mem 0", ATOM, bindAtomic},
      {"atom .global|.shared .relaxed|.acquire|.release|.acq_rel ?.cta|.gpu|.sys .exch .b32|.b64",
       "=0 mem 0", ATOM, bindAtomic},
      {"atom .global|.shared .relaxed|.acquire|.release|.acq_rel ?.cta|.gpu|.sys .cas .b32|.b64",
       "=0 mem 0 0", ATOM, bindAtomic},
      {"red " RED_SEMANTICS SPACE ".add ?.L2::cache_hint .u32|.s32|.u64|.f32|.f64", "mem 0 ?b64",
       RED, bindAtomic},
      {"red " RED_SEMANTICS SPACE ".add .noftz ?.L2::cache_hint .f16|.bf16|.f16x2|.bf16x2",
       "mem 0 ?b64", RED, bindAtomic},
      {"red " RED_SEMANTICS SPACE ".min|.max ?.L2::cache_hint " TYPED, "mem 0 ?b64", RED,
       bindAtomic},
      {"red " RED_SEMANTICS SPACE ".inc|.dec ?.L2::cache_hint .u32", "mem 0 ?b64", RED, bindAtomic},
      {"red " RED_SEMANTICS SPACE ".and|.or|.xor ?.L2::cache_hint " BITS, "mem 0 ?b64", RED,
       bindAtomic},
      {"red .global|.shared .relaxed|.release ?.cta|.gpu|.sys .add .u32|.s32|.u64|.f32|.f64",
       "mem 0", RED, bindAtomic},
  };
  return forms;
}

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

/// The smaller or greater; a NaN is ignored where the other is a number.
template <class T> static T extremum(AtomicOp op, T old, T b) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat>) {
    if (isNan(old) || isNan(b))
      return isNan(old) ? isNan(b) ? T{0x7fff} : b : old;
    if (toFloat(old) == toFloat(b))
      return {static_cast<uint16_t>(op == AtomicOp::Max ? old.bits & b.bits : old.bits | b.bits)};
    return (toFloat(b) < toFloat(old)) == (op == AtomicOp::Min) ? b : old;
  } else if constexpr (std::is_same_v<T, Half2> || std::is_same_v<T, BFloat2>) {
    using Single = std::conditional_t<std::is_same_v<T, Half2>, Half, BFloat>;
    auto part = [&](unsigned shift) {
      return uint32_t(extremum(op, Single{uint16_t(old.bits >> shift)},
                               Single{uint16_t(b.bits >> shift)})
                          .bits)
             << shift;
    };
    return {part(0) | part(16)};
  } else {
    return (b < old) == (op == AtomicOp::Min) ? b : old;
  }
}

template <class T> static T combine(AtomicOp op, T old, T b, T c) {
  if (op == AtomicOp::Min || op == AtomicOp::Max)
    return extremum(op, old, b);
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
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
    default:
      break;
    }
  }
  return addValues(old, b);
}

/// Operands: results (`numDestinations` of them, none for red), the address, and each source.
/// `elements` is 1, or more for a vector, whose elements are atomic one by one.
template <class T> static void atomic(Warp &warp, const Instruction &instruction, uint32_t mask) {
  unsigned address = instruction.numDestinations, elements = instruction.elements;
  unsigned bytes = sizeof(T);
  AtomicOp op = static_cast<AtomicOp>(instruction.option);
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, address, mask, addresses);
  countRequest(warp, instruction, addresses, mask, bytes * elements);
  unsigned sources = op == AtomicOp::Cas ? 2 : 1;
  for (unsigned index = 1; index <= sources * elements; ++index)
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
    Location whole;
    // A vector is aligned as a whole.
    bool found = locate(warp, instruction, lane, addresses[lane], bytes * elements,
                        AccessKind::Atomic, whole);
    for (unsigned element = 0; element != elements; ++element) {
      T old{};
      uint64_t at = addresses[lane] + element * bytes;
      Location location;
      if (found && (elements == 1 ||
                    locate(warp, instruction, lane, at, bytes, AccessKind::Atomic, location))) {
        if (elements == 1)
          location = whole;
        checkRace(warp, instruction, lane, at, bytes, AccessKind::Atomic, location);
        uint8_t data[8];
        if (!readBytes(warp, instruction, lane, at, location, bytes, data))
          warp.report(Check::Uninitialised, instruction, 1u << lane, addressInSpace(at),
                      "an atomic on memory that was never written");
        std::memcpy(&old, data, bytes);
        T b = source(1 + element, lane), fresh;
        // Sums of f32 in global memory flush subnormals, in shared memory they do not.
        if constexpr (std::is_same_v<T, float>)
          fresh = op == AtomicOp::Add && location.space == Space::Global
                      ? flush(addValues(flush(old), flush(b)))
                      : combine(op, old, b, T{});
        else
          fresh = combine(op, old, b, sources == 2 ? source(2, lane) : T{});
        std::memcpy(data, &fresh, bytes);
        writeBytes(warp, instruction, lane, at, location, bytes, data, true);
      }
      if (instruction.numDestinations)
        reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[element]))[lane] =
            toStorage<T>(old);
    }
  }
  for (unsigned index = 0; index != instruction.numDestinations; ++index)
    warp.define(instruction.operands[index], mask);
}

static void bindAtomic(Match &match) {
  Instruction &instruction = *match.instruction;
  instruction.space = spaceOfMatch(match);
  instruction.ordering = orderingOf(match);
  if (instruction.ordering == Ordering::Weak)
    instruction.ordering = Ordering::Relaxed;
  instruction.elements = match.vectorLanes();
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

#define ATOM_SEMANTICS "?.relaxed|.acquire|.release|.acq_rel ?.cta|.cluster|.gpu|.sys "
#define RED_SEMANTICS "?.relaxed|.release ?.cta|.cluster|.gpu|.sys "
#define SPACE "?.global|.shared|.shared::cta|.shared::cluster "
// The space in front of the semantics, as older compilers write it.
#define ATOM_SPACE_FIRST ".global|.shared .relaxed|.acquire|.release|.acq_rel ?.cta|.gpu|.sys "
#define RED_SPACE_FIRST ".global|.shared .relaxed|.release ?.cta|.gpu|.sys "
#define HINT " ?.L2::cache_hint "
#define ATOM "Atomics: atom"
#define RED "Atomics: red"
/// All operations but exch and cas, of scalars.
#define SCALARS(OPCODE, WHERE, OPERANDS, SECTION)                                                  \
  {OPCODE " " WHERE ".add" HINT ".u32|.s32|.u64|.f32|.f64", OPERANDS, SECTION, bindAtomic},        \
      {OPCODE " " WHERE ".add .noftz" HINT ".f16|.bf16|.f16x2|.bf16x2", OPERANDS, SECTION,         \
       bindAtomic},                                                                                \
      {OPCODE " " WHERE ".min|.max" HINT ".u32|.s32|.u64|.s64", OPERANDS, SECTION, bindAtomic},    \
      {OPCODE " " WHERE ".inc|.dec" HINT ".u32", OPERANDS, SECTION, bindAtomic}, {                 \
    OPCODE " " WHERE ".and|.or|.xor" HINT ".b32|.b64", OPERANDS, SECTION, bindAtomic               \
  }
/// Of vectors in global memory, element by element.
#define VECTORS(OPCODE, SEMANTICS, OPERANDS, SECTION)                                              \
  {OPCODE " " SEMANTICS "?.global .add" HINT ".v2|.v4 .f32", OPERANDS, SECTION, bindAtomic},       \
      {OPCODE " " SEMANTICS "?.global .add|.min|.max .noftz" HINT ".v2|.v4|.v8 .f16|.bf16",        \
       OPERANDS, SECTION, bindAtomic},                                                             \
  {                                                                                                \
    OPCODE " " SEMANTICS "?.global .add|.min|.max .noftz" HINT ".v2|.v4 .f16x2|.bf16x2", OPERANDS, \
        SECTION, bindAtomic                                                                        \
  }
#define EXCHANGES(WHERE)                                                                           \
  {"atom " WHERE ".exch" HINT ".b32|.b64", "=0 mem 0 ?hint", ATOM, bindAtomic}, {                  \
    "atom " WHERE ".cas .b16|.b32|.b64", "=0 mem 0 0", ATOM, bindAtomic                            \
  }
llvm::ArrayRef<Form> ptq::emulator::atomicForms() {
  static const Form forms[] = {
      SCALARS("atom", ATOM_SEMANTICS SPACE, "=0 mem 0 ?hint", ATOM),
      EXCHANGES(ATOM_SEMANTICS SPACE),
      SCALARS("atom", ATOM_SPACE_FIRST, "=0 mem 0 ?hint", ATOM),
      EXCHANGES(ATOM_SPACE_FIRST),
      VECTORS("atom", ATOM_SEMANTICS, "=v0 mem v0 ?hint", ATOM),
      SCALARS("red", RED_SEMANTICS SPACE, "mem 0 ?hint", RED),
      SCALARS("red", RED_SPACE_FIRST, "mem 0 ?hint", RED),
      VECTORS("red", RED_SEMANTICS, "mem v0 ?hint", RED),
  };
  return forms;
}

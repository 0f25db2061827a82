// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Logic, shifts, bit fields, counts and permutations.

#include "InstructionTable.h"
#include "Lanes.h"

using namespace ptq::emulator;

namespace {
struct And {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a & b; }
};
struct Or {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a | b; }
};
struct Xor {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a ^ b; }
};
struct Not {
  template <class T> static PTQ_INLINE T apply(T a) { return T(~a); }
};
struct Cnot {
  template <class T> static PTQ_INLINE T apply(T a) { return a == 0 ? T(1) : T(0); }
};
/// Amounts of the width and more shift everything out: they are clamped, not taken modulo.
struct Shl {
  template <class T> static PTQ_INLINE T apply(T a, uint32_t amount) {
    return amount >= sizeof(T) * 8 ? T(0) : T(a << amount);
  }
};
struct Shr {
  template <class T> static PTQ_INLINE T apply(T a, uint32_t amount) {
    if (amount >= sizeof(T) * 8)
      return std::is_signed_v<T> ? T(a >> (sizeof(T) * 8 - 1)) : T(0);
    return T(a >> amount);
  }
};
template <bool Left, bool Clamp> struct FunnelShift {
  static PTQ_INLINE uint32_t apply(uint32_t low, uint32_t high, uint32_t amount) {
    unsigned by = Clamp ? (amount > 32 ? 32 : amount) : amount & 31;
    uint64_t both = (uint64_t(high) << 32) | low;
    return Left ? uint32_t((both << by) >> 32) : uint32_t(both >> by);
  }
};
/// The truth table's bit (a << 2 | b << 1 | c), bit by bit.
struct Lop3 {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
    uint32_t result = 0;
    for (unsigned row = 0; row != 8; ++row) {
      uint32_t hit = (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
      result |= hit & (0 - ((table >> row) & 1));
    }
    return result;
  }
};
struct Prmt {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t bytes = (uint64_t(b) << 32) | a;
    uint32_t result = 0;
    for (unsigned index = 0; index != 4; ++index) {
      uint32_t select = (selector >> (4 * index)) & 15;
      uint32_t byte = uint32_t(bytes >> (8 * (select & 7))) & 255;
      if (select & 8)
        byte = byte & 128 ? 255 : 0;
      result |= byte << (8 * index);
    }
    return result;
  }
};
enum class PrmtMode { F4e, B4e, Rc8, Ecl, Ecr, Rc16 };
template <PrmtMode Mode> struct PrmtWithMode {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t selector) {
    uint32_t s = selector & 3, bytes[4];
    for (unsigned i = 0; i != 4; ++i)
      bytes[i] = Mode == PrmtMode::F4e   ? s + i
                 : Mode == PrmtMode::B4e ? (s - i) & 7
                 : Mode == PrmtMode::Rc8 ? s
                 : Mode == PrmtMode::Ecl ? (i > s ? i : s)
                 : Mode == PrmtMode::Ecr ? (i < s ? i : s)
                                         : (s & 1) * 2 + (i & 1);
    return Prmt::apply(a, b, bytes[0] | bytes[1] << 4 | bytes[2] << 8 | bytes[3] << 12);
  }
};
struct Popc {
  template <class T> static PTQ_INLINE uint32_t apply(T a) { return __builtin_popcountll(a); }
};
struct Clz {
  template <class T> static PTQ_INLINE uint32_t apply(T a) {
    return a == 0 ? sizeof(T) * 8 : __builtin_clzll(a) - (64 - sizeof(T) * 8);
  }
};
/// The most significant bit that is not a copy of the sign.
template <bool ShiftAmount> struct Bfind {
  template <class T> static PTQ_INLINE uint32_t apply(T a) {
    using U = std::make_unsigned_t<T>;
    U bits = a < 0 ? U(~a) : U(a);
    if (bits == 0)
      return ~0u;
    uint32_t position = 63 - __builtin_clzll(bits);
    return ShiftAmount ? sizeof(T) * 8 - 1 - position : position;
  }
};
struct Brev {
  static PTQ_INLINE uint32_t apply(uint32_t a) { return __builtin_bitreverse32(a); }
  static PTQ_INLINE uint64_t apply(uint64_t a) { return __builtin_bitreverse64(a); }
};
struct Bfe {
  template <class T> static PTQ_INLINE T apply(T a, uint32_t b, uint32_t c) {
    constexpr uint32_t width = sizeof(T) * 8;
    uint32_t begin = b & 255, length = c & 255;
    if (length == 0)
      return 0;
    // The field is filled with the sign bit beyond the register's end.
    uint32_t signAt = begin + length - 1 < width - 1 ? begin + length - 1 : width - 1;
    using U = std::make_unsigned_t<T>;
    U sign = std::is_signed_v<T> ? U(0) - ((U(a) >> signAt) & 1) : U(0);
    U field = begin >= width ? U(0) : U(U(a) >> begin);
    uint32_t valid = begin >= width ? 0 : width - begin;
    uint32_t keep = length < valid ? length : valid;
    U mask = keep >= width ? ~U(0) : (U(1) << keep) - 1;
    return T((field & mask) | (sign & ~mask));
  }
};
struct Bfi {
  template <class T> static PTQ_INLINE T apply(T a, T b, uint32_t c, uint32_t d) {
    constexpr uint32_t width = sizeof(T) * 8;
    uint32_t begin = c & 255, length = d & 255;
    if (begin >= width || length == 0)
      return b;
    T mask = length >= width ? ~T(0) : (T(1) << length) - 1;
    return (b & ~(mask << begin)) | ((a & mask) << begin);
  }
};
/// The n-th set bit of `mask` from `base`: upwards for n > 0, downwards for n < 0, that at the base
/// itself for 0; all ones where there is none (PTX ISA: fns).
struct Fns {
  static PTQ_INLINE uint32_t apply(uint32_t mask, uint32_t base, int32_t count) {
    if (base > 31)
      return ~0u;
    if (count == 0)
      return (mask >> base) & 1 ? base : ~0u;
    int step = count > 0 ? 1 : -1;
    for (int position = static_cast<int>(base); position >= 0 && position < 32; position += step)
      if ((mask >> position) & 1 && (count -= step) == 0)
        return static_cast<uint32_t>(position);
    return ~0u;
  }
};
template <bool Clamp> struct Bmsk {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b) {
    uint32_t begin = Clamp ? a : a & 31, length = Clamp ? b : b & 31;
    if (begin > 31 || length == 0)
      return 0;
    return (length > 31 ? ~0u : (1u << length) - 1) << begin;
  }
};
template <bool Clamp> struct Szext {
  template <class T> static PTQ_INLINE T apply(T a, uint32_t b) {
    uint32_t length = Clamp ? b : b & 31;
    if (length > 31)
      return a;
    uint32_t low = uint32_t(a) & ((1u << length) - 1);
    if (!std::is_signed_v<T> || length == 0)
      return T(low);
    return T(low >> (length - 1) ? low | ~((1u << length) - 1) : low);
  }
};
} // namespace

/// option: 0 and, 1 or, 2 xor, 3 not.
static void predicateLogic(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint32_t d = instruction.operands[0];
  uint32_t a = warp.predicate(instruction.operands[1]);
  uint32_t badA = warp.undefinedLanes(instruction.operands[1]) & mask;
  if (instruction.negated & 2)
    a = ~a;
  if (instruction.option == 3) {
    warp.setPredicate(d, ~a, mask);
    return warp.flow<1>(instruction, mask);
  }
  uint32_t b = warp.predicate(instruction.operands[2]);
  uint32_t badB = warp.undefinedLanes(instruction.operands[2]) & mask;
  if (instruction.negated & 4)
    b = ~b;
  uint32_t value = instruction.option == 0 ? a & b : instruction.option == 1 ? a | b : a ^ b;
  warp.setPredicate(d, value, mask);
  warp.define(d, mask);
  if (!(badA | badB))
    return;
  // false & undefined is false, true | undefined is true.
  uint32_t decided = instruction.option == 0   ? (~a & ~badA) | (~b & ~badB)
                     : instruction.option == 1 ? (a & ~badA) | (b & ~badB)
                                               : 0;
  warp.taint(d, (badA | badB) & ~decided, instruction, badA ? 1 : 2);
}

/// lop3.BoolOp: d as without, and p = (d != 0) BoolOp q. option: 0 or, 1 and. Operands: d, p, a, b,
/// c, table, q.
static void logic3WithPredicate(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  uint32_t *result = warp.slot(ops[0]), q = warp.predicate(ops[6]), nonZero = 0, bad = 0;
  int source = -1;
  if (instruction.negated & (1u << 6))
    q = ~q;
  for (unsigned index = 2; index != 5; ++index) {
    uint32_t lanes = warp.undefinedLanes(ops[index]) & mask;
    if (lanes && source < 0)
      source = index;
    bad |= lanes;
  }
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t value = Lop3::apply(warp.slot(ops[2])[lane], warp.slot(ops[3])[lane],
                                 warp.slot(ops[4])[lane], warp.slot(ops[5])[lane]);
    result[lane] = value;
    nonZero |= uint32_t(value != 0) << lane;
  }
  uint32_t badQ = warp.undefinedLanes(ops[6]) & mask;
  warp.setPredicate(ops[1], instruction.option ? nonZero & q : nonZero | q, mask);
  warp.define(ops[0], mask);
  warp.define(ops[1], mask);
  if (bad)
    warp.taint(ops[0], bad, instruction, source);
  if (bad | badQ)
    warp.taint(ops[1], bad | badQ, instruction, bad ? source : 6);
}

template <class Op> static Handler bitwise(Type type) {
  switch (type) {
  case Type::B16:
    return lanes<Op, uint16_t, uint16_t, uint16_t>();
  case Type::B32:
    return lanes<Op, uint32_t, uint32_t, uint32_t>();
  default:
    return lanes<Op, uint64_t, uint64_t, uint64_t>();
  }
}
template <class Op, uint32_t Option> static void bindLogic(Match &match) {
  match.instruction->option = Option;
  match.set(match.type(0) == Type::Pred ? predicateLogic : bitwise<Op>(match.type(0)));
}
template <class Op> static Handler unaryBits(Type type) {
  switch (type) {
  case Type::B16:
    return lanes<Op, uint16_t, uint16_t>();
  case Type::B32:
    return lanes<Op, uint32_t, uint32_t>();
  default:
    return lanes<Op, uint64_t, uint64_t>();
  }
}
template <class Op, class T> static Handler shiftOf() { return lanes<Op, T, T, uint32_t>(); }
template <class Op> static void bindShift(Match &match) {
  switch (match.type(0)) {
  case Type::B16:
  case Type::U16:
    return match.set(shiftOf<Op, uint16_t>());
  case Type::S16:
    return match.set(shiftOf<Op, int16_t>());
  case Type::B32:
  case Type::U32:
    return match.set(shiftOf<Op, uint32_t>());
  case Type::S32:
    return match.set(shiftOf<Op, int32_t>());
  case Type::S64:
    return match.set(shiftOf<Op, int64_t>());
  default:
    return match.set(shiftOf<Op, uint64_t>());
  }
}
static void bindFunnel(Match &match) {
  bool left = match.has(".l"), clamp = match.has(".clamp");
  using U = uint32_t;
  match.set(left ? (clamp ? lanes<FunnelShift<true, true>, U, U, U, U>()
                          : lanes<FunnelShift<true, false>, U, U, U, U>())
                 : (clamp ? lanes<FunnelShift<false, true>, U, U, U, U>()
                          : lanes<FunnelShift<false, false>, U, U, U, U>()));
}
static void bindPrmt(Match &match) {
  using U = uint32_t;
  match.set(match.has(".f4e")    ? lanes<PrmtWithMode<PrmtMode::F4e>, U, U, U, U>()
            : match.has(".b4e")  ? lanes<PrmtWithMode<PrmtMode::B4e>, U, U, U, U>()
            : match.has(".rc8")  ? lanes<PrmtWithMode<PrmtMode::Rc8>, U, U, U, U>()
            : match.has(".ecl")  ? lanes<PrmtWithMode<PrmtMode::Ecl>, U, U, U, U>()
            : match.has(".ecr")  ? lanes<PrmtWithMode<PrmtMode::Ecr>, U, U, U, U>()
            : match.has(".rc16") ? lanes<PrmtWithMode<PrmtMode::Rc16>, U, U, U, U>()
                                 : lanes<Prmt, U, U, U, U>());
}
template <class Op> static void bindCount(Match &match) {
  if (typeBits(match.type(0)) == 64)
    match.set(lanes<Op, uint32_t, uint64_t>());
  else
    match.set(lanes<Op, uint32_t, uint32_t>());
}
template <class Op> static void bindFind(Match &match) {
  switch (match.type(0)) {
  case Type::U32:
    return match.set(lanes<Op, uint32_t, uint32_t>());
  case Type::S32:
    return match.set(lanes<Op, uint32_t, int32_t>());
  case Type::U64:
    return match.set(lanes<Op, uint32_t, uint64_t>());
  default:
    return match.set(lanes<Op, uint32_t, int64_t>());
  }
}
template <class T> static Handler bfe() { return lanes<Bfe, T, T, uint32_t, uint32_t>(); }
template <class T> static Handler bfi() { return lanes<Bfi, T, T, T, uint32_t, uint32_t>(); }

llvm::ArrayRef<Form> ptq::emulator::logicForms() {
  using U = uint32_t;
  static const Form forms[] = {
      {"and .pred|.b16|.b32|.b64", "=0 !0 !0", "Logic and Shift: and", bindLogic<And, 0>},
      {"or .pred|.b16|.b32|.b64", "=0 !0 !0", "Logic and Shift: or", bindLogic<Or, 1>},
      {"xor .pred|.b16|.b32|.b64", "=0 !0 !0", "Logic and Shift: xor", bindLogic<Xor, 2>},
      {"not .pred|.b16|.b32|.b64", "=0 !0", "Logic and Shift: not",
       [](Match &m) {
         m.instruction->option = 3;
         m.set(m.type(0) == Type::Pred ? predicateLogic : unaryBits<Not>(m.type(0)));
       }},
      {"cnot .b16|.b32|.b64", "=0 0", "Logic and Shift: cnot",
       [](Match &m) { m.set(unaryBits<Cnot>(m.type(0))); }},
      {"shl .b16|.b32|.b64", "=0 0 u32", "Logic and Shift: shl", bindShift<Shl>},
      {"shr .b16|.b32|.b64|.u16|.u32|.u64|.s16|.s32|.s64", "=0 0 u32", "Logic and Shift: shr",
       bindShift<Shr>},
      {"shf .l|.r .wrap|.clamp .b32", "=0 0 0 u32", "Logic and Shift: shf", bindFunnel},
      {"lop3 .b32", "=0 0 0 0 const", "Logic and Shift: lop3",
       [](Match &m) { m.set(lanes<Lop3, U, U, U, U, U>()); }},
      {"lop3 .or|.and .b32", "=0|P 0 0 0 const !pred", "Logic and Shift: lop3",
       [](Match &m) {
         m.instruction->option = m.has(".and");
         m.set(logic3WithPredicate);
       }},
      {"prmt .b32 ?.f4e|.b4e|.rc8|.ecl|.ecr|.rc16", "=0 0 0 u32", "Data Movement: prmt", bindPrmt},
      {"bfe .u32|.s32|.u64|.s64", "=0 0 u32 u32", "Integer Arithmetic: bfe",
       [](Match &m) {
         Type type = m.type(0);
         m.set(type == Type::U32   ? bfe<uint32_t>()
               : type == Type::S32 ? bfe<int32_t>()
               : type == Type::U64 ? bfe<uint64_t>()
                                   : bfe<int64_t>());
       }},
      {"bfi .b32|.b64", "=0 0 0 u32 u32", "Integer Arithmetic: bfi",
       [](Match &m) { m.set(m.type(0) == Type::B32 ? bfi<uint32_t>() : bfi<uint64_t>()); }},
      {"bfind .u32|.s32|.u64|.s64", "=u32 0", "Integer Arithmetic: bfind", bindFind<Bfind<false>>},
      {"bfind .shiftamt .u32|.s32|.u64|.s64", "=u32 0", "Integer Arithmetic: bfind",
       bindFind<Bfind<true>>},
      {"fns .b32", "=u32 0 b32 s32", "Integer Arithmetic: fns",
       [](Match &m) { m.set(lanes<Fns, U, U, U, int32_t>()); }},
      {"brev .b32|.b64", "=0 0", "Integer Arithmetic: brev",
       [](Match &m) {
         m.set(m.type(0) == Type::B32 ? lanes<Brev, U, U>() : lanes<Brev, uint64_t, uint64_t>());
       }},
      {"clz .b32|.b64", "=u32 0", "Integer Arithmetic: clz", bindCount<Clz>},
      {"popc .b32|.b64", "=u32 0", "Integer Arithmetic: popc", bindCount<Popc>},
      {"bmsk .clamp|.wrap .b32", "=0 u32 u32", "Integer Arithmetic: bmsk",
       [](Match &m) {
         m.set(m.has(".clamp") ? lanes<Bmsk<true>, U, U, U>() : lanes<Bmsk<false>, U, U, U>());
       }},
      {"szext .clamp|.wrap .u32|.s32", "=0 0 u32", "Integer Arithmetic: szext",
       [](Match &m) {
         bool clamp = m.has(".clamp");
         if (m.type(0) == Type::U32)
           m.set(clamp ? lanes<Szext<true>, U, U, U>() : lanes<Szext<false>, U, U, U>());
         else
           m.set(clamp ? lanes<Szext<true>, int32_t, int32_t, U>()
                       : lanes<Szext<false>, int32_t, int32_t, U>());
       }},
  };
  return forms;
}

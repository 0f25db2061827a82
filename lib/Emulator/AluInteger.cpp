// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer arithmetic. Division by zero is unspecified in PTX; here x / 0 is all ones and x % 0 is
// x, as GPUs do.

#include "InstructionTable.h"
#include "Lanes.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace ptq::emulator;

namespace {
template <class T> using Unsigned = std::make_unsigned_t<T>;
/// Arithmetic that wraps, without the promotion of short types to int.
template <class T> using Wrap = std::conditional_t<(sizeof(T) < 4), uint32_t, Unsigned<T>>;
template <class T> struct WideOf;
template <> struct WideOf<int16_t> {
  using type = int32_t;
};
template <> struct WideOf<uint16_t> {
  using type = uint32_t;
};
template <> struct WideOf<int32_t> {
  using type = int64_t;
};
template <> struct WideOf<uint32_t> {
  using type = uint64_t;
};
template <> struct WideOf<int64_t> {
  using type = __int128;
};
template <> struct WideOf<uint64_t> {
  using type = unsigned __int128;
};
template <class T> using Wide = typename WideOf<T>::type;

struct Add {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return T(Wrap<T>(a) + Wrap<T>(b)); }
};
struct Sub {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return T(Wrap<T>(a) - Wrap<T>(b)); }
};
PTQ_INLINE int32_t clampToInt(int64_t value) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, INT32_MIN, INT32_MAX));
}
struct AddSat {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b) { return clampToInt(int64_t(a) + b); }
};
struct SubSat {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b) { return clampToInt(int64_t(a) - b); }
};
struct MulLo {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return T(Wrap<T>(a) * Wrap<T>(b)); }
};
struct MulHi {
  template <class T> static PTQ_INLINE T apply(T a, T b) {
    return T((Wide<T>(a) * Wide<T>(b)) >> (sizeof(T) * 8));
  }
};
struct MulWide {
  template <class T> static PTQ_INLINE Wide<T> apply(T a, T b) { return Wide<T>(a) * Wide<T>(b); }
};
struct MadLo {
  template <class T> static PTQ_INLINE T apply(T a, T b, T c) {
    return T(Wrap<T>(a) * Wrap<T>(b) + Wrap<T>(c));
  }
};
struct MadHi {
  template <class T> static PTQ_INLINE T apply(T a, T b, T c) {
    return Add::apply(MulHi::apply(a, b), c);
  }
};
struct MadHiSat {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b, int32_t c) {
    return clampToInt(int64_t(MulHi::apply(a, b)) + c);
  }
};
struct MadWide {
  template <class T> static PTQ_INLINE Wide<T> apply(T a, T b, Wide<T> c) {
    return Add::apply(MulWide::apply(a, b), c);
  }
};
/// mul24, mad24: the product of the low 24 bits, 48 bits wide; .lo its low 32 bits, .hi bits 16
/// to 47.
template <class T> PTQ_INLINE Wide<T> product24(T a, T b) {
  return Wide<T>(T(Unsigned<T>(a) << 8) >> 8) * Wide<T>(T(Unsigned<T>(b) << 8) >> 8);
}
struct Mul24Lo {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return T(product24(a, b)); }
};
struct Mul24Hi {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return T(product24(a, b) >> 16); }
};
struct Mad24Lo {
  template <class T> static PTQ_INLINE T apply(T a, T b, T c) {
    return Add::apply(Mul24Lo::apply(a, b), c);
  }
};
struct Mad24Hi {
  template <class T> static PTQ_INLINE T apply(T a, T b, T c) {
    return Add::apply(Mul24Hi::apply(a, b), c);
  }
};
struct Mad24HiSat {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b, int32_t c) {
    return clampToInt(int64_t(Mul24Hi::apply(a, b)) + c);
  }
};
struct Div {
  template <class T> static PTQ_INLINE T apply(T a, T b) {
    if (b == 0)
      return T(~T(0));
    if (std::is_signed_v<T> && b == T(-1))
      return T(0 - Wrap<T>(a));
    return a / b;
  }
};
struct Rem {
  template <class T> static PTQ_INLINE T apply(T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return a % b;
  }
};
struct Min {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a < b ? a : b; }
};
struct Max {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a < b ? b : a; }
};
/// The operation on both halves, of type T.
template <class Op, class T> struct Pairs {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b) {
    uint32_t low = uint16_t(Op::apply(T(a), T(b)));
    uint32_t high = uint16_t(Op::apply(T(a >> 16), T(b >> 16)));
    return low | high << 16;
  }
};
template <class Op> struct Relu16 {
  static PTQ_INLINE int16_t apply(int16_t a, int16_t b) {
    return Max::apply(Op::apply(a, b), int16_t(0));
  }
};
struct MinRelu {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b) {
    return Max::apply(Min::apply(a, b), int32_t(0));
  }
};
struct MaxRelu {
  static PTQ_INLINE int32_t apply(int32_t a, int32_t b) {
    return Max::apply(Max::apply(a, b), int32_t(0));
  }
};
struct Abs {
  template <class T> static PTQ_INLINE T apply(T a) { return a < 0 ? T(0 - Wrap<T>(a)) : a; }
};
struct Neg {
  template <class T> static PTQ_INLINE T apply(T a) { return T(0 - Wrap<T>(a)); }
};
struct Sad {
  template <class T> static PTQ_INLINE T apply(T a, T b, T c) {
    Wrap<T> difference = a < b ? Wrap<T>(b) - Wrap<T>(a) : Wrap<T>(a) - Wrap<T>(b);
    return T(Wrap<T>(c) + difference);
  }
};
template <class A, class B> struct Dp4a {
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    for (unsigned shift = 0; shift != 32; shift += 8)
      c += uint32_t(int32_t(A(a >> shift)) * int32_t(B(b >> shift)));
    return c;
  }
};
/// .lo takes the low two bytes of b, .hi the high two.
template <class A, class B, unsigned Begin> struct Dp2a {
  using A16 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  static PTQ_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    for (unsigned index = 0; index != 2; ++index)
      c += uint32_t(int32_t(A16(a >> (16 * index))) * int32_t(B(b >> (8 * (Begin + index)))));
    return c;
  }
};
} // namespace

template <class Op> static Handler wideProduct(Type type) {
  switch (type) {
  case Type::S16:
    return lanes<Op, int32_t, int16_t, int16_t>();
  case Type::U16:
    return lanes<Op, uint32_t, uint16_t, uint16_t>();
  case Type::S32:
    return lanes<Op, int64_t, int32_t, int32_t>();
  case Type::U32:
    return lanes<Op, uint64_t, uint32_t, uint32_t>();
  default:
    return nullptr;
  }
}
static Handler wideMad(Type type) {
  switch (type) {
  case Type::S16:
    return lanes<MadWide, int32_t, int16_t, int16_t, int32_t>();
  case Type::U16:
    return lanes<MadWide, uint32_t, uint16_t, uint16_t, uint32_t>();
  case Type::S32:
    return lanes<MadWide, int64_t, int32_t, int32_t, int64_t>();
  case Type::U32:
    return lanes<MadWide, uint64_t, uint32_t, uint32_t, uint64_t>();
  default:
    return nullptr;
  }
}
template <class Op, unsigned N> static Handler same32(Type type) {
  if (type == Type::S32)
    return Same<Op, N>::template get<int32_t>();
  return Same<Op, N>::template get<uint32_t>();
}

/// Sums with carries: add.cc, addc, sub.cc, subc, mad.lo.cc and so on, one lane at a time.
/// As GPUs do, sub is the sum with the complement: the flag is set where nothing was borrowed,
/// which only mixing sub with add shows. option: bit 0 a carry comes in, bit 1 one goes out, bit 2
/// subtract, bit 3 mad.lo, bit 4 mad.hi.
template <class T>
static void addWithCarry(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto *result = reinterpret_cast<T *>(warp.slot(instruction.operands[0]));
  auto *a = reinterpret_cast<T *>(warp.slot(instruction.operands[1]));
  auto *b = reinterpret_cast<T *>(warp.slot(instruction.operands[2]));
  auto *c = reinterpret_cast<T *>(warp.slot(instruction.operands[3]));
  uint32_t option = instruction.option, carries = warp.carry;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    unsigned in = (option & 1 ? carries >> lane : option >> 2) & 1;
    T left = a[lane], right = option & 4 ? ~b[lane] : b[lane];
    if (option & 24) {
      Wide<T> product = isSigned(instruction.type)
                            ? Wide<T>(Wide<std::make_signed_t<T>>(std::make_signed_t<T>(left)) *
                                      Wide<std::make_signed_t<T>>(std::make_signed_t<T>(right)))
                            : Wide<T>(left) * Wide<T>(right);
      left = option & 8 ? T(product) : T(product >> (sizeof(T) * 8));
      right = c[lane];
    }
    Wide<T> sum = Wide<T>(left) + Wide<T>(right) + in;
    unsigned out = unsigned(sum >> (sizeof(T) * 8));
    result[lane] = T(sum);
    if (option & 2)
      warp.carry = (warp.carry & ~(1u << lane)) | (out << lane);
  }
  if (option & 24)
    warp.flow<3>(instruction, mask);
  else
    warp.flow<2>(instruction, mask);
}

static void bindCarry(Match &match) {
  llvm::StringRef opcode = match.statement->opcode;
  uint32_t option = opcode.ends_with("c") ? 1 : 0;
  if (match.has(".cc"))
    option |= 2;
  if (opcode.starts_with("sub"))
    option |= 4;
  if (opcode.starts_with("mad"))
    option |= match.has(".lo") ? 8 : 16;
  match.instruction->option = option;
  Type type = match.type(0);
  match.set(typeBits(type) == 64 ? addWithCarry<uint64_t> : addWithCarry<uint32_t>, type);
}

static void bindDp(Match &match) {
  bool signedA = match.type(0) == Type::S32, signedB = match.type(1) == Type::S32;
  auto choose = [&](Handler uu, Handler us, Handler su, Handler ss) {
    match.set(signedA ? (signedB ? ss : su) : (signedB ? us : uu));
  };
  using U = uint32_t;
  if (match.statement->opcode == "dp4a")
    choose(lanes<Dp4a<uint8_t, uint8_t>, U, U, U, U>(), lanes<Dp4a<uint8_t, int8_t>, U, U, U, U>(),
           lanes<Dp4a<int8_t, uint8_t>, U, U, U, U>(), lanes<Dp4a<int8_t, int8_t>, U, U, U, U>());
  else if (match.has(".lo"))
    choose(lanes<Dp2a<uint8_t, uint8_t, 0>, U, U, U, U>(),
           lanes<Dp2a<uint8_t, int8_t, 0>, U, U, U, U>(),
           lanes<Dp2a<int8_t, uint8_t, 0>, U, U, U, U>(),
           lanes<Dp2a<int8_t, int8_t, 0>, U, U, U, U>());
  else
    choose(lanes<Dp2a<uint8_t, uint8_t, 2>, U, U, U, U>(),
           lanes<Dp2a<uint8_t, int8_t, 2>, U, U, U, U>(),
           lanes<Dp2a<int8_t, uint8_t, 2>, U, U, U, U>(),
           lanes<Dp2a<int8_t, int8_t, 2>, U, U, U, U>());
}

template <class Op, unsigned N> static void bindSame(Match &match) {
  match.set(sameInteger<Op, N>(match.type(0)));
}
template <class Op, class T> static void bindPairs(Match &match) {
  match.set(lanes<Pairs<Op, T>, uint32_t, uint32_t, uint32_t>());
}
template <class Op, unsigned N> static void bind32(Match &match) {
  match.set(same32<Op, N>(match.type(0)));
}
template <class Op, unsigned N> static void bindInt32(Match &match) {
  match.set(Same<Op, N>::template get<int32_t>());
}

#define ALL_TYPES ".u16|.s16|.u32|.s32|.u64|.s64"
llvm::ArrayRef<Form> ptq::emulator::integerForms() {
  static const Form forms[] = {
      {"add " ALL_TYPES, "=0 0 0", "Integer Arithmetic: add", bindSame<Add, 2>},
      {"add .sat .s32", "=0 0 0", "Integer Arithmetic: add", bindInt32<AddSat, 2>},
      {"sub " ALL_TYPES, "=0 0 0", "Integer Arithmetic: sub", bindSame<Sub, 2>},
      {"sub .sat .s32", "=0 0 0", "Integer Arithmetic: sub", bindInt32<SubSat, 2>},
      {"add .cc .u32|.s32|.u64|.s64", "=0 0 0", "Extended-Precision: add.cc", bindCarry},
      {"addc ?.cc .u32|.s32|.u64|.s64", "=0 0 0", "Extended-Precision: addc", bindCarry},
      {"sub .cc .u32|.s32|.u64|.s64", "=0 0 0", "Extended-Precision: sub.cc", bindCarry},
      {"subc ?.cc .u32|.s32|.u64|.s64", "=0 0 0", "Extended-Precision: subc", bindCarry},
      {"mad .lo|.hi .cc .u32|.s32|.u64|.s64", "=0 0 0 0", "Extended-Precision: mad.cc", bindCarry},
      {"madc .lo|.hi ?.cc .u32|.s32|.u64|.s64", "=0 0 0 0", "Extended-Precision: madc", bindCarry},
      {"mul .lo " ALL_TYPES, "=0 0 0", "Integer Arithmetic: mul", bindSame<MulLo, 2>},
      {"mul .hi " ALL_TYPES, "=0 0 0", "Integer Arithmetic: mul", bindSame<MulHi, 2>},
      {"mul .wide .u16|.s16|.u32|.s32", "=w0 0 0", "Integer Arithmetic: mul",
       [](Match &m) { m.set(wideProduct<MulWide>(m.type(0))); }},
      {"mad .lo " ALL_TYPES, "=0 0 0 0", "Integer Arithmetic: mad", bindSame<MadLo, 3>},
      {"mad .hi " ALL_TYPES, "=0 0 0 0", "Integer Arithmetic: mad", bindSame<MadHi, 3>},
      {"mad .hi .sat .s32", "=0 0 0 0", "Integer Arithmetic: mad", bindInt32<MadHiSat, 3>},
      {"mad .wide .u16|.s16|.u32|.s32", "=w0 0 0 w0", "Integer Arithmetic: mad",
       [](Match &m) { m.set(wideMad(m.type(0))); }},
      {"mul24 .lo .u32|.s32", "=0 0 0", "Integer Arithmetic: mul24", bind32<Mul24Lo, 2>},
      {"mul24 .hi .u32|.s32", "=0 0 0", "Integer Arithmetic: mul24", bind32<Mul24Hi, 2>},
      {"mad24 .lo .u32|.s32", "=0 0 0 0", "Integer Arithmetic: mad24", bind32<Mad24Lo, 3>},
      {"mad24 .hi .u32|.s32", "=0 0 0 0", "Integer Arithmetic: mad24", bind32<Mad24Hi, 3>},
      {"mad24 .hi .sat .s32", "=0 0 0 0", "Integer Arithmetic: mad24", bindInt32<Mad24HiSat, 3>},
      {"div " ALL_TYPES, "=0 0 0", "Integer Arithmetic: div", bindSame<Div, 2>},
      {"rem " ALL_TYPES, "=0 0 0", "Integer Arithmetic: rem", bindSame<Rem, 2>},
      {"min " ALL_TYPES, "=0 0 0", "Integer Arithmetic: min", bindSame<Min, 2>},
      {"max " ALL_TYPES, "=0 0 0", "Integer Arithmetic: max", bindSame<Max, 2>},
      {"min .relu .s32", "=0 0 0", "Integer Arithmetic: min", bindInt32<MinRelu, 2>},
      {"max .relu .s32", "=0 0 0", "Integer Arithmetic: max", bindInt32<MaxRelu, 2>},
      {"add .u16x2", "=b32 b32 b32", "Integer Arithmetic: add", bindPairs<Add, uint16_t>},
      {"add .s16x2", "=b32 b32 b32", "Integer Arithmetic: add", bindPairs<Add, int16_t>},
      {"min .u16x2", "=b32 b32 b32", "Integer Arithmetic: min", bindPairs<Min, uint16_t>},
      {"min .s16x2", "=b32 b32 b32", "Integer Arithmetic: min", bindPairs<Min, int16_t>},
      {"max .u16x2", "=b32 b32 b32", "Integer Arithmetic: max", bindPairs<Max, uint16_t>},
      {"max .s16x2", "=b32 b32 b32", "Integer Arithmetic: max", bindPairs<Max, int16_t>},
      {"min .relu .s16x2", "=b32 b32 b32", "Integer Arithmetic: min",
       bindPairs<Relu16<Min>, int16_t>},
      {"max .relu .s16x2", "=b32 b32 b32", "Integer Arithmetic: max",
       bindPairs<Relu16<Max>, int16_t>},
      {"abs .s16|.s32|.s64", "=0 0", "Integer Arithmetic: abs", bindSame<Abs, 1>},
      {"neg .s16|.s32|.s64", "=0 0", "Integer Arithmetic: neg", bindSame<Neg, 1>},
      {"sad " ALL_TYPES, "=0 0 0 0", "Integer Arithmetic: sad", bindSame<Sad, 3>},
      {"dp4a .u32|.s32 .u32|.s32", "=u32 u32 u32 u32", "Integer Arithmetic: dp4a", bindDp},
      {"dp2a .lo|.hi .u32|.s32 .u32|.s32", "=u32 u32 u32 u32", "Integer Arithmetic: dp2a", bindDp},
  };
  return forms;
}

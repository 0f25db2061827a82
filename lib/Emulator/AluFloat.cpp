// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f32 and f64 arithmetic. Results that are NaN are 0x7fffffff in f32. Instructions that PTX lets
// approximate (div.approx, ex2.approx …) are correctly rounded here, or rounded from double.

#include "InstructionTable.h"
#include "SoftFloat.h"

#include <cfenv>

using namespace ptq::emulator;

namespace {
template <class T> PTQ_INLINE T saturate(T value) {
  return value > T(0) ? (value < T(1) ? value : T(1)) : T(0);
}

struct Add {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a + b; }
};
struct Sub {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a - b; }
};
struct Mul {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a * b; }
};
struct Fma {
  static PTQ_INLINE float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static PTQ_INLINE double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Div {
  template <class T> static PTQ_INLINE T apply(T a, T b) { return a / b; }
};
/// div.approx.f32: a · (1/b), which is zero for |b| above 2^126 (NaN if a is infinite).
struct DivApprox {
  static PTQ_INLINE float apply(float a, float b) {
    float magnitude = __builtin_fabsf(b);
    if (magnitude > 0x1p126f && magnitude < std::numeric_limits<float>::infinity())
      return a * __builtin_copysignf(0.0f, b);
    return a / b;
  }
};
struct Rcp {
  template <class T> static PTQ_INLINE T apply(T a) { return T(1) / a; }
};
struct Sqrt {
  static PTQ_INLINE float apply(float a) { return __builtin_sqrtf(a); }
  static PTQ_INLINE double apply(double a) { return __builtin_sqrt(a); }
};
struct Rsqrt {
  static PTQ_INLINE float apply(float a) {
    return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(a)));
  }
  static PTQ_INLINE double apply(double a) { return 1.0 / __builtin_sqrt(a); }
};
struct Ex2 {
  static PTQ_INLINE float apply(float a) { return static_cast<float>(std::exp2(double(a))); }
};
struct Lg2 {
  static PTQ_INLINE float apply(float a) { return static_cast<float>(std::log2(double(a))); }
};
struct Sin {
  static PTQ_INLINE float apply(float a) { return static_cast<float>(std::sin(double(a))); }
};
struct Cos {
  static PTQ_INLINE float apply(float a) { return static_cast<float>(std::cos(double(a))); }
};
struct Tanh {
  static PTQ_INLINE float apply(float a) { return static_cast<float>(std::tanh(double(a))); }
};
/// -0 is less than +0; a NaN is ignored, or is the result under .NaN.
template <bool Max, bool PropagateNan> struct Extremum {
  template <class T> static PTQ_INLINE T apply(T a, T b) {
    if (PropagateNan && (isNan(a) || isNan(b)))
      return std::numeric_limits<T>::quiet_NaN();
    if (isNan(a))
      return b;
    if (isNan(b))
      return a;
    if (a == b) {
      auto x = toStorage<T>(a), y = toStorage<T>(b);
      return fromStorage<T>(Max ? x & y : x | y);
    }
    return (a < b) != Max ? a : b;
  }
};
template <bool Max, bool PropagateNan> struct ExtremumOfAbs {
  static PTQ_INLINE float apply(float a, float b) {
    uint32_t sign = static_cast<uint32_t>(bitsOf(a) ^ bitsOf(b)) & 0x80000000;
    float result = Extremum<Max, PropagateNan>::apply(__builtin_fabsf(a), __builtin_fabsf(b));
    return floatFromBits(static_cast<uint32_t>(bitsOf(result)) | sign);
  }
};
struct Abs {
  static PTQ_INLINE float apply(float a) { return __builtin_fabsf(a); }
  static PTQ_INLINE double apply(double a) { return __builtin_fabs(a); }
};
struct Neg {
  template <class T> static PTQ_INLINE T apply(T a) { return -a; }
};
/// The sign of a, the magnitude of b.
struct Copysign {
  static PTQ_INLINE float apply(float a, float b) { return __builtin_copysignf(b, a); }
  static PTQ_INLINE double apply(double a, double b) { return __builtin_copysign(b, a); }
};

template <class Op> struct WithFlush {
  template <class... T> static PTQ_INLINE float apply(T... sources) {
    return flush(canonical(Op::apply(flush(sources)...)));
  }
};
template <class Op> struct WithSaturation {
  template <class... T> static PTQ_INLINE auto apply(T... sources) {
    return saturate(Op::apply(sources...));
  }
};
template <class Op> struct Canonical {
  template <class... T> static PTQ_INLINE auto apply(T... sources) {
    return canonical(Op::apply(sources...));
  }
};
} // namespace

template <class Op, class T, unsigned N> static Handler sameLanes() {
  return Same<Op, N>::template get<T>();
}

/// f32 with .ftz and .sat, or f64.
template <class Op, unsigned N> static Handler nearest(Match &match) {
  if (match.types.back() == Type::F64)
    return sameLanes<Op, double, N>();
  bool ftz = match.has(".ftz"), sat = match.has(".sat");
  if (ftz)
    return sat ? sameLanes<WithSaturation<WithFlush<Op>>, float, N>()
               : sameLanes<WithFlush<Op>, float, N>();
  return sat ? sameLanes<WithSaturation<Op>, float, N>() : sameLanes<Canonical<Op>, float, N>();
}

/// Directed roundings: the processor's own, set around a scalar loop.
template <class Op, class T, unsigned N>
static void directed(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto load = [&](unsigned operand, unsigned lane) {
    auto *raw = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[operand]));
    T value = fromStorage<T>(raw[lane]);
    if constexpr (sizeof(T) == 4)
      return instruction.option & 4 ? flush(value) : value;
    else
      return value;
  };
  static constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
  int before = fegetround();
  auto *result = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[0]));
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    volatile T a = load(1, lane), b = N > 1 ? load(2, lane) : T(0),
               c = N > 2 ? load(3, lane) : T(0);
    fesetround(modes[instruction.option & 3]);
    volatile T value;
    if constexpr (N == 1)
      value = Op::apply(T(a));
    else if constexpr (N == 2)
      value = Op::apply(T(a), T(b));
    else
      value = Op::apply(T(a), T(b), T(c));
    fesetround(before);
    T final = canonical(T(value));
    if constexpr (sizeof(T) == 4)
      if (instruction.option & 4)
        final = flush(final);
    if (instruction.option & 8)
      final = saturate(final);
    result[lane] = toStorage<T>(final);
  }
  warp.flow<N>(instruction, mask);
}

template <class Op, unsigned N> static void bindRounded(Match &match) {
  uint32_t mode = match.has(".rz") ? 1 : match.has(".rm") ? 2 : match.has(".rp") ? 3 : 0;
  if (mode == 0)
    return match.set(nearest<Op, N>(match));
  match.instruction->option = mode | (match.has(".ftz") ? 4 : 0) | (match.has(".sat") ? 8 : 0);
  match.set(match.types.back() == Type::F64 ? directed<Op, double, N> : directed<Op, float, N>);
}
template <class Op, unsigned N> static void bindFloat32(Match &match) {
  match.set(match.has(".ftz") ? sameLanes<WithFlush<Op>, float, N>()
                              : sameLanes<Canonical<Op>, float, N>());
}
/// Signs and magnitudes: NaNs keep their bits.
template <class Op, unsigned N> static void bindSign(Match &match) {
  if (match.type(0) == Type::F64)
    return match.set(sameLanes<Op, double, N>());
  match.set(match.has(".ftz") ? sameLanes<WithFlush<Op>, float, N>() : sameLanes<Op, float, N>());
}
template <bool Max> static void bindExtremum(Match &match) {
  if (match.type(0) == Type::F64)
    return match.set(sameLanes<Extremum<Max, false>, double, 2>());
  bool ofAbs = match.has(".xorsign");
  if (match.has(".NaN"))
    return ofAbs ? bindFloat32<ExtremumOfAbs<Max, true>, 2>(match)
                 : bindFloat32<Extremum<Max, true>, 2>(match);
  return ofAbs ? bindFloat32<ExtremumOfAbs<Max, false>, 2>(match)
               : bindFloat32<Extremum<Max, false>, 2>(match);
}

/// testp: option is which class.
template <class T>
static void testProperty(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto *source = reinterpret_cast<StorageOf<T> *>(warp.slot(instruction.operands[1]));
  uint32_t result = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    T value = fromStorage<T>(source[lane]);
    bool yes = false;
    switch (instruction.option) {
    case 0:
      yes = std::isfinite(value);
      break;
    case 1:
      yes = std::isinf(value);
      break;
    case 2:
      yes = !std::isnan(value);
      break;
    case 3:
      yes = std::isnan(value);
      break;
    case 4: // zeros count as normal
      yes = std::isnormal(value) || value == 0;
      break;
    default:
      yes = std::fpclassify(value) == FP_SUBNORMAL;
      break;
    }
    result |= uint32_t(yes) << lane;
  }
  warp.setPredicate(instruction.operands[0], result, mask);
  warp.flow<1>(instruction, mask);
}
static void bindTest(Match &match) {
  static constexpr llvm::StringLiteral names[] = {".finite",     ".infinite", ".number",
                                                  ".notanumber", ".normal",   ".subnormal"};
  match.instruction->option = llvm::find(names, match.modifiers[0]) - std::begin(names);
  match.set(match.type(0) == Type::F64 ? testProperty<double> : testProperty<float>);
}

llvm::ArrayRef<Form> ptq::emulator::floatForms() {
  static const Form forms[] = {
      {"add ?.rn|.rz|.rm|.rp ?.ftz ?.sat .f32", "=0 0 0", "Floating Point: add",
       bindRounded<Add, 2>},
      {"add ?.rn|.rz|.rm|.rp .f64", "=0 0 0", "Floating Point: add", bindRounded<Add, 2>},
      {"sub ?.rn|.rz|.rm|.rp ?.ftz ?.sat .f32", "=0 0 0", "Floating Point: sub",
       bindRounded<Sub, 2>},
      {"sub ?.rn|.rz|.rm|.rp .f64", "=0 0 0", "Floating Point: sub", bindRounded<Sub, 2>},
      {"mul ?.rn|.rz|.rm|.rp ?.ftz ?.sat .f32", "=0 0 0", "Floating Point: mul",
       bindRounded<Mul, 2>},
      {"mul ?.rn|.rz|.rm|.rp .f64", "=0 0 0", "Floating Point: mul", bindRounded<Mul, 2>},
      {"fma .rn|.rz|.rm|.rp ?.ftz ?.sat .f32", "=0 0 0 0", "Floating Point: fma",
       bindRounded<Fma, 3>},
      {"fma .rn|.rz|.rm|.rp .f64", "=0 0 0 0", "Floating Point: fma", bindRounded<Fma, 3>},
      {"mad .rn|.rz|.rm|.rp ?.ftz ?.sat .f32", "=0 0 0 0", "Floating Point: mad",
       bindRounded<Fma, 3>},
      {"mad .rn|.rz|.rm|.rp .f64", "=0 0 0 0", "Floating Point: mad", bindRounded<Fma, 3>},
      {"div .approx ?.ftz .f32", "=0 0 0", "Floating Point: div", bindFloat32<DivApprox, 2>},
      {"div .full|.rn|.rz|.rm|.rp ?.ftz .f32", "=0 0 0", "Floating Point: div",
       bindRounded<Div, 2>},
      {"div .rn|.rz|.rm|.rp .f64", "=0 0 0", "Floating Point: div", bindRounded<Div, 2>},
      {"rcp .approx|.rn|.rz|.rm|.rp ?.ftz .f32", "=0 0", "Floating Point: rcp",
       bindRounded<Rcp, 1>},
      {"rcp .rn|.rz|.rm|.rp ?.ftz .f64", "=0 0", "Floating Point: rcp", bindRounded<Rcp, 1>},
      {"rcp .approx .ftz .f64", "=0 0", "Floating Point: rcp.approx.ftz.f64", bindRounded<Rcp, 1>},
      {"sqrt .approx|.rn|.rz|.rm|.rp ?.ftz .f32", "=0 0", "Floating Point: sqrt",
       bindRounded<Sqrt, 1>},
      {"sqrt .rn|.rz|.rm|.rp .f64", "=0 0", "Floating Point: sqrt", bindRounded<Sqrt, 1>},
      {"rsqrt .approx ?.ftz .f32", "=0 0", "Floating Point: rsqrt", bindRounded<Rsqrt, 1>},
      {"rsqrt .approx ?.ftz .f64", "=0 0", "Floating Point: rsqrt", bindRounded<Rsqrt, 1>},
      {"ex2 .approx ?.ftz .f32", "=0 0", "Floating Point: ex2", bindFloat32<Ex2, 1>},
      {"lg2 .approx ?.ftz .f32", "=0 0", "Floating Point: lg2", bindFloat32<Lg2, 1>},
      {"sin .approx ?.ftz .f32", "=0 0", "Floating Point: sin", bindFloat32<Sin, 1>},
      {"cos .approx ?.ftz .f32", "=0 0", "Floating Point: cos", bindFloat32<Cos, 1>},
      {"tanh .approx .f32", "=0 0", "Floating Point: tanh", bindFloat32<Tanh, 1>},
      {"min ?.ftz ?.NaN .f32", "=0 0 0", "Floating Point: min", bindExtremum<false>},
      {"max ?.ftz ?.NaN .f32", "=0 0 0", "Floating Point: max", bindExtremum<true>},
      {"min ?.ftz ?.NaN .xorsign .abs .f32", "=0 0 0", "Floating Point: min", bindExtremum<false>},
      {"max ?.ftz ?.NaN .xorsign .abs .f32", "=0 0 0", "Floating Point: max", bindExtremum<true>},
      {"min .f64", "=0 0 0", "Floating Point: min", bindExtremum<false>},
      {"max .f64", "=0 0 0", "Floating Point: max", bindExtremum<true>},
      {"abs ?.ftz .f32", "=0 0", "Floating Point: abs", bindSign<Abs, 1>},
      {"abs .f64", "=0 0", "Floating Point: abs", bindSign<Abs, 1>},
      {"neg ?.ftz .f32", "=0 0", "Floating Point: neg", bindSign<Neg, 1>},
      {"neg .f64", "=0 0", "Floating Point: neg", bindSign<Neg, 1>},
      {"copysign .f32|.f64", "=0 0 0", "Floating Point: copysign", bindSign<Copysign, 2>},
      {"testp .finite|.infinite|.number|.notanumber|.normal|.subnormal .f32|.f64", "=pred 0",
       "Floating Point: testp", bindTest},
  };
  return forms;
}

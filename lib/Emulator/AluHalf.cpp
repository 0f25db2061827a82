// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f16, bf16 and their pairs. Sums and products are formed in double, rounded to odd where that is
// not exact, and so rounded once to the result.

#include "InstructionTable.h"
#include "SoftFloat.h"

using namespace ptq::emulator;

namespace {
template <class T> T encodeAs(double value);
template <> inline Half encodeAs<Half>(double value) { return toHalf(value); }
template <> inline BFloat encodeAs<BFloat>(double value) { return toBFloat(value); }

struct Add {
  template <class T> static T apply(T a, T b) {
    return encodeAs<T>(addRoundedToOdd(toFloat(a), toFloat(b)));
  }
};
struct Sub {
  template <class T> static T apply(T a, T b) {
    return encodeAs<T>(addRoundedToOdd(toFloat(a), -toFloat(b)));
  }
};
struct Mul {
  template <class T> static T apply(T a, T b) {
    return encodeAs<T>(double(toFloat(a)) * double(toFloat(b)));
  }
};
struct Fma {
  template <class T> static T apply(T a, T b, T c) {
    return encodeAs<T>(addRoundedToOdd(double(toFloat(a)) * double(toFloat(b)), toFloat(c)));
  }
};
template <bool Max, bool PropagateNan> struct Extremum {
  template <class T> static T apply(T a, T b) {
    if (PropagateNan ? isNan(a) || isNan(b) : isNan(a) && isNan(b))
      return {0x7fff};
    if (isNan(a))
      return b;
    if (isNan(b))
      return a;
    float x = toFloat(a), y = toFloat(b);
    if (x == y)
      return {static_cast<uint16_t>(Max ? a.bits & b.bits : a.bits | b.bits)};
    return (x < y) != Max ? a : b;
  }
};
template <bool Max, bool PropagateNan> struct ExtremumOfAbs {
  template <class T> static T apply(T a, T b) {
    uint16_t sign = (a.bits ^ b.bits) & 0x8000;
    T result = Extremum<Max, PropagateNan>::apply(T{uint16_t(a.bits & 0x7fff)},
                                                  T{uint16_t(b.bits & 0x7fff)});
    if (isNan(result))
      return {0x7fff};
    return {static_cast<uint16_t>(result.bits | sign)};
  }
};
struct Abs {
  template <class T> static T apply(T a) { return {static_cast<uint16_t>(a.bits & 0x7fff)}; }
};
struct Neg {
  template <class T> static T apply(T a) { return {static_cast<uint16_t>(a.bits ^ 0x8000)}; }
};
struct Ex2 {
  template <class T> static T apply(T a) { return encodeAs<T>(std::exp2(double(toFloat(a)))); }
};
struct Tanh {
  template <class T> static T apply(T a) { return encodeAs<T>(std::tanh(double(toFloat(a)))); }
};

template <class Op> struct WithFlush {
  template <class... T> static auto apply(T... sources) {
    return flush(Op::apply(flush(sources)...));
  }
};
template <class Op> struct WithSaturation {
  template <class... T> static auto apply(T... sources) {
    auto result = Op::apply(sources...);
    float value = toFloat(result);
    if (!(value > 0))
      result.bits = 0;
    else if (value > 1)
      result = encodeAs<decltype(result)>(1);
    return result;
  }
};
template <class Op> struct WithRelu {
  template <class... T> static auto apply(T... sources) {
    auto result = Op::apply(sources...);
    if (!isNan(result) && (result.bits & 0x8000))
      result.bits = 0;
    return result;
  }
};
/// The operation on both halves.
template <class Op, class T> struct Pairs {
  template <class... S> static uint32_t apply(S... sources) {
    auto low = Op::apply(T{static_cast<uint16_t>(sources)}...);
    auto high = Op::apply(T{static_cast<uint16_t>(sources >> 16)}...);
    return low.bits | uint32_t(high.bits) << 16;
  }
};
} // namespace

template <class Op, unsigned N> static Handler ofType(Type type) {
  switch (type) {
  case Type::F16:
    return Same<Op, N>::template get<Half>();
  case Type::BF16:
    return Same<Op, N>::template get<BFloat>();
  case Type::F16x2:
    return Same<Pairs<Op, Half>, N>::template get<uint32_t>();
  default:
    return Same<Pairs<Op, BFloat>, N>::template get<uint32_t>();
  }
}
/// f16 only, as bf16 has no .ftz and no .sat.
template <class Op, unsigned N> static Handler ofHalf(Type type) {
  return type == Type::F16 ? Same<Op, N>::template get<Half>()
                           : Same<Pairs<Op, Half>, N>::template get<uint32_t>();
}

template <class Op, unsigned N> static void bindArithmetic(Match &match) {
  Type type = match.type(0);
  bool ftz = match.has(".ftz"), sat = match.has(".sat");
  if (match.has(".relu"))
    match.set(ftz ? ofHalf<WithRelu<WithFlush<Op>>, N>(type) : ofType<WithRelu<Op>, N>(type));
  else if (ftz)
    match.set(sat ? ofHalf<WithSaturation<WithFlush<Op>>, N>(type)
                  : ofHalf<WithFlush<Op>, N>(type));
  else
    match.set(sat ? ofHalf<WithSaturation<Op>, N>(type) : ofType<Op, N>(type));
}
template <class Op> static void bindExtremumOp(Match &match) {
  match.set(match.has(".ftz") ? ofHalf<WithFlush<Op>, 2>(match.type(0))
                              : ofType<Op, 2>(match.type(0)));
}
template <bool Max> static void bindExtremum(Match &match) {
  bool nan = match.has(".NaN");
  if (match.has(".xorsign"))
    return nan ? bindExtremumOp<ExtremumOfAbs<Max, true>>(match)
               : bindExtremumOp<ExtremumOfAbs<Max, false>>(match);
  return nan ? bindExtremumOp<Extremum<Max, true>>(match)
             : bindExtremumOp<Extremum<Max, false>>(match);
}
template <class Op> static void bindUnary(Match &match) {
  match.set(match.has(".ftz") && (match.type(0) == Type::F16 || match.type(0) == Type::F16x2)
                ? ofHalf<WithFlush<Op>, 1>(match.type(0))
                : ofType<Op, 1>(match.type(0)));
}

#define HALF ".f16|.f16x2"
#define BF ".bf16|.bf16x2"
llvm::ArrayRef<Form> ptq::emulator::halfForms() {
  static const Form forms[] = {
      {"add ?.rn ?.ftz ?.sat " HALF, "=0 0 0", "Half Precision: add", bindArithmetic<Add, 2>},
      {"add ?.rn " BF, "=0 0 0", "Half Precision: add", bindArithmetic<Add, 2>},
      {"sub ?.rn ?.ftz ?.sat " HALF, "=0 0 0", "Half Precision: sub", bindArithmetic<Sub, 2>},
      {"sub ?.rn " BF, "=0 0 0", "Half Precision: sub", bindArithmetic<Sub, 2>},
      {"mul ?.rn ?.ftz ?.sat " HALF, "=0 0 0", "Half Precision: mul", bindArithmetic<Mul, 2>},
      {"mul ?.rn " BF, "=0 0 0", "Half Precision: mul", bindArithmetic<Mul, 2>},
      {"fma .rn ?.ftz ?.sat " HALF, "=0 0 0 0", "Half Precision: fma", bindArithmetic<Fma, 3>},
      {"fma .rn ?.ftz .relu " HALF, "=0 0 0 0", "Half Precision: fma", bindArithmetic<Fma, 3>},
      {"fma .rn ?.relu " BF, "=0 0 0 0", "Half Precision: fma", bindArithmetic<Fma, 3>},
      {"min ?.ftz ?.NaN " HALF, "=0 0 0", "Half Precision: min", bindExtremum<false>},
      {"min ?.ftz ?.NaN .xorsign .abs " HALF, "=0 0 0", "Half Precision: min", bindExtremum<false>},
      {"min ?.NaN " BF, "=0 0 0", "Half Precision: min", bindExtremum<false>},
      {"min ?.NaN .xorsign .abs " BF, "=0 0 0", "Half Precision: min", bindExtremum<false>},
      {"max ?.ftz ?.NaN " HALF, "=0 0 0", "Half Precision: max", bindExtremum<true>},
      {"max ?.ftz ?.NaN .xorsign .abs " HALF, "=0 0 0", "Half Precision: max", bindExtremum<true>},
      {"max ?.NaN " BF, "=0 0 0", "Half Precision: max", bindExtremum<true>},
      {"max ?.NaN .xorsign .abs " BF, "=0 0 0", "Half Precision: max", bindExtremum<true>},
      {"abs ?.ftz " HALF, "=0 0", "Half Precision: abs", bindUnary<Abs>},
      {"abs " BF, "=0 0", "Half Precision: abs", bindUnary<Abs>},
      {"neg ?.ftz " HALF, "=0 0", "Half Precision: neg", bindUnary<Neg>},
      {"neg " BF, "=0 0", "Half Precision: neg", bindUnary<Neg>},
      {"ex2 .approx " HALF, "=0 0", "Half Precision: ex2", bindUnary<Ex2>},
      {"ex2 .approx .ftz " BF, "=0 0", "Half Precision: ex2", bindUnary<Ex2>},
      {"tanh .approx " HALF "|" BF, "=0 0", "Half Precision: tanh", bindUnary<Tanh>},
  };
  return forms;
}

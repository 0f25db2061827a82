// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions on floats that compilers of C do not write, each against the PTX ISA's text or
// pseudo-code as a function on the host.

#include "InstructionCheck.h"

#include <cfenv>

using namespace ptq::emulator;

namespace {
using U = uint64_t;
constexpr U nan32 = 0x7fffffff;

double asDouble(U bits) {
  double value;
  std::memcpy(&value, &bits, 8);
  return value;
}
U doubleBits(double value) {
  U bits;
  std::memcpy(&bits, &value, 8);
  return bits;
}
float bfloat(U bits) { return asFloat((bits & 0xffff) << 16); }
bool isNan16(U bits, bool isBf) { return (bits & 0x7fff) > (isBf ? 0x7f80u : 0x7c00u); }
/// The value of an f16, from its definition.
double half(U bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
  double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31)
    return mantissa ? NAN : sign * INFINITY;
  return sign * std::ldexp(exponent ? 1024 + mantissa : mantissa, std::max(exponent, 1) - 25);
}
/// The f16 or bf16 nearest to a value, found among all of them: the search is the definition.
U nearest16(double value, bool isBf) {
  if (std::isnan(value))
    return 0x7fff;
  U sign = std::signbit(value) ? 0x8000 : 0, infinity = isBf ? 0x7f80 : 0x7c00;
  double magnitude = std::fabs(value);
  auto valueOf = [&](U code) -> double {
    if (code == infinity) // as if the exponents went on
      return isBf ? std::ldexp(1.0, 128) : 65536.0;
    return isBf ? bfloat(code) : half(code);
  };
  if (std::isinf(value))
    return sign | infinity;
  U low = 0, high = infinity;
  while (high - low > 1) {
    U middle = (low + high) / 2;
    (valueOf(middle) <= magnitude ? low : high) = middle;
  }
  if (magnitude >= valueOf(high))
    return sign | high;
  double below = magnitude - valueOf(low), above = valueOf(high) - magnitude;
  return sign | (below < above || (below == above && low % 2 == 0) ? low : high);
}
} // namespace

TEST(Semantics, TestsAndSigns) {
  const char *classes[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  for (int kind = 0; kind != 6; ++kind)
    check(std::string("{ testp.") + classes[kind] + ".f32 %p1, A; selp.u32 D, 1, 0, %p1; }", "rrrr",
          [=](U a, U, U) {
            U exponent = a >> 23 & 255, mantissa = a & 0x7fffff;
            bool nan = exponent == 255 && mantissa, inf = exponent == 255 && !mantissa;
            bool sub = exponent == 0 && mantissa;
            bool yes[] = {exponent != 255, inf, !nan, nan, exponent != 255 && !sub, sub};
            return U(yes[kind]);
          });
  check("copysign.f64 D, A, B", "dddr",
        [](U a, U b, U) { return (a >> 63) << 63 | (b & ~(U(1) << 63)); });
  check("max.xorsign.abs.f32 D, A, B", "rrrr", [](U a, U b, U) {
    U x = a & 0x7fffffff, y = b & 0x7fffffff, sign = (a ^ b) & 0x80000000;
    bool nx = x > 0x7f800000, ny = y > 0x7f800000;
    if (nx && ny)
      return nan32;
    return sign | (nx ? y : ny ? x : std::max(x, y));
  });
  check("min.NaN.bf16x2 D, A, B", "rrrr", [](U a, U b, U) {
    return perHalf(a, b, 0, [](U x, U y, U) -> U {
      if (isNan16(x, true) || isNan16(y, true))
        return 0x7fff;
      if (bfloat(x) == bfloat(y))
        return x | y;
      return bfloat(x) < bfloat(y) ? x : y;
    });
  });
  check("max.xorsign.abs.f16x2 D, A, B", "rrrr", [](U a, U b, U) {
    return perHalf(a, b, 0, [](U x, U y, U) -> U {
      U p = x & 0x7fff, q = y & 0x7fff, sign = (x ^ y) & 0x8000;
      if (isNan16(x, false) && isNan16(y, false))
        return 0x7fff;
      return sign | (isNan16(x, false) ? q : isNan16(y, false) ? p : std::max(p, q));
    });
  });
}

TEST(Semantics, HalfArithmetic) {
  for (bool isBf : {false, true}) {
    std::string type = isBf ? "bf16x2" : "f16x2";
    auto valueOf = [=](U bits) { return isBf ? double(bfloat(bits)) : half(bits); };
    auto each = [=](U a, U b, U c, auto op) {
      return perHalf(a, b, c, [&](U x, U y, U z) {
        return nearest16(op(valueOf(x), valueOf(y), valueOf(z)), isBf);
      });
    };
    // Products of bf16 are exact in double; sums are where exponents are close, else the larger
    // decides: corner inputs where the double rounds are left to the soft-float's own test.
    check("mul.rn." + type + " D, A, B", "rrrr", [=](U a, U b, U) {
      return each(a, b, 0, [](double x, double y, double) { return x * y; });
    });
    check("fma.rn.relu." + type + " D, A, B, C", "rrrr", [=](U a, U b, U c) {
      return perHalf(a, b, c, [&](U x, U y, U z) -> U {
        // The exact sum is `rounded` and a rest, which only has to break ties: rounded to odd.
        double product = valueOf(x) * valueOf(y), addend = valueOf(z), rounded = product + addend;
        if (std::isfinite(rounded)) {
          if (std::fabs(product) < std::fabs(addend))
            std::swap(product, addend);
          double rest = addend - (rounded - product);
          U bits = doubleBits(rounded);
          if (rest != 0 && !(bits & 1))
            rounded = asDouble((rest > 0) == (rounded > 0) ? bits + 1 : bits - 1);
        }
        U result = nearest16(rounded, isBf);
        return result != 0x7fff && (result & 0x8000) ? 0 : result;
      });
    });
    check("neg." + type + " D, A", "rrrr", [](U a, U, U) { return a ^ 0x80008000; });
    check("abs." + type + " D, A", "rrrr", [](U a, U, U) { return a & 0x7fff7fff; });
    check("{ set.gtu." + type + "." + type + " D, A, B; }", "rrrr", [=](U a, U b, U) {
      U one = isBf ? 0x3f80 : 0x3c00;
      return perHalf(a, b, 0, [=](U x, U y, U) { return valueOf(x) <= valueOf(y) ? U(0) : one; });
    });
  }
  check("add.rn.ftz.sat.f16 D, A, B", "hhhh", [](U a, U b, U) -> U {
    auto flush = [](U x) { return x & 0x7c00 ? x : x & 0x8000; };
    U sum = nearest16(half(flush(a)) + half(flush(b)), false);
    sum = sum == 0x7fff ? sum : flush(sum);
    return half(sum) > 0 ? std::min<U>(sum, 0x3c00) : 0;
  });
}

TEST(Semantics, DirectedRounding) {
  const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
  const char *names[] = {"rn", "rz", "rm", "rp"};
  for (int mode = 0; mode != 4; ++mode) {
    auto with = [=](auto op) {
      int before = fegetround();
      fesetround(modes[mode]);
      volatile auto result = op();
      fesetround(before);
      return result;
    };
    auto bits32 = [](float value) { return value != value ? nan32 : asBits(value); };
    std::string name = names[mode];
    check("add." + name + ".f32 D, A, B", "rrrr", [=](U a, U b, U) {
      volatile float x = asFloat(a), y = asFloat(b);
      return bits32(with([&] { return float(x + y); }));
    });
    check("fma." + name + ".f32 D, A, B, C", "rrrr", [=](U a, U b, U c) {
      volatile float x = asFloat(a), y = asFloat(b), z = asFloat(c);
      return bits32(with([&] { return std::fmaf(x, y, z); }));
    });
    check("div." + name + ".f32 D, A, B", "rrrr", [=](U a, U b, U) {
      volatile float x = asFloat(a), y = asFloat(b);
      return bits32(with([&] { return float(x / y); }));
    });
    check("sqrt." + name + ".f32 D, A", "rrrr", [=](U a, U, U) {
      volatile float x = asFloat(a);
      return bits32(with([&] { return std::sqrt(float(x)); }));
    });
    check("cvt." + name + ".f32.s64 D, A", "rdrr", [=](U a, U, U) {
      volatile int64_t x = int64_t(a);
      return asBits(with([&] { return float(x); }));
    });
    check("cvt." + name + ".f32.f64 D, A", "rdrr", [=](U a, U, U) {
      volatile double x = asDouble(a);
      return bits32(with([&] { return float(x); }));
    });
  }
  for (const char *name : {"sqrt.approx.f32", "rcp.rn.f32", "rsqrt.approx.ftz.f32",
                           "ex2.approx.f32", "lg2.approx.f32", "sin.approx.f32", "tanh.approx.f32"})
    check("{ testp.notanumber.f32 %p1, A; " + std::string(name) + " D, A; @!%p1 mov.b32 D, 0; }",
          "rrrr", [](U a, U, U) { return (a & 0x7fffffff) > 0x7f800000 ? nan32 : 0; });
  check("div.approx.f32 D, A, B", "rrrr", [](U a, U b, U) {
    float x = asFloat(a), y = asFloat(b), q = x / y;
    if (std::isfinite(y) && std::fabs(y) > 0x1p126f)
      q = x * std::copysign(0.0f, y);
    return q != q ? nan32 : asBits(q);
  });
}

TEST(Semantics, Conversions) {
  for (const char *source : {"f32", "f64"})
    for (const char *target : {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"})
      for (const char *mode : {"rni", "rzi", "rmi", "rpi"}) {
        bool wide = source[1] == '6', isSigned = target[0] == 's';
        int bits = std::atoi(target + 1);
        std::string registers = std::string(bits == 64 ? "d" : "r") + (wide ? "d" : "r") + "rr";
        check(std::string("cvt.") + mode + "." + target + "." + source + " D, A", registers.c_str(),
              [=](U a, U, U) -> U {
                double value = wide ? asDouble(a) : asFloat(a);
                if (std::isnan(value)) {
                  if (!wide && bits != 64)
                    return 0;
                  U least = U(1) << (bits - 1);
                  return isSigned ? U(int64_t(least << (64 - bits)) >> (64 - bits)) : least;
                }
                std::string m = mode;
                value = m == "rni"   ? std::nearbyint(value)
                        : m == "rzi" ? std::trunc(value)
                        : m == "rmi" ? std::floor(value)
                                     : std::ceil(value);
                long double top = std::ldexp(1.0L, bits - isSigned);
                long double low = isSigned ? -top : 0;
                long double clamped =
                    std::min<long double>(std::max<long double>(value, low), top - 1);
                return isSigned ? U(int64_t(clamped)) : U(clamped);
              });
      }
  for (const char *to : {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"})
    for (const char *from : {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"}) {
      int toBits = std::atoi(to + 1), fromBits = std::atoi(from + 1);
      bool toSigned = to[0] == 's', fromSigned = from[0] == 's';
      bool fits = toSigned ? fromBits + !fromSigned <= toBits : !fromSigned && fromBits <= toBits;
      for (bool sat : {false, true}) {
        if (sat && fits)
          continue;
        std::string registers =
            std::string(toBits == 64 ? "d" : "r") + (fromBits == 64 ? "d" : "r") + "rr";
        check(std::string("cvt.") + (sat ? "sat." : "") + to + "." + from + " D, A",
              registers.c_str(), [=](U a, U, U) {
                __int128 value = fromSigned
                                     ? __int128(int64_t(a << (64 - fromBits)) >> (64 - fromBits))
                                     : __int128(a << (64 - fromBits) >> (64 - fromBits));
                if (sat) {
                  __int128 top = (__int128(1) << (toBits - toSigned)) - 1,
                           low = toSigned ? -top - 1 : 0;
                  value = std::min(std::max(value, low), top);
                }
                U bits = U(value) << (64 - toBits);
                return toSigned ? U(int64_t(bits) >> (64 - toBits)) : bits >> (64 - toBits);
              });
      }
    }
  check("cvt.rn.satfinite.f16x2.f32 D, A, B", "rrrr", [](U a, U b, U) {
    auto one = [](U bits) {
      U result = nearest16(asFloat(bits), false);
      return (result & 0x7fff) == 0x7c00 ? result - 1 : result;
    };
    return one(a) << 16 | one(b);
  });
  check("cvt.rn.relu.bf16x2.f32 D, A, B", "rrrr", [](U a, U b, U) {
    auto one = [](U bits) {
      U result = nearest16(asFloat(bits), true);
      return result != 0x7fff && (result & 0x8000) ? 0 : result;
    };
    return one(a) << 16 | one(b);
  });
  check("cvt.rz.bf16.f32 D, A", "hrrr",
        [](U a, U, U) { return (a & 0x7fffffff) > 0x7f800000 ? U(0x7fff) : a >> 16; });
  check("cvt.rna.tf32.f32 D, A", "rrrr", [](U a, U, U) {
    if ((a & 0x7f800000) == 0x7f800000)
      return a & 0x7fffff ? nan32 : a;
    return (a + 0x1000) & ~U(0x1fff);
  });
  for (const char *type : {"u8", "s8", "u16", "s16", "u4", "s4", "u2", "s2"}) {
    int bits = std::atoi(type + 1);
    bool isSigned = type[0] == 's';
    check(std::string("cvt.pack.sat.") + type +
              (bits == 16 ? ".s32 D, A, B" : ".s32.b32 D, A, B, C"),
          "rrrr", [=](U a, U b, U c) {
            auto clamp = [=](U word) {
              int64_t top = (int64_t(1) << (bits - isSigned)) - 1, low = isSigned ? -top - 1 : 0;
              return U(std::min(std::max<int64_t>(int32_t(word), low), top)) & ((U(1) << bits) - 1);
            };
            return clamp(a) << bits | clamp(b) | (bits == 16 ? 0 : c << 2 * bits);
          });
  }
}

/// Every 8-bit float to f16 by the formats' definition, and back from f32 by search.
TEST(Semantics, EightBitFloats) {
  for (bool e4m3 : {true, false}) {
    auto valueOf = [=](U code) -> double {
      int mantissaBits = e4m3 ? 3 : 2, bias = e4m3 ? 7 : 15;
      int exponent = (code & 0x7f) >> mantissaBits, mantissa = code & ((1 << mantissaBits) - 1);
      double sign = code & 0x80 ? -1 : 1;
      if (e4m3 ? (code & 0x7f) == 0x7f : exponent == 31)
        return mantissa ? NAN : sign * INFINITY;
      return sign * std::ldexp((exponent ? 1 << mantissaBits : 0) + mantissa,
                               std::max(exponent, 1) - bias - mantissaBits);
    };
    std::string type = e4m3 ? "e4m3x2" : "e5m2x2";
    check("cvt.rn.f16x2." + type + " D, A", "rhrr", [=](U a, U, U) {
      return nearest16(valueOf(a & 255), false) | nearest16(valueOf(a >> 8), false) << 16;
    });
    check("cvt.rn.satfinite." + type + ".f32 D, A, B", "hrrr", [=](U a, U b, U) {
      auto one = [=](U bits) -> U {
        double value = asFloat(bits), best = INFINITY;
        if (std::isnan(value))
          return 0x7f;
        U found = 0, last = e4m3 ? 0x7e : 0x7b;
        for (U code = 0; code <= last; ++code) {
          double distance = std::fabs(valueOf(code) - std::min(std::fabs(value), valueOf(last)));
          if (distance < best || (distance == best && code % 2 == 0)) {
            best = distance;
            found = code;
          }
        }
        return found | (std::signbit(value) ? 0x80 : 0);
      };
      return one(a) << 8 | one(b);
    });
  }
}

/// What PTX lets be approximate, within the ISA's bounds.
TEST(Semantics, Approximations) {
  auto close = [](const char *instruction, double (*function)(double), double relative,
                  double absolute) {
    Session session(entry(".param .u64 in, .param .u64 out",
                          std::string(".reg .b32 %r<3>; .reg .b64 %d<4>;\n"
                                      "ld.param.u64 %d1, [in]; ld.param.u64 %d2, [out];\n"
                                      "mov.u32 %r1, %tid.x; mul.wide.u32 %d3, %r1, 4;\n"
                                      "add.s64 %d1, %d1, %d3; add.s64 %d2, %d2, %d3;\n"
                                      "ld.global.b32 %r1, [%d1];\n") +
                              instruction + " %r2, %r1;\nst.global.b32 [%d2], %r2; ret;"));
    std::vector<float> in(256);
    for (int i = 0; i != 256; ++i)
      in[i] = (i + 0.5f) / 32;
    uint64_t out = session.undefined(1024);
    expectClean(
        session.launch("kernel", {1}, {256}, {argument(session.buffer(in)), argument(out)}));
    auto got = session.read<float>(out, 256);
    for (int i = 0; i != 256; ++i) {
      double expected = function(in[i]);
      EXPECT_NEAR(got[i], expected, relative * std::fabs(expected) + absolute)
          << instruction << in[i];
    }
  };
  close("ex2.approx.ftz.f32", [](double x) { return std::exp2(x); }, 0x1p-22, 0);
  close("lg2.approx.f32", [](double x) { return std::log2(x); }, 0x1p-22, 0x1p-22);
  close("sin.approx.f32", [](double x) { return std::sin(x); }, 0, 0x1p-20);
  close("cos.approx.f32", [](double x) { return std::cos(x); }, 0, 0x1p-20);
  close("tanh.approx.f32", [](double x) { return std::tanh(x); }, 0x1p-10, 0);
  close("rsqrt.approx.f32", [](double x) { return 1 / std::sqrt(x); }, 0x1p-22, 0);
  close("rcp.approx.f32", [](double x) { return 1 / x; }, 0x1p-22, 0);
  close("sqrt.approx.f32", [](double x) { return std::sqrt(x); }, 0x1p-22, 0);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to any binary format, in any of PTX's roundings, and the 16-bit formats.
//
#ifndef PTQ_LIB_EMULATOR_SOFTFLOAT_H
#define PTQ_LIB_EMULATOR_SOFTFLOAT_H

#include "Lanes.h"

#include <cmath>
#include <limits>

namespace ptq::emulator {

enum class Rounding : uint8_t { NearestEven, Zero, Down, Up, NearestAway };

template <class T> PTQ_INLINE uint64_t bitsOf(T value) {
  return static_cast<uint64_t>(toStorage<T>(value));
}
PTQ_INLINE float floatFromBits(uint32_t bits) { return fromStorage<float>(bits); }
PTQ_INLINE double doubleFromBits(uint64_t bits) { return fromStorage<double>(bits); }

/// (-1)^negative · significand · 2^exponent rounded to a format of `exponentBits` and
/// `mantissaBits`, as its bits. Overflow gives infinity, or the greatest finite value where the
/// rounding is towards it.
inline uint64_t roundToFormat(bool negative, uint64_t significand, int exponent, int exponentBits,
                              int mantissaBits, Rounding rounding) {
  uint64_t sign = uint64_t(negative) << (exponentBits + mantissaBits);
  if (significand == 0)
    return sign;
  int bias = (1 << (exponentBits - 1)) - 1, least = 1 - bias - mantissaBits;
  int top = 63 - __builtin_clzll(significand);
  // The weight of the result's last bit: normal numbers keep mantissaBits + 1 bits.
  int last = std::max(exponent + top - mantissaBits, least);
  int drop = last - exponent;
  uint64_t kept;
  bool half = false, sticky = false;
  if (drop <= 0) {
    kept = significand << -drop;
  } else if (drop > 64) {
    kept = 0;
    sticky = true;
  } else {
    kept = drop == 64 ? 0 : significand >> drop;
    half = (significand >> (drop - 1)) & 1;
    sticky = drop > 1 && (significand << (65 - drop)) != 0;
  }
  bool up = rounding == Rounding::NearestEven   ? half && (sticky || (kept & 1))
            : rounding == Rounding::NearestAway ? half
            : rounding == Rounding::Up          ? !negative && (half || sticky)
            : rounding == Rounding::Down        ? negative && (half || sticky)
                                                : false;
  kept += up;
  // Adding the biased exponent to the mantissa with its leading bit carries by itself.
  uint64_t biased = kept >> mantissaBits ? uint64_t(last - least) : 0;
  uint64_t result = kept + (biased << mantissaBits);
  uint64_t infinity = ((uint64_t(1) << exponentBits) - 1) << mantissaBits;
  if (result >= infinity) {
    bool finite = rounding == Rounding::Zero || (rounding == Rounding::Up && negative) ||
                  (rounding == Rounding::Down && !negative);
    result = finite ? infinity - 1 : infinity;
  }
  return sign | result;
}

/// A double rounded to a format; NaN becomes `nan`.
inline uint64_t encode(double value, int exponentBits, int mantissaBits, Rounding rounding,
                       uint64_t nan) {
  uint64_t bits = bitsOf(value);
  bool negative = bits >> 63;
  int exponent = (bits >> 52) & 2047;
  uint64_t mantissa = bits & ((uint64_t(1) << 52) - 1);
  if (exponent == 2047) {
    if (mantissa)
      return nan;
    return (uint64_t(negative) << (exponentBits + mantissaBits)) |
           (((uint64_t(1) << exponentBits) - 1) << mantissaBits);
  }
  if (exponent)
    mantissa |= uint64_t(1) << 52;
  else
    exponent = 1;
  return roundToFormat(negative, mantissa, exponent - 1075, exponentBits, mantissaBits, rounding);
}

inline Half toHalf(double value, Rounding rounding = Rounding::NearestEven) {
  return {static_cast<uint16_t>(encode(value, 5, 10, rounding, 0x7fff))};
}
inline BFloat toBFloat(double value, Rounding rounding = Rounding::NearestEven) {
  return {static_cast<uint16_t>(encode(value, 8, 7, rounding, 0x7fff))};
}
inline float toFloat(double value, Rounding rounding) {
  return floatFromBits(static_cast<uint32_t>(encode(value, 8, 23, rounding, 0x7fffffff)));
}

PTQ_INLINE float toFloat(BFloat value) { return floatFromBits(uint32_t(value.bits) << 16); }
PTQ_INLINE float toFloat(Half value) {
  // The exponent is rebiased by a multiplication, which also normalises subnormals; infinity and
  // NaN need their exponent set.
  uint32_t sign = uint32_t(value.bits & 0x8000) << 16, rest = uint32_t(value.bits & 0x7fff) << 13;
  uint32_t magnitude =
      static_cast<uint32_t>(bitsOf(floatFromBits(rest) * floatFromBits(0x77800000))); // 2^112
  if (rest >= 0x0f800000)
    magnitude = rest | 0x7f800000;
  return floatFromBits(sign | magnitude);
}

template <class T> PTQ_INLINE bool isNan(T value) { return value != value; }
PTQ_INLINE bool isNan(Half value) { return (value.bits & 0x7fff) > 0x7c00; }
PTQ_INLINE bool isNan(BFloat value) { return (value.bits & 0x7fff) > 0x7f80; }

/// PTX's NaN: results that are NaN have these bits (PTX ISA: NaN payloads).
PTQ_INLINE float canonical(float value) {
  // By the bits: the compiler may take sqrt(x) for the same NaN as x and drop a comparison.
  uint32_t bits = static_cast<uint32_t>(bitsOf(value));
  return floatFromBits((bits & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : bits);
}
PTQ_INLINE double canonical(double value) { return value; }

/// Subnormals become zeros of their sign.
PTQ_INLINE float flush(float value) {
  uint32_t bits = static_cast<uint32_t>(bitsOf(value));
  return floatFromBits((bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits);
}
PTQ_INLINE Half flush(Half value) {
  return {static_cast<uint16_t>((value.bits & 0x7c00) == 0 ? value.bits & 0x8000 : value.bits)};
}

/// a + b rounded to odd: a further rounding to fewer than 51 bits gives what one rounding would.
inline double addRoundedToOdd(double a, double b) {
  double sum = a + b;
  if (!(std::fabs(sum) < std::numeric_limits<double>::infinity()))
    return sum;
  double part = sum - a, error = (a - (sum - part)) + (b - part);
  uint64_t bits = bitsOf(sum);
  if (error == 0 || (bits & 1))
    return sum;
  bool away = (error > 0) == (sum > 0);
  return doubleFromBits(away ? bits + 1 : bits - 1);
}

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_SOFTFLOAT_H

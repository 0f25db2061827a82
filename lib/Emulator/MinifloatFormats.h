// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The 8-bit floats of the OCP 8-bit floating point specification: e4m3 (bias 7, no infinity, one
// NaN of each sign) and e5m2 (as IEEE formats are).
//
#ifndef PTQ_LIB_EMULATOR_MINIFLOATFORMATS_H
#define PTQ_LIB_EMULATOR_MINIFLOATFORMATS_H

#include "SoftFloat.h"

namespace ptq::emulator {

struct E4M3 {
  uint8_t bits;
  static constexpr int mantissaBits = 3, bias = 7;
  static constexpr double greatest = 448;
};
struct E5M2 {
  uint8_t bits;
  static constexpr int mantissaBits = 2, bias = 15;
  static constexpr double greatest = 57344;
};

/// Rounded to nearest, ties to even; beyond the greatest finite value, that (.satfinite).
template <class T> T toMinifloat(double value) {
  if (std::isnan(value))
    return {0x7f};
  uint8_t sign = std::signbit(value) ? 0x80 : 0;
  double magnitude = std::fabs(value);
  constexpr int least = 1 - T::bias;
  int exponent =
      magnitude > 0 ? std::max(std::ilogb(std::min(magnitude, T::greatest)), least) : least;
  // In units of the last place: at most 2^(mantissaBits + 1), which carries by itself.
  double units =
      std::nearbyint(std::ldexp(std::min(magnitude, 2 * T::greatest), T::mantissaBits - exponent));
  if (std::ldexp(units, exponent - T::mantissaBits) > T::greatest)
    return {static_cast<uint8_t>(sign | toMinifloat<T>(T::greatest).bits)};
  int code = static_cast<int>(units) + ((exponent - least) << T::mantissaBits);
  return {static_cast<uint8_t>(sign | code)};
}

template <class T> float toFloat(T value, decltype(T::bias) * = nullptr) {
  int code = value.bits & 0x7f, mantissa = code & ((1 << T::mantissaBits) - 1);
  int exponent = code >> T::mantissaBits;
  float sign = value.bits & 0x80 ? -1.0f : 1.0f;
  constexpr bool hasInfinity = T::mantissaBits == 2;
  if (code == 0x7f || (hasInfinity && code > 0x7c))
    return std::numeric_limits<float>::quiet_NaN();
  if (hasInfinity && code == 0x7c)
    return sign * std::numeric_limits<float>::infinity();
  if (exponent)
    mantissa |= 1 << T::mantissaBits;
  return sign * std::ldexp(float(mantissa), std::max(exponent, 1) - T::bias - T::mantissaBits);
}

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_MINIFLOATFORMATS_H

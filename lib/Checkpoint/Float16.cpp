// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Widening places the bits and rebiases the exponent. Narrowing rounds half to even on the bits of
// the float: adding half an ulp less one, plus the ulp's own parity, carries into the kept bits
// exactly when the discarded ones are over half, or half with an odd neighbour; a carry through the
// mantissa is the next binade, through the last one infinity. Results below the least normal number
// are rounded by the hardware instead: adding a power of two whose ulp is the target's subnormal
// step leaves the rounded multiple in the sum's mantissa. All of it is straight-line code which
// compilers vectorize; where the processor converts binary16 itself (F16C), that is used.
//
#include "ptq/Checkpoint/Float16.h"

#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define PTQ_HAS_F16C_TARGET 1
#endif

using namespace llvm;

namespace ptq::checkpoint {
namespace {

constexpr uint32_t signMask = 0x80000000, infinityBits = 0x7f800000, quietBit = 0x00400000;

/// A narrow float of 1 sign, E exponent and M mantissa bits with IEEE's bias 2^(E-1) - 1. Without
/// infinities, the all-ones pattern alone is NaN, and the rest of the top binade holds numbers
/// (OCP's "fn").
template <unsigned E, unsigned M, bool HasInfinity> struct NarrowFloat {
  static_assert(E < 8 && M < 23);
  static constexpr uint32_t shift = 23 - M;
  static constexpr uint32_t rebias = (127 - ((1u << (E - 1)) - 1)) << 23;
  static constexpr uint32_t signShift = 31 - (E + M);
  static constexpr uint32_t topBinade = ((1u << E) - 1) << M;
  static constexpr uint32_t nan = (1u << (E + M)) - 1;
  /// The least normal number, as float bits.
  static constexpr uint32_t leastNormal = rebias + (1u << 23);
  /// The power of two whose float ulp is the subnormal step 2^(1 - bias - M).
  static constexpr uint32_t subnormalMagic = leastNormal + (shift << 23);

  static float widen(uint32_t bits) {
    uint32_t sign = (bits << signShift) & signMask;
    uint32_t magnitude = bits & nan;
    uint32_t normal = (magnitude << shift) + rebias;
    float subnormal = bit_cast<float>(magnitude | subnormalMagic) - bit_cast<float>(subnormalMagic);
    uint32_t result = magnitude < (1u << M) ? bit_cast<uint32_t>(subnormal) : normal;
    if (HasInfinity) {
      uint32_t special = infinityBits | (magnitude << shift);
      special |= magnitude > topBinade ? quietBit : 0;
      result = magnitude >= topBinade ? special : result;
    } else {
      result = magnitude == nan ? infinityBits | quietBit : result;
    }
    return bit_cast<float>(result | sign);
  }

  static uint32_t narrow(float value) {
    uint32_t bits = bit_cast<uint32_t>(value);
    uint32_t sign = (bits & signMask) >> signShift;
    uint32_t magnitude = bits & ~signMask;
    uint32_t odd = (magnitude >> shift) & 1;
    uint32_t normal = (magnitude - rebias + ((1u << (shift - 1)) - 1) + odd) >> shift;
    uint32_t subnormal =
        bit_cast<uint32_t>(bit_cast<float>(magnitude) + bit_cast<float>(subnormalMagic)) -
        subnormalMagic;
    uint32_t result = magnitude < leastNormal ? subnormal : normal;
    uint32_t overflow = HasInfinity ? topBinade : nan;
    // The first float past the top binade, where `normal` has run out of bits.
    constexpr uint32_t past = rebias + ((HasInfinity ? (1u << E) - 1 : 1u << E) << 23);
    result = magnitude >= past || result > overflow ? overflow : result;
    uint32_t quieted =
        HasInfinity ? topBinade | ((magnitude | quietBit) >> shift & ((1u << M) - 1)) : nan;
    result = magnitude > infinityBits ? quieted : result;
    return result | sign;
  }
};

using Half = NarrowFloat<5, 10, true>;
using E5M2 = NarrowFloat<5, 2, true>;
using E4M3 = NarrowFloat<4, 3, false>;

template <typename T> T load(const char *from, size_t i) {
  T value;
  std::memcpy(&value, from + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T> void store(char *to, size_t i, T value) {
  std::memcpy(to + i * sizeof(T), &value, sizeof(T));
}

template <typename T, typename Convert>
void widenAll(const char *from, float *to, size_t n, Convert convert) {
  for (size_t i = 0; i < n; ++i)
    to[i] = convert(load<T>(from, i));
}

template <typename T, typename Convert>
void narrowAll(const float *from, char *to, size_t n, Convert convert) {
  for (size_t i = 0; i < n; ++i)
    store<T>(to, i, static_cast<T>(convert(from[i])));
}

template <typename T> T roundToInteger(float value) {
  // 2^digits, the first float over the range, is exact for every T; so is min().
  const float past = std::ldexp(1.0f, std::numeric_limits<T>::digits);
  float rounded = std::nearbyint(value);
  if (rounded >= past)
    return std::numeric_limits<T>::max();
  if (rounded <= static_cast<float>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  return rounded == rounded ? static_cast<T>(rounded) : T(0);
}

#ifdef PTQ_HAS_F16C_TARGET
/// Converts as many elements as fill whole vectors; returns how many.
__attribute__((target("avx,f16c"))) size_t widenHalfF16C(const char *from, float *to, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(
        to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from + 2 * i))));
  return i;
}

__attribute__((target("avx,f16c"))) size_t narrowHalfF16C(const float *from, char *to, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to + 2 * i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}

bool hasF16C() {
  static const bool has = __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
  return has;
}
#endif

void widenHalf(const char *from, float *to, size_t n) {
  size_t done = 0;
#ifdef PTQ_HAS_F16C_TARGET
  if (hasF16C())
    done = widenHalfF16C(from, to, n);
#endif
  widenAll<uint16_t>(from + 2 * done, to + done, n - done, Half::widen);
}

void narrowHalf(const float *from, char *to, size_t n) {
  size_t done = 0;
#ifdef PTQ_HAS_F16C_TARGET
  if (hasF16C())
    done = narrowHalfF16C(from, to, n);
#endif
  narrowAll<uint16_t>(from + done, to + 2 * done, n - done, Half::narrow);
}

} // namespace

float halfToFloat(uint16_t bits) { return Half::widen(bits); }

uint16_t floatToHalf(float value) { return static_cast<uint16_t>(Half::narrow(value)); }

float bfloat16ToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  wide |= (wide & ~signMask) > infinityBits ? quietBit : 0;
  return bit_cast<float>(wide);
}

uint16_t floatToBFloat16(float value) {
  uint32_t bits = bit_cast<uint32_t>(value);
  uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  bool isNaN = (bits & ~signMask) > infinityBits;
  return static_cast<uint16_t>((isNaN ? bits | quietBit : rounded) >> 16);
}

void convertToFloat(DType dtype, ArrayRef<char> from, MutableArrayRef<float> to) {
  size_t n = std::min(from.size() / byteWidth(dtype), to.size());
  const char *in = from.data();
  float *out = to.data();
  auto plain = [](auto value) { return static_cast<float>(value); };
  switch (dtype) {
  case DType::Bool:
    return widenAll<uint8_t>(in, out, n, [](uint8_t value) { return value ? 1.0f : 0.0f; });
  case DType::U8:
    return widenAll<uint8_t>(in, out, n, plain);
  case DType::I8:
    return widenAll<int8_t>(in, out, n, plain);
  case DType::U16:
    return widenAll<uint16_t>(in, out, n, plain);
  case DType::I16:
    return widenAll<int16_t>(in, out, n, plain);
  case DType::U32:
    return widenAll<uint32_t>(in, out, n, plain);
  case DType::I32:
    return widenAll<int32_t>(in, out, n, plain);
  case DType::U64:
    return widenAll<uint64_t>(in, out, n, plain);
  case DType::I64:
    return widenAll<int64_t>(in, out, n, plain);
  case DType::F16:
    return widenHalf(in, out, n);
  case DType::BF16:
    return widenAll<uint16_t>(in, out, n, [](uint16_t bits) { return bfloat16ToFloat(bits); });
  case DType::F32:
    if (n)
      std::memcpy(out, in, n * sizeof(float));
    return;
  case DType::F64:
    return widenAll<double>(in, out, n, plain);
  case DType::F8E4M3:
    return widenAll<uint8_t>(in, out, n, E4M3::widen);
  case DType::F8E5M2:
    return widenAll<uint8_t>(in, out, n, E5M2::widen);
  }
}

void convertFromFloat(DType dtype, ArrayRef<float> from, MutableArrayRef<char> to) {
  size_t n = std::min(from.size(), to.size() / byteWidth(dtype));
  const float *in = from.data();
  char *out = to.data();
  switch (dtype) {
  case DType::Bool:
    return narrowAll<uint8_t>(in, out, n, [](float value) { return value != 0.0f; });
  case DType::U8:
    return narrowAll<uint8_t>(in, out, n, roundToInteger<uint8_t>);
  case DType::I8:
    return narrowAll<int8_t>(in, out, n, roundToInteger<int8_t>);
  case DType::U16:
    return narrowAll<uint16_t>(in, out, n, roundToInteger<uint16_t>);
  case DType::I16:
    return narrowAll<int16_t>(in, out, n, roundToInteger<int16_t>);
  case DType::U32:
    return narrowAll<uint32_t>(in, out, n, roundToInteger<uint32_t>);
  case DType::I32:
    return narrowAll<int32_t>(in, out, n, roundToInteger<int32_t>);
  case DType::U64:
    return narrowAll<uint64_t>(in, out, n, roundToInteger<uint64_t>);
  case DType::I64:
    return narrowAll<int64_t>(in, out, n, roundToInteger<int64_t>);
  case DType::F16:
    return narrowHalf(in, out, n);
  case DType::BF16:
    return narrowAll<uint16_t>(in, out, n, [](float value) { return floatToBFloat16(value); });
  case DType::F32:
    if (n)
      std::memcpy(out, in, n * sizeof(float));
    return;
  case DType::F64:
    return narrowAll<double>(in, out, n, [](float value) { return value; });
  case DType::F8E4M3:
    return narrowAll<uint8_t>(in, out, n, E4M3::narrow);
  case DType::F8E5M2:
    return narrowAll<uint8_t>(in, out, n, E5M2::narrow);
  }
}

} // namespace ptq::checkpoint

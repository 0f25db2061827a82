// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How this library's inner loops become SIMD code in a build for generic x86-64: functions marked
// PTQ_SIMD_CLONES are compiled for AVX-512, AVX2 and the baseline, and the loader picks one (GNU
// indirect functions). What they call must be PTQ_ALWAYS_INLINE, or it stays baseline code.
//
// Data for these loops is laid out with rows in lanes: [columns][rows], rows padded to a
// multiple of tileRows, so that every loop over a tile's rows is a loop over vector lanes.

#ifndef PTQ_LIB_NUMERICS_SIMD_H
#define PTQ_LIB_NUMERICS_SIMD_H

#include <cstdint>
#include <cstring>

#define PTQ_ALWAYS_INLINE inline __attribute__((always_inline))

// Sanitizers instrument the resolvers of indirect functions, which run before their runtime starts.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define PTQ_SANITIZED
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(PTQ_SANITIZED)
#define PTQ_SIMD_CLONES                                                                            \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PTQ_SIMD_CLONES
#endif

namespace ptq::numerics {

/// Rows a kernel handles at a time: two AVX-512 registers of floats.
constexpr int64_t tileRows = 32;

constexpr int64_t roundUpToTile(int64_t rows) {
  return (rows + tileRows - 1) / tileRows * tileRows;
}

/// x rounded to the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no
/// fraction bits. It needs no rounding instruction, which baseline x86-64 lacks, and no function
/// call.
PTQ_ALWAYS_INLINE float roundToEven(float x) {
  constexpr float shift = 12582912.0f;
  return (x + shift) - shift;
}

/// clamp that sends NaN to lo, for lo <= hi.
PTQ_ALWAYS_INLINE float clampTo(float x, float lo, float hi) {
  x = x > lo ? x : lo;
  return x < hi ? x : hi;
}

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_SIMD_H

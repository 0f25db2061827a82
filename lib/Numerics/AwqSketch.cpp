// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The count sketch: threads take columns, so that sums run in the order of the tokens.

#include "ptq/Numerics/AwqSketch.h"
#include "Simd.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

constexpr int64_t columnsPerChunk = 512;

/// A hash of 64 bits (splitmix64, Steele, Lea and Flood, 2014).
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

PTQ_SIMD_CLONES
void addScaled(const float *x, float sign, int64_t count, float *sum) {
  for (int64_t j = 0; j < count; ++j)
    sum[j] += sign * x[j];
}

} // namespace

ActivationSketch sketchActivations(ConstMatrix x, int64_t rows, uint64_t seed) {
  ActivationSketch sketch;
  sketch.channels = x.columns;
  sketch.rows = std::min(rows, x.rows);
  sketch.data.assign(sketch.rows * sketch.channels, 0.0f);
  bool exact = x.rows <= rows;
  uint64_t start = mix(seed);
  parallelFor(0, x.columns, columnsPerChunk, [&](int64_t first, int64_t last) {
    for (int64_t t = 0; t < x.rows; ++t) {
      uint64_t hash = mix(start + static_cast<uint64_t>(t));
      // The product of the hash's upper half and the number of rows is uniform enough: no modulus.
      int64_t to = exact ? t : static_cast<int64_t>(((hash >> 32) * sketch.rows) >> 32);
      float sign = !exact && (hash & 1) ? -1.0f : 1.0f;
      addScaled(x.row(t) + first, sign, last - first,
                sketch.data.data() + to * sketch.channels + first);
    }
  });
  return sketch;
}

} // namespace ptq::numerics

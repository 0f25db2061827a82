// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops over a row are vector code: a constant number of lanes, no branches. The order of magnitude
// of floats is that of their bits without the sign, NaNs above infinity, so that the maximum of the
// bits sees every NaN.

#include "ptq/Numerics/ActivationRounding.h"
#include "Simd.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

namespace ptq::numerics {
namespace {

constexpr int64_t rowsPerChunk = 16;
constexpr int64_t lanes = 16;
constexpr uint32_t magnitudeMask = 0x7fffffff;

/// What a row's values span. lo <= 0 <= hi ignore NaNs; the magnitude is max|v| or a NaN.
struct Extent {
  float lo, hi, magnitude;
};

PTQ_ALWAYS_INLINE uint32_t magnitudeBits(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  return bits & magnitudeMask;
}

struct ExtentLanes {
  alignas(64) uint32_t magnitude[lanes];
  alignas(64) float lo[lanes], hi[lanes];
};

template <bool ranged>
PTQ_ALWAYS_INLINE void widen(ExtentLanes &to, const float *x, const float *c, int64_t count) {
  for (int64_t l = 0; l < count; ++l) {
    float v = c ? x[l] * c[l] : x[l];
    uint32_t bits = magnitudeBits(v);
    to.magnitude[l] = bits > to.magnitude[l] ? bits : to.magnitude[l];
    if (ranged) {
      to.lo[l] = v < to.lo[l] ? v : to.lo[l];
      to.hi[l] = v > to.hi[l] ? v : to.hi[l];
    }
  }
}

template <bool ranged>
PTQ_ALWAYS_INLINE void extentOf(const float *x, const float *c, int64_t count, Extent &result) {
  ExtentLanes all;
  for (int64_t l = 0; l < lanes; ++l)
    all.magnitude[l] = 0, all.lo[l] = all.hi[l] = 0.0f;
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes)
    widen<ranged>(all, x + k, c ? c + k : nullptr, lanes);
  widen<ranged>(all, x + k, c ? c + k : nullptr, count - k);
  uint32_t bits = 0;
  float lo = 0, hi = 0;
  for (int64_t l = 0; l < lanes; ++l) {
    bits = all.magnitude[l] > bits ? all.magnitude[l] : bits;
    lo = all.lo[l] < lo ? all.lo[l] : lo;
    hi = all.hi[l] > hi ? all.hi[l] : hi;
  }
  std::memcpy(&result.magnitude, &bits, sizeof(bits));
  result.lo = lo;
  result.hi = hi;
}

PTQ_SIMD_CLONES
void magnitudeOfRow(const float *x, const float *c, int64_t count, Extent &result) {
  c ? extentOf<false>(x, c, count, result) : extentOf<false>(x, nullptr, count, result);
}

PTQ_SIMD_CLONES
void rangeOfRow(const float *x, const float *c, int64_t count, Extent &result) {
  c ? extentOf<true>(x, c, count, result) : extentOf<true>(x, nullptr, count, result);
}

Extent extentOfRow(ConstMatrix x, int64_t row, llvm::ArrayRef<float> channelScales,
                   bool symmetric) {
  Extent result;
  const float *c = channelScales.empty() ? nullptr : channelScales.data();
  symmetric ? magnitudeOfRow(x.row(row), c, x.columns, result)
            : rangeOfRow(x.row(row), c, x.columns, result);
  return result;
}

void parametersOf(const Extent &extent, const ActivationScheme &scheme, float &scale,
                  int8_t &zeroPoint) {
  float half = static_cast<float>(1 << (scheme.bits - 1)), steps = 2 * half - 1;
  float s = extent.magnitude / (half - 1);
  if (!scheme.symmetric && extent.magnitude <= FLT_MAX)
    // Halves, since hi - lo may overflow; exact otherwise.
    s = (extent.hi * 0.5f - extent.lo * 0.5f) / (steps * 0.5f);
  // In this form a NaN stays.
  scale = s < FLT_MIN ? FLT_MIN : s;
  zeroPoint = 0;
  if (!scheme.symmetric) {
    float ratio = -extent.lo / scale;
    zeroPoint = static_cast<int8_t>(roundToEven(clampTo(ratio, 0.0f, steps)) - half);
  }
}

PTQ_ALWAYS_INLINE int8_t codeOf(float v, float scale, float zeroPoint, float lo, float hi) {
  float ratio = v / scale;
  ratio = ratio == ratio ? ratio : 0.0f;
  // Clamping before rounding keeps the argument small and changes nothing, the bounds being
  // integers.
  return static_cast<int8_t>(static_cast<int32_t>(roundToEven(clampTo(ratio, lo, hi)) + zeroPoint));
}

PTQ_SIMD_CLONES
void quantizeRow(const float *__restrict x, const float *__restrict c, int64_t count, float scale,
                 float zeroPoint, float minCode, float maxCode, int8_t *__restrict codes) {
  float lo = minCode - zeroPoint, hi = maxCode - zeroPoint;
  if (c)
    for (int64_t k = 0; k < count; ++k)
      codes[k] = codeOf(x[k] * c[k], scale, zeroPoint, lo, hi);
  else
    for (int64_t k = 0; k < count; ++k)
      codes[k] = codeOf(x[k], scale, zeroPoint, lo, hi);
}

} // namespace

void computeTokenParameters(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                            const ActivationScheme &scheme, llvm::MutableArrayRef<float> scales,
                            llvm::MutableArrayRef<int8_t> zeroPoints) {
  parallelFor(0, x.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      int8_t zeroPoint;
      parametersOf(extentOfRow(x, i, channelScales, scheme.symmetric), scheme, scales[i],
                   zeroPoint);
      if (!scheme.symmetric)
        zeroPoints[i] = zeroPoint;
    }
  });
}

void computeTensorParameters(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                             const ActivationScheme &scheme, float &scale, int8_t &zeroPoint) {
  std::vector<Extent> extents((x.rows + rowsPerChunk - 1) / rowsPerChunk, Extent{0, 0, 0});
  auto join = [](Extent &to, const Extent &from) {
    to.lo = std::min(to.lo, from.lo);
    to.hi = std::max(to.hi, from.hi);
    if (magnitudeBits(from.magnitude) > magnitudeBits(to.magnitude))
      to.magnitude = from.magnitude;
  };
  parallelFor(0, x.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      join(extents[first / rowsPerChunk], extentOfRow(x, i, channelScales, scheme.symmetric));
  });
  Extent all{0, 0, 0};
  for (const Extent &extent : extents)
    join(all, extent);
  parametersOf(all, scheme, scale, zeroPoint);
}

void quantizeActivations(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                         const ActivationScheme &scheme, llvm::ArrayRef<float> scales,
                         llvm::ArrayRef<int8_t> zeroPoints, MatrixRef<int8_t> codes) {
  float half = static_cast<float>(1 << (scheme.bits - 1));
  const float *c = channelScales.empty() ? nullptr : channelScales.data();
  parallelFor(0, x.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      size_t at = scales.size() == 1 ? 0 : i;
      float zeroPoint = zeroPoints.empty() ? 0.0f : zeroPoints[at];
      quantizeRow(x.row(i), c, x.columns, scales[at], zeroPoint, -half, half - 1, codes.row(i));
    }
  });
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parameters of tileRows rows at a time. All loops over lanes have a constant trip count and no
// branches: they become vector code.

#include "TileParameters.h"
#include "Rounders.h"
#include "ptq/Numerics/ProgressiveGroups.h"
#include <cmath>

namespace ptq::numerics {
namespace {

/// x^2.4 for x >= 0, to about one part in 10^6 for x > 1e-15, without a library call: with y =
/// x^(-1/5), x^2.4 = (x y)^3. y is found by Newton's iteration for y^-5 = x, y <- y (6 - x y^5) /
/// 5, from a guess that divides the exponent by -5; its relative error e becomes 3 e^2.
PTQ_ALWAYS_INLINE float power24(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  // The bits of a float are about (log2 x + 127) 2^23: -1/5 of them, plus 6/5 of 127 * 2^23.
  float guess = -0.2f * static_cast<float>(static_cast<int32_t>(bits)) + 1.2f * 0x3f7a0000;
  int32_t guessBits = static_cast<int32_t>(guess);
  float y;
  std::memcpy(&y, &guessBits, sizeof(y));
  for (int i = 0; i < 3; ++i) {
    float y2 = y * y;
    y = y * (1.2f - 0.2f * (x * y) * (y2 * y2));
  }
  float p = x * y;
  return p * p * p;
}

struct Lanes {
  alignas(64) float at[tileRows];
};

template <typename Rounder>
PTQ_ALWAYS_INLINE void
accumulateLosses(Rounder rounder, const float *__restrict values, int64_t count, int64_t stride,
                 const float *__restrict scales, const float *__restrict zeroPoints,
                 const float *__restrict inverseExtents, float *__restrict losses) {
  Lanes sum;
  for (int64_t l = 0; l < tileRows; ++l)
    sum.at[l] = 0;
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l) {
      float x = values[c * stride + l];
      int32_t code;
      float q = rounder.round(x, scales[l], zeroPoints[l], code) * scales[l];
      sum.at[l] += power24(std::fabs(q - x) * inverseExtents[l]);
    }
  for (int64_t l = 0; l < tileRows; ++l)
    losses[l] = sum.at[l];
}

PTQ_ALWAYS_INLINE float extentFactor(float lo, float hi) {
  float extent = -lo > hi ? -lo : hi;
  // Below 2^-126 the inverse could overflow.
  return extent > FLT_MIN ? 1.0f / extent : 1.0f;
}

PTQ_SIMD_CLONES
void rangeTile(const float *__restrict values, int64_t count, int64_t stride, float *__restrict lo,
               float *__restrict hi) {
  Lanes low, high;
  for (int64_t l = 0; l < tileRows; ++l)
    low.at[l] = high.at[l] = 0;
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l) {
      float x = values[c * stride + l];
      low.at[l] = x < low.at[l] ? x : low.at[l];
      high.at[l] = x > high.at[l] ? x : high.at[l];
    }
  for (int64_t l = 0; l < tileRows; ++l) {
    lo[l] = low.at[l];
    hi[l] = high.at[l];
  }
}

PTQ_SIMD_CLONES
void parametersTile(const float *__restrict lo, const float *__restrict hi, float shrink,
                    const CodeRange &codes, float *__restrict scales,
                    float *__restrict zeroPoints) {
  for (int64_t l = 0; l < tileRows; ++l)
    computeRangeParameters(lo[l] * shrink, hi[l] * shrink, codes, scales[l], zeroPoints[l]);
}

PTQ_SIMD_CLONES
void lossesTile(const UniformRounder &rounder, const float *values, int64_t count, int64_t stride,
                const float *scales, const float *zeroPoints, const float *inverseExtents,
                float *losses) {
  accumulateLosses(rounder, values, count, stride, scales, zeroPoints, inverseExtents, losses);
}

PTQ_SIMD_CLONES
void lossesTileByTable(const CodebookRounder &rounder, const float *values, int64_t count,
                       int64_t stride, const float *scales, const float *zeroPoints,
                       const float *inverseExtents, float *losses) {
  accumulateLosses(rounder, values, count, stride, scales, zeroPoints, inverseExtents, losses);
}

} // namespace

float inverseExtent(float lo, float hi) { return extentFactor(lo, hi); }

void computeTileLosses(const float *values, int64_t count, int64_t stride,
                       const WeightScheme &scheme, const float *scales, const float *zeroPoints,
                       const float *inverseExtents, float *losses) {
  if (scheme.codebook == Codebook::Uniform)
    lossesTile(UniformRounder(scheme), values, count, stride, scales, zeroPoints, inverseExtents,
               losses);
  else
    lossesTileByTable(CodebookRounder(scheme), values, count, stride, scales, zeroPoints,
                      inverseExtents, losses);
}

void computeTileParameters(const float *values, int64_t count, int64_t stride,
                           const WeightScheme &scheme, float *scales, float *zeroPoints,
                           const float *clip, const float *channelScales) {
  CodeRange codes(scheme);
  Lanes lo, hi;
  rangeTile(values, count, stride, lo.at, hi.at);
  if (clip && !scheme.mse)
    for (int64_t l = 0; l < tileRows; ++l) {
      lo.at[l] = lo.at[l] < -clip[l] ? -clip[l] : lo.at[l];
      hi.at[l] = hi.at[l] > clip[l] ? clip[l] : hi.at[l];
    }
  auto computeParameters = [&](float shrink, float *scales, float *zeroPoints) {
    parametersTile(lo.at, hi.at, shrink, codes, scales, zeroPoints);
    for (int64_t l = 0; channelScales && l < tileRows; ++l)
      snapToChannelScale(lo.at[l] * shrink, channelScales[l], scales[l], zeroPoints[l]);
    for (int64_t l = 0; scheme.scaleType != ScaleType::F32 && l < tileRows; ++l)
      scales[l] = roundScale(scales[l], scheme.scaleType);
  };
  computeParameters(1.0f, scales, zeroPoints);
  if (!scheme.mse)
    return;
  Lanes inverseExtents, best, scale, zeroPoint, loss;
  for (int64_t l = 0; l < tileRows; ++l)
    inverseExtents.at[l] = extentFactor(lo.at[l], hi.at[l]);
  computeTileLosses(values, count, stride, scheme, scales, zeroPoints, inverseExtents.at, best.at);
  for (int i = 1; i < mseCandidates; ++i) {
    computeParameters(mseShrink(i), scale.at, zeroPoint.at);
    computeTileLosses(values, count, stride, scheme, scale.at, zeroPoint.at, inverseExtents.at,
                      loss.at);
    for (int64_t l = 0; l < tileRows; ++l)
      if (loss.at[l] < best.at[l]) {
        best.at[l] = loss.at[l];
        scales[l] = scale.at[l];
        zeroPoints[l] = zeroPoint.at[l];
      }
  }
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantization parameters of a group of columns for tileRows rows at a time, one row a lane: the
// form in which RTN and GPTQ need them. The formulas are those of ptq/Numerics/Rtn.h.

#ifndef PTQ_LIB_NUMERICS_TILEPARAMETERS_H
#define PTQ_LIB_NUMERICS_TILEPARAMETERS_H

#include "Simd.h"
#include "ptq/Numerics/WeightScheme.h"

namespace ptq::numerics {

/// values[c * stride + lane], c < count, are the group's values of row `lane`. Writes tileRows
/// scales and zero points (signed; zeros when the scheme is symmetric), as floats. Only bits,
/// symmetric, symmetricRange, mse and scaleType of the scheme are read. clip is null or has
/// tileRows values, which bound the ranges; it is not read with mse. channelScales is null or has
/// tileRows scales of rows, of which a group's are to be multiples (ProgressiveGroups.h).
void computeTileParameters(const float *values, int64_t count, int64_t stride,
                           const WeightScheme &scheme, float *scales, float *zeroPoints,
                           const float *clip = nullptr, const float *channelScales = nullptr);

/// losses[lane] = sum over c of |q(x) - x|^2.4 / extent^2.4 for the lane's scale and zero point.
/// inverseExtents makes the loss independent of the weights' unit; it must be finite.
void computeTileLosses(const float *values, int64_t count, int64_t stride,
                       const WeightScheme &scheme, const float *scales, const float *zeroPoints,
                       const float *inverseExtents, float *losses);

/// Candidate ranges of the mse search, and the factor that candidate i puts on the range.
constexpr int mseCandidates = 80;
constexpr float mseShrink(int i) { return static_cast<float>(1.0 - i / 100.0); }

/// 1 / the larger end of [lo, hi], or 1 where that is not finite.
float inverseExtent(float lo, float hi);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_TILEPARAMETERS_H

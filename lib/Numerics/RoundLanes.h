// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest in the kernels' layout, and the part of RTN that GPTQ's error figures need.

#ifndef PTQ_LIB_NUMERICS_ROUNDLANES_H
#define PTQ_LIB_NUMERICS_ROUNDLANES_H

#include "Simd.h"
#include "ptq/Numerics/Rtn.h"

namespace ptq::numerics {

/// codes[c * tileRows + lane] of values[c * tileRows + lane], for c < count, with the lane's
/// parameters.
void roundLanes(const float *values, int64_t count, const float *scales, const float *zeroPoints,
                const WeightScheme &scheme, int8_t *codes);

/// quantizeRtn() of a weight known to be finite and to fit the scheme. `tensor` is used for
/// per-tensor granularity only.
QuantizedWeight roundToNearest(ConstMatrix w, const WeightScheme &scheme,
                               const QuantizationParameters &tensor, ConstMatrix clip = {});

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_ROUNDLANES_H

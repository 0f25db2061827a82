// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vector loop of rounding to nearest.

#include "RoundLanes.h"
#include "RangeParameters.h"

namespace ptq::numerics {
namespace {

PTQ_SIMD_CLONES
void roundTile(const float *__restrict values, int64_t count, const float *__restrict scales,
               const float *__restrict zeroPoints, float minCode, float maxCode,
               int8_t *__restrict codes) {
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l)
      codes[c * tileRows + l] = static_cast<int8_t>(static_cast<int32_t>(
          roundToStep(values[c * tileRows + l], scales[l], zeroPoints[l], minCode, maxCode) +
          zeroPoints[l]));
}

} // namespace

void roundLanes(const float *values, int64_t count, const float *scales, const float *zeroPoints,
                const WeightScheme &scheme, int8_t *codes) {
  roundTile(values, count, scales, zeroPoints, static_cast<float>(scheme.minCode()),
            static_cast<float>(scheme.maxCode()), codes);
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vector loop of rounding to nearest.

#include "RoundLanes.h"
#include "Rounders.h"

namespace ptq::numerics {
namespace {

template <typename Rounder>
PTQ_ALWAYS_INLINE void roundWith(Rounder rounder, const float *__restrict values, int64_t count,
                                 const float *__restrict scales, const float *__restrict zeroPoints,
                                 int8_t *__restrict codes) {
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l) {
      int32_t code;
      rounder.round(values[c * tileRows + l], scales[l], zeroPoints[l], code);
      codes[c * tileRows + l] = static_cast<int8_t>(code);
    }
}

PTQ_SIMD_CLONES
void roundTile(const UniformRounder &rounder, const float *values, int64_t count,
               const float *scales, const float *zeroPoints, int8_t *codes) {
  roundWith(rounder, values, count, scales, zeroPoints, codes);
}

PTQ_SIMD_CLONES
void roundTileByTable(const CodebookRounder &rounder, const float *values, int64_t count,
                      const float *scales, const float *zeroPoints, int8_t *codes) {
  roundWith(rounder, values, count, scales, zeroPoints, codes);
}

} // namespace

void roundLanes(const float *values, int64_t count, const float *scales, const float *zeroPoints,
                const WeightScheme &scheme, int8_t *codes) {
  if (scheme.codebook == Codebook::Uniform)
    roundTile(UniformRounder(scheme), values, count, scales, zeroPoints, codes);
  else
    roundTileByTable(CodebookRounder(scheme), values, count, scales, zeroPoints, codes);
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scale and zero point of a range, as one inlined formula for scalars and for vector lanes.

#ifndef PTQ_LIB_NUMERICS_RANGEPARAMETERS_H
#define PTQ_LIB_NUMERICS_RANGEPARAMETERS_H

#include "Simd.h"
#include "ptq/Numerics/WeightScheme.h"
#include <cfloat>

namespace ptq::numerics {

/// What the formulas need of a scheme, as floats.
struct CodeRange {
  float minCode, maxCode;
  float steps;         ///< 2^b - 1
  float symmetricSpan; ///< absmax / symmetricSpan is the symmetric scale: 1 for a codebook.
  bool symmetric;

  CodeRange(unsigned bits, bool symmetric, bool full)
      : minCode(-float(1 << (bits - 1))), maxCode(float((1 << (bits - 1)) - 1)),
        steps(float((1 << bits) - 1)),
        symmetricSpan(full ? float((1 << bits) - 1) / 2 : float((1 << (bits - 1)) - 1)),
        symmetric(symmetric) {}

  explicit CodeRange(const WeightScheme &scheme)
      : CodeRange(scheme.bits, scheme.symmetric, scheme.symmetricRange == SymmetricRange::Full) {
    if (scheme.codebook != Codebook::Uniform)
      symmetricSpan = 1.0f;
  }
};

/// lo <= 0 <= hi, finite.
PTQ_ALWAYS_INLINE void computeRangeParameters(float lo, float hi, const CodeRange &codes,
                                              float &scale, float &zeroPoint) {
  bool zero = lo == hi;
  lo = zero ? -1.0f : lo;
  hi = zero ? 1.0f : hi;
  float absmax = -lo > hi ? -lo : hi;
  // Halves, since hi - lo may overflow; exact otherwise.
  float s = codes.symmetric ? absmax / codes.symmetricSpan
                            : (hi * 0.5f - lo * 0.5f) / (codes.steps * 0.5f);
  s = s > FLT_MIN ? s : FLT_MIN;
  scale = s;
  // -lo / s is in [0, 2^b - 1] and clamped against the last bit's rounding.
  float z = clampTo(roundToEven(-lo / s), 0.0f, codes.steps) + codes.minCode;
  zeroPoint = codes.symmetric ? 0.0f : z;
}

/// clamp(round(x / s) + z) - z: the code less the zero point. Clamping first keeps roundToEven's
/// argument small and changes nothing, the bounds being integers.
PTQ_ALWAYS_INLINE float roundToStep(float x, float scale, float zeroPoint, float minCode,
                                    float maxCode) {
  return roundToEven(clampTo(x / scale, minCode - zeroPoint, maxCode - zeroPoint));
}

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_RANGEPARAMETERS_H

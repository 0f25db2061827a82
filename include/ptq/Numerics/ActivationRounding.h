// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations as integers, for ptq.quantize and ptq.dynamic_quantize: with v[i, k] = x[i, k]·c[k]
// and b-bit signed codes,
//
//   q = clamp(round(v / s) + z, -2^(b-1), 2^(b-1) - 1), ties to even, NaN ↦ z
//
// where s and z belong to a row (a token) or to all of x. Taken from the values themselves they are
//
//   symmetric   s = max|v| / (2^(b-1) - 1), z = 0: ±max|v| are exact;
//   asymmetric  [lo, hi] = [min(v, 0), max(v, 0)], s = (hi - lo) / (2^b - 1),
//               z = clamp(round(-lo / s), 0, 2^b - 1) - 2^(b-1);
//
// s at least the smallest normal float. A NaN among the values makes s NaN, an infinity infinite,
// so that what is computed with q and s is NaN and the fault is seen.

#ifndef PTQ_NUMERICS_ACTIVATIONROUNDING_H
#define PTQ_NUMERICS_ACTIVATIONROUNDING_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"

namespace ptq::numerics {

struct ActivationScheme {
  unsigned bits = 8; ///< 2 to 8.
  bool symmetric = true;
};

/// Scales and zero points of each row of x·diag(channelScales): scales [rows], zeroPoints [rows]
/// or, when symmetric, not written. channelScales is [columns] or empty (ones).
void computeTokenParameters(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                            const ActivationScheme &scheme, llvm::MutableArrayRef<float> scales,
                            llvm::MutableArrayRef<int8_t> zeroPoints);

/// The one scale and zero point of all of x·diag(channelScales).
void computeTensorParameters(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                             const ActivationScheme &scheme, float &scale, int8_t &zeroPoint);

/// The codes of x·diag(channelScales) [rows, columns]. scales and zeroPoints have an element for
/// each row, or one for all; zeroPoints is empty when symmetric.
void quantizeActivations(ConstMatrix x, llvm::ArrayRef<float> channelScales,
                         const ActivationScheme &scheme, llvm::ArrayRef<float> scales,
                         llvm::ArrayRef<int8_t> zeroPoints, MatrixRef<int8_t> codes);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_ACTIVATIONROUNDING_H

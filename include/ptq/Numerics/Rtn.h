// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Round to nearest: q = clamp(round(x / s) + z, minCode, maxCode), ties to even, and the choice of
// s and z for a group of values. With L = 2^b - 1 and unsigned codes 0..L (z is stored shifted by
// -2^(b-1), like the codes):
//   symmetric   s = 2 absmax / L (or absmax / (2^(b-1) - 1), see SymmetricRange), z = 0 (signed);
//   asymmetric  [lo, hi] = [min(x, 0), max(x, 0)], s = (hi - lo) / L, z = round(-lo / s);
//   codebook    s = absmax, whatever the codes;
//   all zero    the range is [-1, 1];
//   mse         of the ranges [p lo, p hi], p = 1 - i/100, i = 0..79, the first that minimizes
//               sum |q(x) - x|^2.4 (Frantar et al., GPTQ, the reference implementation's search).
//   clip c      the range is [max(lo, -c), min(hi, c)] instead of [lo, hi] (AWQ's searched ranges;
//   not with
//               mse, which searches its own).
// A scale is never below the smallest normal float, so x / s is always finite.

#ifndef PTQ_NUMERICS_RTN_H
#define PTQ_NUMERICS_RTN_H

#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/QuantizedWeight.h"
#include "llvm/ADT/ArrayRef.h"

namespace ptq::numerics {

/// Scale and signed zero point (0 when symmetric) of one group of values.
struct QuantizationParameters {
  float scale = 1.0f;
  int32_t zeroPoint = 0;
};

/// The parameters for finite values. An empty group gives those of the range [-1, 1].
QuantizationParameters computeParameters(llvm::ArrayRef<float> values, unsigned bits,
                                         bool symmetric, bool mse,
                                         SymmetricRange range = SymmetricRange::Full);

/// The parameters for a range known in advance (observed activations, say); lo <= hi. Symmetric
/// takes absmax = max(|lo|, |hi|).
QuantizationParameters parametersOfRange(float lo, float hi, unsigned bits, bool symmetric,
                                         SymmetricRange range = SymmetricRange::Full);

/// The signed code of x: clamp(round(x / scale) + zeroPoint), ties to even.
int32_t quantizeValue(float x, const QuantizationParameters &parameters, unsigned bits);

/// Quantizes w (row-major, [output channels, input channels]) by rounding to nearest: to the nearest
/// entry, the lower one of two, where the scheme has a codebook.
/// clip, if it has data, is [rows, groups]: what bounds the range of each group's scale.
/// Errors: those of verify() and verifyClip(), a NaN or an infinity in w (the message has its row
/// and column).
llvm::Expected<QuantizedWeight> quantizeRtn(ConstMatrix w, const WeightScheme &scheme,
                                            ConstMatrix clip = {});

/// An error unless clip [rows, groups] fits the scheme for a weight of rows x columns: not per
/// tensor, a value for each group of each row, none negative, all finite.
llvm::Error verifyClip(ConstMatrix clip, const WeightScheme &scheme, int64_t rows, int64_t columns);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_RTN_H

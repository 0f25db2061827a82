// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rounding error of scaled weights, and its size on a sketch of the input: what AWQ's searches
// evaluate many times.

#ifndef PTQ_LIB_NUMERICS_AWQLOSS_H
#define PTQ_LIB_NUMERICS_AWQLOSS_H

#include "Simd.h"
#include "ptq/Numerics/Awq.h"
#include <memory>

namespace ptq::numerics {

/// An error unless the layer can be rounded, is finite, and is as wide as the input.
llvm::Error verifyLayer(const ScaledLayer &layer, int64_t channels);

/// An error unless all scales are positive and finite, and one a channel (or none).
llvm::Error verifyScales(llvm::ArrayRef<float> scales, int64_t channels);

/// delta[c * tileRows + lane] = Q(v) / s[c] - w[c * stride + lane] with v = w * s[c], c < count:
/// the rounding error of one group of a tile of rows. The range is that of v, each of its ends at
/// most clip[lane] away from 0; null: all of it. ranges (null: taken from v) holds the tile's lows,
/// then its highs.
void computeRoundingErrors(const float *w, int64_t count, int64_t stride, const float *scales,
                           const float *inverseScales, const WeightScheme &scheme,
                           const float *clip, const float *ranges, float *delta,
                           int64_t deltaStride);

/// Lows, then highs (2 * tileRows) of w * s, extended to include 0.
void computeScaledRanges(const float *w, int64_t count, int64_t stride, const float *scales,
                         float *ranges);

/// norms[j] = sum over i of values(i, j)^2.
void columnNorms(ConstMatrix values, float *norms);

/// Rows of a weight laid out for repeated evaluation.
class SampledRows {
public:
  /// `count` rows evenly spread over the weight; 0 or more than it has: all.
  SampledRows(const ScaledLayer &layer, int64_t count);

  int64_t rows() const { return sampled; }
  int64_t blocks() const { return static_cast<int64_t>(lanes.size()); }
  /// ||(W - Q(W S) S^-1) Z^T||^2 of one block of rows. Safe to call from several threads.
  double blockLoss(int64_t block, llvm::ArrayRef<float> scales, llvm::ArrayRef<float> inverseScales,
                   ConstMatrix z) const;

private:
  WeightScheme scheme;
  int64_t sampled, columns;
  /// [columns][blockRows] of each block.
  std::vector<std::unique_ptr<float[]>> lanes;
  /// Of each column over the whole weight; for per-tensor scales only.
  std::vector<float> columnLow, columnHigh;
};

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_AWQLOSS_H

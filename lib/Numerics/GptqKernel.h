// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of GPTQ that is not GEMM: rounding a block's columns one after another, for tileRows
// rows at a time, and solving for live values at the start of groups.

#ifndef PTQ_LIB_NUMERICS_GPTQKERNEL_H
#define PTQ_LIB_NUMERICS_GPTQKERNEL_H

#include "GptqSchedule.h"
#include "Simd.h"

namespace ptq::numerics {

/// One tile's data, rows in lanes: column c of a matrix is at [c * stride, c * stride + tileRows).
/// Pointers are to the block's first column, except scales' and zero points', which are to group 0.
struct GptqTile {
  float *values;     ///< In: W. Out: E = W - Q, for the block's columns.
  float *t;          ///< In: E[:, <begin] R[<begin, window].
  int8_t *codes;     ///< Out.
  float *scales;     ///< [groups][stride]: out for the groups of the block's steps, else in.
  float *zeroPoints; ///< [groups][stride]
  const float *clip; ///< [groups][stride], or null: bounds of the ranges.
  /// Null, or the tileRows scales of rows that group scales are multiples of.
  const float *channelScales;
  /// Null, or a nonzero byte for every weight that stays in 16 bits; these become `kept`.
  const uint8_t *outliers;
  float *kept;
  ShortFloat keptType;
  float *losses;  ///< [tileRows]: += the squares of E R in the block's columns.
  float *scratch; ///< [schedule.maxSolve][tileRows]
  int64_t stride;
};

/// Rounds the columns of a block.
void roundBlock(const GptqSchedule &schedule, const Block &block, const WeightScheme &scheme,
                const GptqTile &tile);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_GPTQKERNEL_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A quantized weight: signed integer codes with their scales and zero points.

#ifndef PTQ_NUMERICS_QUANTIZEDWEIGHT_H
#define PTQ_NUMERICS_QUANTIZEDWEIGHT_H

#include "ptq/Numerics/DoubleQuantization.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/ProgressiveGroups.h"
#include "ptq/Numerics/SparseWeight.h"
#include "ptq/Numerics/WeightScheme.h"
#include <optional>
#include <vector>

namespace ptq::numerics {

/// The value of element (i, j) is (codes[i, j] - zeroPoint) * scale, or the codebook's entry for
/// codes[i, j] times the scale, both taken at parameterIndex(i, j).
struct QuantizedWeight {
  int64_t rows = 0;
  int64_t columns = 0;
  WeightScheme scheme;
  /// [rows, columns], in [scheme.minCode(), scheme.maxCode()].
  std::vector<int8_t> codes;
  /// [rows, groups]; per channel [rows]; per tensor [1]. All positive, finite and normal.
  std::vector<float> scales;
  /// Same shape as scales, in the codes' signed domain; empty when the scheme is symmetric.
  std::vector<int8_t> zeroPoints;
  /// [columns], the group of each column, when groups are not consecutive columns (activation order
  /// with live group scales); else empty: the group of column j is j / groupSize.
  std::vector<int32_t> groupIndex;
  /// With WeightScheme::doubleQuantization: what `scales`, which may then be 0 or below, were
  /// dequantized from.
  std::optional<QuantizedScales> quantizedScales;
  /// With WeightScheme::progressive: what `scales` are products of.
  std::optional<ProgressiveScales> progressive;
  /// Single weights that are kept beside the codes; the weight is the sum of both.
  SparseWeight sparse;

  int64_t groups() const { return groupsPerRow(scheme, columns); }
  /// The group of a column; 0 unless the granularity is PerGroup.
  int64_t groupOf(int64_t column) const {
    if (scheme.granularity != Granularity::PerGroup)
      return 0;
    return groupIndex.empty() ? column / scheme.groupSize : groupIndex[column];
  }
  /// Where the scale and zero point of element (row, column) are.
  int64_t parameterIndex(int64_t row, int64_t column) const {
    return scheme.granularity == Granularity::PerTensor ? 0 : row * groups() + groupOf(column);
  }
};

/// Quantizes the scales of a weight and replaces them by what they have become.
void quantizeScales(QuantizedWeight &weight);

/// out[i, j] = (code - zero point) * scale, or entry * scale. out has the weight's shape.
void dequantize(const QuantizedWeight &weight, MutableMatrix out);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_QUANTIZEDWEIGHT_H

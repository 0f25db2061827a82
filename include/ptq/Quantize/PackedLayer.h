// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a rounded weight to ptq.weight_only_linear.

#ifndef PTQ_QUANTIZE_PACKEDLAYER_H
#define PTQ_QUANTIZE_PACKEDLAYER_H

#include "ptq/Analysis/StoredConstant.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/QuantizedWeight.h"

#include <optional>
#include <string>

namespace ptq {

/// How a layer was rounded, for the report. Kept on the layer as the dictionary `ptq.report`.
struct RoundingRecord {
  std::string method;             ///< "rtn", "gptq".
  std::optional<double> error;    ///< ‖ΔW·R‖²/‖W·R‖².
  std::optional<double> errorRtn; ///< The same when rounded to nearest.
  double seconds = 0;
  /// What else the report tells of the layer, by the names it has there.
  std::vector<std::pair<std::string, double>> figures;
};

inline constexpr llvm::StringLiteral kReportAttr = "ptq.report";
inline constexpr llvm::StringLiteral kSkippedAttr = "ptq.skipped";

/// A rounded weight, packed: what replaces a layer once the function may change. Copies share the
/// large arrays.
struct PackedWeight {
  int64_t rows = 0, columns = 0;
  numerics::WeightScheme scheme;
  StoredArray<uint32_t> words; ///< The dense bit stream of each row; or
  StoredArray<int8_t> codes;   ///< [rows, columns], where 8 bits are kept as bytes.
  StoredArray<float> scales;
  StoredArray<int8_t> zeroPoints;
  std::vector<int32_t> groupIndex;
  numerics::SparseWeight sparse;                            ///< Weights that stay in 16 bits.
  std::optional<numerics::QuantizedScales> quantizedScales; ///< Of `scales`.
  std::optional<numerics::ProgressiveScales> progressive;   ///< What `scales` are products of.

  PackedWeight() = default;
  /// With `bytes` codes are kept as they are, else they are packed.
  explicit PackedWeight(numerics::QuantizedWeight weight, bool bytes = false);
  /// The weight that was packed.
  numerics::QuantizedWeight unpack() const;
};

/// Replaces the layer; its new constants are keyed `<layer>.weight_packed`, `.weight_scale`,
/// `.weight_zero_point`, `.weight_g_idx` and, for what stays in 16 bits, `.weight_outlier_offsets`,
/// `.weight_outlier_columns` and `.weight_outliers`. Attributes that other passes left on the layer
/// stay. The float weight goes if nothing else reads it.
WeightOnlyLinearOp replaceByPacked(LinearOp layer, PackedWeight weight,
                                   const RoundingRecord &record);

} // namespace ptq

#endif

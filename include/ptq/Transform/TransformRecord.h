// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a transformation did to the input of a layer, kept on the layer for the report.

#ifndef PTQ_TRANSFORM_TRANSFORMRECORD_H
#define PTQ_TRANSFORM_TRANSFORMRECORD_H

#include "ptq/IR/PTQ.h"
#include <optional>
#include <string>
#include <vector>

namespace ptq {

/// "folded", "explicit" or "none": where the scale of the layer's input went. With several
/// transformations the most costly place.
inline constexpr llvm::StringLiteral kInputScaleAttr = "ptq.input_scale";

/// {method = {where, into, …}, …}: what each transformation chose and why.
inline constexpr llvm::StringLiteral kTransformAttr = "ptq.transform";

struct TransformRecord {
  llvm::StringRef method;           ///< "smoothquant", "awq".
  llvm::StringRef inputScale;       ///< "folded", "explicit", "none".
  std::string where;                ///< Where the scale went, or why there is none.
  std::vector<std::string> into;    ///< What absorbed it: ScaleGroup::absorbers, if folded.
  std::optional<double> alpha;      ///< SmoothQuant's exponent.
  std::optional<double> ratio;      ///< AWQ's exponent.
  std::optional<double> lossBefore; ///< The group's output error without scales,
  std::optional<double> loss;       ///< and with those chosen, in the output's unit squared.
};

/// Writes both attributes; what other transformations left stays.
void attachRecord(LinearOp layer, const TransformRecord &record);

} // namespace ptq

#endif

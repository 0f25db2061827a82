// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What replacing a float layer by a quantized one takes, whichever it is.

#ifndef PTQ_PASSES_QUANTIZE_LAYERPARTS_H
#define PTQ_PASSES_QUANTIZE_LAYERPARTS_H

#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Execution/Tensor.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Quantize/PackedLayer.h"

namespace ptq {

/// A layer's `clip` attribute, [out, groups]; it bounds the ranges of `scheme` unless the scheme
/// searches them.
class LayerClip {
public:
  static llvm::Expected<LayerClip> of(LinearOp layer, const numerics::WeightScheme &scheme);
  /// Without data if there is nothing to bound.
  numerics::ConstMatrix matrix() const;

private:
  execution::Tensor tensor;
};

/// The attribute for a weight's scheme.
SchemeAttr toAttribute(mlir::MLIRContext *context, const numerics::WeightScheme &scheme);

/// Keeps the record on the op that a layer has become, but for the time, which is kept beside the
/// IR (ptq::LayerTimes).
void setRecord(mlir::Operation *op, llvm::StringRef layer, const RoundingRecord &record);

/// Erases what computed `value`, as far as nothing else reads it.
void eraseIfUnused(mlir::Value value);

/// Puts `result` in the layer's place, with its discardable attributes and the record, and erases
/// the layer and, as far as nothing else reads it, what computed its operands.
void finishReplacement(LinearOp layer, mlir::Operation *result, const RoundingRecord &record);

} // namespace ptq

#endif

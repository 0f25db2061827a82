// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What replacing a float layer by a quantized one takes, whichever it is.

#ifndef PTQ_PASSES_QUANTIZE_LAYERPARTS_H
#define PTQ_PASSES_QUANTIZE_LAYERPARTS_H

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Execution/Tensor.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Quantize/PackedLayer.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <memory>
#include <vector>

namespace ptq {

/// A constant that owns `data`, keyed for the checkpoint.
template <typename T>
mlir::Value createConstant(mlir::OpBuilder &b, mlir::Location loc, std::vector<T> data,
                           llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                           const llvm::Twine &key) {
  auto type = mlir::RankedTensorType::get(shape, elementType);
  std::string name = key.str();
  mlir::ElementsAttr attr;
  if (data.size() == 1) {
    // A single element is always a splat, which a resource cannot be.
    attr = mlir::DenseElementsAttr::getFromRawBuffer(
        type, llvm::ArrayRef(reinterpret_cast<const char *>(data.data()), sizeof(T)));
  } else {
    auto owner = std::make_shared<std::vector<T>>(std::move(data));
    llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(owner->data()),
                               owner->size() * sizeof(T));
    mlir::AsmResourceBlob blob(
        bytes, alignof(T), [owner](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
    auto &manager = mlir::DenseResourceElementsHandle::getManagerInterface(b.getContext());
    attr = mlir::DenseResourceElementsAttr::get(type, manager.insert(name, std::move(blob)));
  }
  auto constant = mlir::arith::ConstantOp::create(b, loc, attr);
  constant->setAttr(kKeyAttr, b.getStringAttr(name));
  return constant;
}

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

/// Erases what computed `value`, as far as nothing else reads it.
void eraseIfUnused(mlir::Value value);

/// Puts `result` in the layer's place, with its discardable attributes and the record, and erases
/// the layer and, as far as nothing else reads it, what computed its operands.
void finishReplacement(LinearOp layer, mlir::Operation *result, const RoundingRecord &record);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ModelSize.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace ptq;

static int64_t bytesOf(Type type) {
  auto shaped = cast<ShapedType>(type);
  return shaped.getNumElements() * std::max<int64_t>(8, shaped.getElementTypeBitWidth()) / 8;
}

/// Adds a layer that computes in the float type `real` and stores `parameters`.
static void addLayer(QuantizedSize &size, LayerOpInterface layer, RankedTensorType real,
                     ArrayRef<Value> parameters) {
  size.original +=
      layer.getInFeatures() * layer.getOutFeatures() * real.getElementTypeBitWidth() / 8;
  for (Value parameter : parameters)
    if (parameter)
      size.packed += bytesOf(parameter.getType());
}

QuantizedSize ptq::quantizedSize(Operation *root) {
  QuantizedSize size;
  root->walk([&](Operation *op) {
    if (auto layer = dyn_cast<WeightOnlyLinearOp>(op))
      addLayer(
          size, layer, layer.getX().getType(),
          {layer.getWeight(), layer.getScales(), layer.getZeroPoints(), layer.getGroupIndex()});
    else if (auto layer = dyn_cast<IntegerLinearOp>(op))
      addLayer(size, layer, layer.getY().getType(), {layer.getWeight(), layer.getWeightScales()});
  });
  return size;
}

int64_t ptq::parameterBytes(Operation *root) {
  int64_t bytes = 0;
  llvm::DenseSet<Attribute> seen;
  root->walk([&](arith::ConstantOp constant) {
    auto elements = dyn_cast<ElementsAttr>(constant.getValue());
    if (!elements ||
        (isa<DenseElementsAttr>(elements) && elements.isSplat() && !constant->hasAttr(kKeyAttr)))
      return;
    if (seen.insert(elements).second)
      bytes += bytesOf(elements.getType());
  });
  root->walk([&](FunctionOpInterface function) {
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (function.getArgAttr(i, kParameterAttr))
        bytes += bytesOf(function.getArgumentTypes()[i]);
  });
  return bytes;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ModelSize.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

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

/// Adds the weights of a layer's outlier columns: those that are stored apart, or all of them where
/// columns are selected from at run time.
static void addOutliers(QuantizedSize &size, IntegerLinearOp layer) {
  Value weight = layer.getWeightOutliers();
  if (!weight)
    return;
  auto selected = weight.getDefiningOp<SelectColumnsOp>();
  if (selected)
    size.packed += bytesOf(selected.getX().getType());
  auto type = cast<RankedTensorType>(weight.getType());
  if (selected || !type.hasStaticShape())
    return;
  size.packed += bytesOf(type);
  size.original += bytesOf(type);
}

/// Adds the embedding tables that are read in integers, each once.
static void addEmbeddings(QuantizedSize &size, Operation *root) {
  llvm::StringSet<> layers, tables;
  root->walk([&](LayerOpInterface layer) { layers.insert(layer.getLayerName()); });
  root->walk([&](DequantizeOp op) {
    auto record = op->getAttrOfType<DictionaryAttr>(kEmbeddingAttr);
    auto name = record ? record.getAs<StringAttr>("name") : StringAttr();
    auto shape = record ? record.getAs<ArrayAttr>("shape") : ArrayAttr();
    // A fake table is stored in float.
    if (!name || !shape || shape.size() != 2 || op.getQ().getDefiningOp<QuantizeOp>() ||
        !tables.insert(name.getValue()).second)
      return;
    int64_t rows = cast<IntegerAttr>(shape[0]).getInt(),
            width = cast<IntegerAttr>(shape[1]).getInt();
    int64_t bits = op.getScheme().getBits();
    int64_t rowBytes = bits == 8 ? width : (width * bits + 31) / 32 * 4;
    size.packed += rows * (rowBytes + 4);
    // A layer's weight of that name is counted with the layer, or is still there in float.
    if (!layers.contains(name.getValue()))
      size.original += rows * width * op.getX().getType().getElementTypeBitWidth() / 8;
  });
}

/// The bytes of the parameters from which a looked-up weight is computed. `seen` has those that
/// layers share, the tables.
static int64_t lookupBytes(Value value, llvm::DenseSet<Value> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || op->hasTrait<OpTrait::ConstantLike>())
    return seen.insert(value).second ? bytesOf(value.getType()) : 0;
  int64_t bytes = 0;
  for (Value operand : op->getOperands())
    bytes += lookupBytes(operand, seen);
  return bytes;
}

QuantizedSize ptq::quantizedSize(Operation *root) {
  QuantizedSize size;
  llvm::DenseSet<Value> seen;
  addEmbeddings(size, root);
  root->walk([&](Operation *op) {
    if (auto layer = dyn_cast<WeightOnlyLinearOp>(op))
      addLayer(size, layer, layer.getX().getType(),
               {layer.getWeight(), layer.getScales(), layer.getZeroPoints(), layer.getGroupIndex(),
                layer.getRowOffsets(), layer.getColumns(), layer.getValues()});
    else if (auto layer = dyn_cast<IntegerLinearOp>(op)) {
      SmallVector<Value> parameters{layer.getWeight(), layer.getWeightScales()};
      if (auto expand = layer.getWeight().getDefiningOp<ExpandGroupsOp>())
        parameters = {expand.getCodes(), expand.getScales(), expand.getZeroPoints(),
                      layer.getWeightScales()};
      addLayer(size, layer, layer.getY().getType(), parameters);
      addOutliers(size, layer);
    } else if (auto layer = dyn_cast<LinearOp>(op);
               layer && layer.getWeight().getDefiningOp<LookupDequantizeOp>()) {
      addLayer(size, layer, layer.getX().getType(), {});
      size.packed += lookupBytes(layer.getWeight(), seen);
    }
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

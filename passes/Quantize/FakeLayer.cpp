// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FakeLayer.h"

#include "IntegerLayer.h"
#include "LayerParts.h"
#include "OutlierLayer.h"
#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Checkpoint/Float16.h"

using namespace mlir;
using namespace ptq;

/// A float matrix as a constant of the layer's weight's type.
static Value createWeight(OpBuilder &b, LinearOp layer, std::vector<float> values) {
  auto type = layer.getWeight().getType();
  std::string key = layer.getLayerName().str() + ".weight_rounded";
  if (type.getElementType().isF32())
    return createConstant(b, layer.getLoc(), std::move(values), type.getShape(), b.getF32Type(),
                          key);
  checkpoint::DType dtype = *toDType(type.getElementType());
  std::vector<char> bytes(values.size() * checkpoint::byteWidth(dtype));
  checkpoint::convertFromFloat(dtype, values, bytes);
  return createConstant(b, layer.getLoc(), std::move(bytes), type.getShape(), type.getElementType(),
                        key);
}

/// The weight that the layer computes with, dequantized.
static llvm::Expected<Value> roundedWeight(OpBuilder &b, LinearOp layer,
                                           const numerics::QuantizedWeight &weight,
                                           OutliersAttr outliers) {
  auto original = evaluateWeight(layer.getWeight());
  if (!original)
    return original.takeError();
  numerics::ConstMatrix matrix(original->data.data(), layer.getOutFeatures(),
                               layer.getInFeatures());
  return createWeight(b, layer, effectiveWeight(matrix, weight, outliers));
}

/// dequantize(quantize(w)) with known scales.
static Value quantizeAndBack(OpBuilder &b, LinearOp layer, Value value,
                             numerics::QuantizedWeight weight) {
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  if (weight.scheme.granularity == numerics::Granularity::PerTensor)
    shape = {1};
  else if (weight.scheme.granularity == numerics::Granularity::PerChannel)
    shape = {weight.rows};
  else
    shape = {weight.rows, weight.groups()};
  SchemeAttr scheme = toAttribute(b.getContext(), weight.scheme);
  Value scales = createConstant(b, loc, std::move(weight.scales), shape, b.getF32Type(),
                                name + ".weight_scale");
  Value zeroPoints;
  if (!weight.zeroPoints.empty())
    zeroPoints = createConstant(b, loc, std::move(weight.zeroPoints), shape, b.getI8Type(),
                                name + ".weight_zero_point");
  Value codes = QuantizeOp::create(b, loc, type.clone(b.getI8Type()), value, scales, zeroPoints,
                                   /*channel_scales=*/Value(), scheme);
  return DequantizeOp::create(b, loc, type, codes, scales, zeroPoints, scheme);
}

/// c and x − c, see FakeLayer.h.
static std::pair<Value, Value> splitByClearing(OpBuilder &b, LinearOp layer,
                                               OutliersAttr outliers) {
  Location loc = layer.getLoc();
  Value x = layer.getX(), columns;
  if (outliers.getDynamic())
    columns = OutlierColumnsOp::create(
        b, loc, RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type()), x,
        b.getF64FloatAttr(outliers.getThreshold().getValueAsDouble()));
  else
    columns = createConstant(b, loc, outliers.getColumns().asArrayRef().vec(),
                             {outliers.getColumns().size()}, b.getI32Type(),
                             layer.getLayerName() + ".outlier_columns");
  Value rest = ClearColumnsOp::create(b, loc, x.getType(), x, columns);
  return {rest, arith::SubFOp::create(b, loc, x, rest)};
}

/// Adds linear(tail, weight) to the layer's result, as a layer that stays in float.
static void addTail(OpBuilder &b, LinearOp layer, Value tail, Value weight) {
  b.setInsertionPointAfter(layer);
  auto part =
      LinearOp::create(b, layer.getLoc(), layer.getY().getType(), tail, weight, /*bias=*/Value(),
                       b.getStringAttr(layer.getLayerName() + ".outliers"), StatisticsAttr(),
                       SchemeAttr(), SchemeAttr(), /*clip=*/ElementsAttr(), OutliersAttr());
  part->setAttr(kKeepFloatAttr, b.getStringAttr("it multiplies outlier columns"));
  auto sum = arith::AddFOp::create(b, layer.getLoc(), layer.getY(), part.getY());
  layer.getY().replaceAllUsesExcept(sum, sum);
}

llvm::Error ptq::replaceByFake(const SelectedLayer &selected, PackedWeight packed,
                               const RoundingRecord &record, IntegerLayers &integerLayers) {
  LinearOp layer = selected.layer;
  OutliersAttr outliers = selected.outliers;
  OpBuilder b(layer);
  numerics::QuantizedWeight weight = packed.unpack();
  if (dropsOutliers(outliers) && weight.scheme.granularity == numerics::Granularity::PerGroup)
    return llvm::createStringError("layer '" + layer.getLayerName() +
                                   "' has outlier columns and groups of the others, which "
                                   "fake=true has no form for; give group-size=-1");
  // The integers of a codebook or of scattered groups have no such pair: there it is the weight
  // itself that is rounded.
  bool hasPair = weight.scheme.codebook == numerics::Codebook::Uniform &&
                 weight.groupIndex.empty() && weight.sparse.empty();
  Value before = layer.getWeight(), value = before;
  if (!hasPair || record.method != "rtn") {
    llvm::Expected<Value> rounded = roundedWeight(b, layer, weight, outliers);
    if (!rounded)
      return rounded.takeError();
    value = *rounded;
  }
  if (hasPair)
    value = quantizeAndBack(b, layer, value, std::move(weight));
  Value tail;
  if (outliers) {
    auto [rest, beyond] = splitByClearing(b, layer, outliers);
    layer.getXMutable().assign(rest);
    tail = beyond;
  }
  if (selected.activation) {
    auto x = integerLayers.quantizeAndBack(layer, selected.activation);
    if (!x)
      return x.takeError();
    layer.getXMutable().assign(*x);
  }
  layer.getWeightMutable().assign(value);
  if (outliers && outliers.getDequantized())
    layer.getXMutable().assign(
        arith::AddFOp::create(b, layer.getLoc(), layer.getX(), tail).getResult());
  else if (outliers)
    addTail(b, layer, tail, before);
  eraseIfUnused(before);
  layer.removeWeightSchemeAttr();
  layer.removeActivationSchemeAttr();
  layer.removeClipAttr();
  layer.removeOutliersAttr();
  setRecord(layer, layer.getLayerName(), record);
  return llvm::Error::success();
}

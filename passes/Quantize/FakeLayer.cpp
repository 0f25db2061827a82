// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FakeLayer.h"

#include "IntegerLayer.h"
#include "LayerParts.h"
#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Checkpoint/Float16.h"

using namespace mlir;
using namespace ptq;

/// The rounded weight as a constant of the float weight's type.
static Value roundedWeight(OpBuilder &b, LinearOp layer, const numerics::QuantizedWeight &weight) {
  auto type = layer.getWeight().getType();
  std::vector<float> values(weight.rows * weight.columns);
  numerics::dequantize(weight, numerics::MutableMatrix(values.data(), weight.rows, weight.columns));
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

llvm::Error ptq::replaceByFake(const SelectedLayer &selected, PackedWeight packed,
                               const RoundingRecord &record, IntegerLayers &integerLayers) {
  LinearOp layer = selected.layer;
  if (selected.outliers)
    return llvm::createStringError("layer '" + layer.getLayerName() +
                                   "' has outlier columns, which fake=true has no form for");
  OpBuilder b(layer);
  numerics::QuantizedWeight weight = packed.unpack();
  // The integers of a codebook or of scattered groups have no such pair: there it is the weight
  // itself that is rounded.
  bool hasPair = weight.scheme.codebook == numerics::Codebook::Uniform &&
                 weight.groupIndex.empty() && weight.sparse.values.empty();
  Value value = layer.getWeight();
  if (!hasPair || record.method != "rtn")
    value = roundedWeight(b, layer, weight);
  if (hasPair)
    value = quantizeAndBack(b, layer, value, std::move(weight));
  if (selected.activation) {
    auto x = integerLayers.quantizeAndBack(layer, selected.activation);
    if (!x)
      return x.takeError();
    layer.getXMutable().assign(*x);
  }
  Value before = layer.getWeight();
  layer.getWeightMutable().assign(value);
  eraseIfUnused(before);
  layer.removeWeightSchemeAttr();
  layer.removeActivationSchemeAttr();
  layer.removeClipAttr();
  layer->setAttr(kReportAttr, recordAttribute(b, record));
  return llvm::Error::success();
}

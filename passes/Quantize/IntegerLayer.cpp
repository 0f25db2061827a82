// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "IntegerLayer.h"

#include "LayerParts.h"
#include "OutlierLayer.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Execution/Tensor.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace ptq;

static llvm::Error errorOf(LinearOp layer, const Twine &message) {
  return llvm::createStringError("layer '" + layer.getLayerName() + "' " + message);
}

/// Whether statistics serve the layer's activation scheme.
static llvm::Error checkActivation(LinearOp layer, SchemeAttr scheme, bool statisticsPending) {
  Granularity granularity = scheme.getGranularity();
  if (granularity != Granularity::PerToken && granularity != Granularity::PerTensor)
    return errorOf(layer, "has an activation scheme " + stringifyGranularity(granularity) +
                              "; an activation is quantized per_token or per_tensor");
  if (scheme.getDynamic())
    return llvm::Error::success();
  if (granularity == Granularity::PerToken)
    return errorOf(layer, "has an activation scheme with known scales per_token; they are computed "
                          "at run time: make it dynamic");
  if (!scheme.getSymmetric())
    return errorOf(layer,
                   "has a static asymmetric activation scheme, but statistics hold no least and "
                   "greatest values; make it symmetric, or dynamic");
  if (!layer.getStatistics() && !statisticsPending)
    return errorOf(layer, "has a static activation scheme and no statistics; run "
                          "--calibrate=\"data=F\" or --load-statistics=\"file=F\" before, or "
                          "compute scales at run time with activations=per-tensor");
  return llvm::Error::success();
}

llvm::Error ptq::checkActivations(ArrayRef<SelectedLayer> layers, bool statisticsPending) {
  for (const SelectedLayer &selected : layers)
    if (selected.activation)
      if (llvm::Error error =
              checkActivation(selected.layer, selected.activation, statisticsPending))
        return error;
  return llvm::Error::success();
}

/// The scale that the statistics give the whole activation but its outlier columns.
static llvm::Expected<float> staticScale(LinearOp layer, SchemeAttr scheme, OutliersAttr outliers) {
  auto absmax = execution::tensorFromAttribute(layer.getStatistics()->getAbsmax());
  if (!absmax)
    return absmax.takeError();
  float greatest = 0;
  ArrayRef<int32_t> left;
  if (outliers)
    left = outliers.getColumns().asArrayRef();
  for (auto [column, value] : llvm::enumerate(absmax->as<float>())) {
    if (!left.empty() && left.front() == static_cast<int32_t>(column)) {
      left = left.drop_front();
      continue;
    }
    if (!std::isfinite(value))
      return errorOf(layer, "has statistics that are not finite: the calibration data gave it an "
                            "infinity or a NaN");
    greatest = std::max(greatest, value);
  }
  return std::max(greatest / static_cast<float>(scheme.getMaximum()), FLT_MIN);
}

llvm::Expected<IntegerLayers::Activation> IntegerLayers::quantize(LinearOp layer, SchemeAttr scheme,
                                                                  OutliersAttr outliers) {
  if (llvm::Error error = checkActivation(layer, scheme, /*statisticsPending=*/false))
    return std::move(error);
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  Value x = layer.getX(), channelScales;
  // What is an outlier is seen after the channels are scaled.
  if (auto scaled = x.getDefiningOp<ScaleChannelsOp>(); scaled && !outliers) {
    x = scaled.getX();
    channelScales = scaled.getScales();
  }
  FloatAttr scale;
  if (!scheme.getDynamic()) {
    llvm::Expected<float> value = staticScale(layer, scheme, outliers);
    if (!value)
      return value.takeError();
    scale = b.getF32FloatAttr(*value);
  }
  Activation &known =
      activations[{sharedInput(x), x.getType(), channelScales, scheme, scale, outliers}];
  if (known.codes && known.codes.getParentBlock() == layer->getBlock())
    return known;
  ActivationSplit split;
  if (outliers) {
    split = splitActivation(b, layer, outliers);
    x = split.rest;
  }

  auto type = cast<RankedTensorType>(x.getType());
  RankedTensorType codes = type.clone(b.getI8Type());
  if (scale) {
    known.scales = createConstant<float>(b, loc, {scale.getValue().convertToFloat()}, {1},
                                         b.getF32Type(), layer.getLayerName() + ".input_scale");
    known.codes = QuantizeOp::create(b, loc, codes, x, known.scales, /*zero_points=*/Value(),
                                     channelScales, scheme);
    known.outliers = split.outliers;
    known.columns = split.columns;
    return known;
  }
  SmallVector<int64_t> shape{1};
  if (scheme.getGranularity() == Granularity::PerToken)
    shape.assign(type.getShape().begin(), type.getShape().end() - 1);
  Type scaleType = type.getElementType().isF64() ? type.getElementType() : b.getF32Type();
  SmallVector<Type> results{codes, RankedTensorType::get(shape, scaleType)};
  if (!scheme.getSymmetric())
    results.push_back(RankedTensorType::get(shape, b.getI8Type()));
  auto quantize = DynamicQuantizeOp::create(
      b, loc, results, channelScales ? ValueRange{x, channelScales} : ValueRange{x},
      {b.getNamedAttr("scheme", scheme)});
  known = {quantize.getQ(), quantize.getScales(), quantize.getZeroPoints(), split.outliers,
           split.columns};
  return known;
}

llvm::Expected<Value> IntegerLayers::quantizeAndBack(LinearOp layer, SchemeAttr scheme) {
  llvm::Expected<Activation> activation = quantize(layer, scheme, OutliersAttr());
  if (!activation)
    return activation.takeError();
  OpBuilder b(layer);
  return DequantizeOp::create(b, layer.getLoc(), layer.getX().getType(), activation->codes,
                              activation->scales, activation->zeroPoints, scheme)
      .getX();
}

/// The 8-bit integers of a weight in progressive groups.
static Value expandGroups(OpBuilder &b, LinearOp layer, PackedWeight &weight, Value codes) {
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  int64_t groups = numerics::groupsPerRow(weight.scheme, weight.columns);
  Value scales = createConstant(b, loc, std::move(weight.progressive->groupScales),
                                {weight.rows, groups}, b.getI8Type(), name + ".weight_group_scale");
  Value zeroPoints = createConstant(b, loc, std::move(weight.zeroPoints), {weight.rows, groups},
                                    b.getI8Type(), name + ".weight_zero_point");
  auto type = RankedTensorType::get({weight.rows, weight.columns}, b.getI8Type());
  return ExpandGroupsOp::create(b, loc, type, codes, scales, zeroPoints, weight.scheme.bits);
}

llvm::Expected<IntegerLinearOp> IntegerLayers::replace(const SelectedLayer &selected,
                                                       PackedWeight weight,
                                                       const RoundingRecord &record) {
  LinearOp layer = selected.layer;
  OutliersAttr outliers = selected.outliers;
  if (!weight.groupIndex.empty())
    return errorOf(layer, "has integer activations, but its groups are not consecutive channels; "
                          "round with order=group-aware or static-groups=true");
  if (llvm::Error error = checkOutlierWeight(layer, outliers, weight))
    return std::move(error);
  llvm::Expected<Activation> activation = quantize(layer, selected.activation, outliers);
  if (!activation)
    return activation.takeError();
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  Value outlierWeight;
  if (outliers && !outliers.getDynamic()) {
    llvm::Expected<Value> taken = takeOutlierWeight(b, layer, outliers, weight);
    if (!taken)
      return taken.takeError();
    outlierWeight = *taken;
  }
  int64_t scaleRows =
      weight.scheme.granularity == numerics::Granularity::PerTensor ? 1 : weight.rows;
  int64_t groups = numerics::groupsPerRow(weight.scheme, weight.columns);
  SchemeAttr scheme = toAttribute(b.getContext(), weight.scheme);
  Value codes;
  if (weight.codes.empty()) {
    int64_t words = weight.words.size() / weight.rows;
    codes = createConstant(b, loc, std::move(weight.words), {weight.rows, words}, b.getI32Type(),
                           name + ".weight_packed");
  } else {
    // The float weight keeps its name where it is still read.
    bool keepsWeight = outliers && outliers.getDynamic() && !outliers.getDequantized();
    bool isShared = keepsWeight || !layer.getWeight().hasOneUse();
    codes = createConstant(b, loc, std::move(weight.codes), {weight.rows, weight.columns},
                           b.getI8Type(), name + (isShared ? ".weight_int8" : ".weight"));
  }
  if (weight.progressive) {
    codes = expandGroups(b, layer, weight, codes);
    scheme = SchemeAttr::get(b.getContext(), /*bits=*/8, /*symmetric=*/true,
                             Granularity::PerChannel, /*groupSize=*/0, /*dynamic=*/false);
    weight.scales = std::move(weight.progressive->channelScales);
    groups = 1;
  }
  Value scales = createConstant(b, loc, std::move(weight.scales), {scaleRows, groups},
                                b.getF32Type(), name + ".weight_scale");
  if (outliers && outliers.getDynamic())
    outlierWeight =
        selectOutlierWeight(b, layer, outliers, activation->columns, weight.scheme, codes, scales);
  auto result = IntegerLinearOp::create(
      b, loc, layer.getY().getType(), activation->codes, activation->scales, activation->zeroPoints,
      codes, scales, activation->outliers, outlierWeight, layer.getBias(), selected.activation,
      scheme, layer.getLayerAttr(), layer.getStatisticsAttr());
  finishReplacement(layer, result, record);
  return result;
}

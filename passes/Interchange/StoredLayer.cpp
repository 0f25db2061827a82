// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StoredLayer.h"

#include "ptq/Numerics/Packing.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

checkpoint::LayerConfig StoredLayer::config() const {
  checkpoint::LayerConfig config;
  config.weight.bits = weight.scheme.bits;
  config.weight.symmetric = weight.scheme.symmetric;
  config.weight.groupSize =
      weight.scheme.granularity == numerics::Granularity::PerGroup ? weight.scheme.groupSize : -1;
  config.perTensor = weight.scheme.granularity == numerics::Granularity::PerTensor;
  config.groupIndex = !weight.groupIndex.empty();
  config.activation = activation;
  return config;
}

Expected<execution::Tensor> ptq::constantTensor(Value value) {
  ElementsAttr attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return createStringError("its parameters are not constants; run --load-parameters before");
  return execution::tensorFromAttribute(attribute);
}

template <typename T> static std::vector<T> toVector(const execution::Tensor &tensor) {
  ArrayRef<T> elements = tensor.as<T>();
  return std::vector<T>(elements.begin(), elements.end());
}

/// Codes, as bytes or as packed words.
static Error readCodes(Value value, SchemeAttr scheme, int64_t rows, int64_t columns,
                       numerics::QuantizedWeight &weight) {
  Expected<execution::Tensor> codes = constantTensor(value);
  if (!codes)
    return codes.takeError();
  weight.rows = rows;
  weight.columns = columns;
  weight.scheme.bits = scheme.getBits();
  weight.scheme.symmetric = scheme.getSymmetric();
  Granularity granularity = scheme.getGranularity();
  weight.scheme.granularity = granularity == Granularity::PerGroup ? numerics::Granularity::PerGroup
                              : granularity == Granularity::PerTensor
                                  ? numerics::Granularity::PerTensor
                                  : numerics::Granularity::PerChannel;
  weight.scheme.groupSize = granularity == Granularity::PerGroup ? scheme.getGroupSize() : 0;
  if (codes->type.getElementType().isInteger(8))
    weight.codes = toVector<int8_t>(*codes);
  else
    weight.codes = numerics::unpackCodes(codes->as<uint32_t>(), rows, columns, weight.scheme.bits);
  return Error::success();
}

static Error readScales(Value value, numerics::QuantizedWeight &weight) {
  Expected<execution::Tensor> scales = constantTensor(value);
  if (!scales)
    return scales.takeError();
  weight.scales.resize(scales->numElements());
  execution::convertToFloat(*scales, weight.scales);
  return Error::success();
}

static Error readWeightOnly(WeightOnlyLinearOp op, StoredLayer &layer) {
  if (op.getRowOffsets())
    return createStringError("some of its weights are in a sparse part (outliers=…), which no "
                             "format here holds; save it with --save-parameters");
  if (Error error = readCodes(op.getWeight(), op.getScheme(), op.getOutFeatures(),
                              op.getInFeatures(), layer.weight))
    return error;
  if (Error error = readScales(op.getScales(), layer.weight))
    return error;
  if (op.getZeroPoints()) {
    Expected<execution::Tensor> zeroPoints = constantTensor(op.getZeroPoints());
    if (!zeroPoints)
      return zeroPoints.takeError();
    layer.weight.zeroPoints = toVector<int8_t>(*zeroPoints);
  }
  if (op.getGroupIndex()) {
    Expected<execution::Tensor> groupIndex = constantTensor(op.getGroupIndex());
    if (!groupIndex)
      return groupIndex.takeError();
    layer.weight.groupIndex = toVector<int32_t>(*groupIndex);
  }
  return Error::success();
}

static Error readInteger(IntegerLinearOp op, StoredLayer &layer) {
  if (op.getXOutliers())
    return createStringError("some of its columns stay in floats (--llm-int8), which no format "
                             "here holds; save it with --save-parameters");
  if (op.getWeight().getDefiningOp<ExpandGroupsOp>())
    return createStringError("its weight is in progressive groups, which no format here holds; "
                             "save it with --save-parameters");
  if (Error error = readCodes(op.getWeight(), op.getWeightScheme(), op.getOutFeatures(),
                              op.getInFeatures(), layer.weight))
    return error;
  if (Error error = readScales(op.getWeightScales(), layer.weight))
    return error;
  SchemeAttr scheme = op.getActivationScheme();
  layer.activation = checkpoint::ActivationConfig{scheme.getBits(), scheme.getSymmetric(),
                                                  scheme.getGranularity() == Granularity::PerToken,
                                                  scheme.getDynamic()};
  Operation *producer = op.getX().getDefiningOp();
  Value channelScales =
      llvm::TypeSwitch<Operation *, Value>(producer)
          .Case([](QuantizeOp quantize) { return quantize.getChannelScales(); })
          .Case([](DynamicQuantizeOp quantize) { return quantize.getChannelScales(); })
          .Default(Value());
  if (channelScales)
    return createStringError("its input has explicit channel scales, which no checkpoint holds; "
                             "transform with explicit-scale=never");
  if (scheme.getDynamic())
    return Error::success();
  if (op.getXZeroPoints())
    return createStringError("its input has a zero point known in advance, which is not supported; "
                             "make the activation symmetric, or dynamic");
  Expected<execution::Tensor> scale = constantTensor(op.getXScales());
  if (!scale)
    return scale.takeError();
  float value = 0;
  if (scale->numElements() != 1)
    return createStringError("its input has more than one scale known in advance");
  execution::convertToFloat(*scale, llvm::MutableArrayRef(value));
  layer.inputScale = value;
  return Error::success();
}

Expected<StoredLayer> ptq::readLayer(Operation *op) {
  StoredLayer layer;
  layer.name = cast<LayerOpInterface>(op).getLayerName().str();
  Error error = llvm::TypeSwitch<Operation *, Error>(op)
                    .Case([&](WeightOnlyLinearOp linear) { return readWeightOnly(linear, layer); })
                    .Case([&](IntegerLinearOp linear) { return readInteger(linear, layer); });
  if (error)
    return createStringError("layer '" + layer.name + "': " + toString(std::move(error)));
  return layer;
}

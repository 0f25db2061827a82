// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OpSupport.h"

using namespace mlir;
using namespace ptq;

bool ptq::compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

bool ptq::compatible(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return compatible(std::get<0>(pair), std::get<1>(pair));
         });
}

LogicalResult ptq::verifyStatistics(Operation *op, std::optional<StatisticsAttr> statistics,
                                    int64_t channels) {
  if (statistics && !compatible(statistics->getAbsmax().getNumElements(), channels))
    return op->emitOpError("statistics are of ") << statistics->getAbsmax().getNumElements()
                                                 << " channels, but the input has " << channels;
  return success();
}

LogicalResult ptq::verifyLayer(LayerOpInterface op, RankedTensorType result) {
  RankedTensorType x = op.getX().getType();
  if (x.getRank() < 1)
    return op.emitOpError("input must have a last dimension of input channels, but is a scalar");
  if (!compatible(x.getShape().back(), op.getInFeatures()))
    return op.emitOpError("input has ")
           << x.getShape().back() << " channels in its last dimension, but the weight takes "
           << op.getInFeatures();
  SmallVector<int64_t> expected(x.getShape());
  expected.back() = op.getOutFeatures();
  if (!compatible(expected, result.getShape()))
    return op.emitOpError("result must be the input's shape with ")
           << op.getOutFeatures() << " output channels in its last dimension, but is " << result;
  if (Value bias = op.getBias()) {
    auto type = cast<RankedTensorType>(bias.getType());
    if (!compatible(type.getDimSize(0), op.getOutFeatures()))
      return op.emitOpError("bias has ") << type.getDimSize(0) << " elements, but there are "
                                         << op.getOutFeatures() << " output channels";
  }
  return success();
}

LogicalResult ptq::reifyLayer(OpBuilder &b, LayerOpInterface op, RankedTensorType result,
                              ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape;
  for (int64_t i = 0, last = result.getRank() - 1; i <= last; ++i)
    shape.push_back(i == last ? OpFoldResult(b.getIndexAttr(op.getOutFeatures()))
                              : tensor::getMixedSize(b, op.getLoc(), op.getX(), i));
  dims.push_back(std::move(shape));
  return success();
}

LogicalResult ptq::reifySameShape(OpBuilder &b, Location loc, Value operand,
                                  ReifiedRankedShapedTypeDims &dims) {
  dims.push_back(tensor::getMixedSizes(b, loc, operand));
  return success();
}

bool ptq::isZeroConstant(Value value) {
  DenseElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr)) || !attr.isSplat())
    return false;
  if (isa<FloatType>(attr.getElementType()))
    return attr.getSplatValue<APFloat>().isZero();
  return attr.getSplatValue<APInt>().isZero();
}

SmallVector<int64_t> ptq::scaleShape(SchemeAttr scheme, ArrayRef<int64_t> shape) {
  switch (scheme.getGranularity()) {
  case Granularity::PerTensor:
    return {1};
  case Granularity::PerChannel:
    return {shape.front()};
  case Granularity::PerToken:
    return SmallVector<int64_t>(shape.drop_back());
  case Granularity::PerGroup: {
    SmallVector<int64_t> scales(shape);
    if (!ShapedType::isDynamic(scales.back()))
      scales.back() /= scheme.getGroupSize();
    return scales;
  }
  }
  llvm_unreachable("unknown granularity");
}

LogicalResult ptq::verifyShape(Operation *op, StringRef what, RankedTensorType type,
                               ArrayRef<int64_t> expected) {
  if (compatible(expected, type.getShape()))
    return success();
  InFlightDiagnostic error = op->emitOpError(what) << " must be of shape [";
  llvm::interleaveComma(expected, error, [&](int64_t size) {
    ShapedType::isDynamic(size) ? error << "?" : error << size;
  });
  return error << "], not " << type;
}

LogicalResult ptq::verifyQuantization(Operation *op, RankedTensorType real,
                                      RankedTensorType integer, RankedTensorType scales,
                                      Value zeroPoints, SchemeAttr scheme) {
  if (real.getRank() < 1)
    return op->emitOpError("a scalar has no channels; use a tensor of rank 1");
  if (integer.getElementTypeBitWidth() < scheme.getBits())
    return op->emitOpError("integers of ")
           << scheme.getBits() << " bits do not fit in " << integer.getElementType();
  int64_t last = real.getShape().back();
  if (scheme.getGranularity() == Granularity::PerGroup && !ShapedType::isDynamic(last) &&
      last % scheme.getGroupSize() != 0)
    return op->emitOpError("group size ")
           << scheme.getGroupSize() << " does not divide the last dimension, " << last;
  if (failed(verifyShape(op, "scales", scales, scaleShape(scheme, real.getShape()))))
    return failure();
  if (scheme.getSymmetric() != !zeroPoints)
    return op->emitOpError(scheme.getSymmetric() ? "a symmetric scheme has no zero points"
                                                 : "an asymmetric scheme needs zero points");
  if (zeroPoints && cast<RankedTensorType>(zeroPoints.getType()).getShape() != scales.getShape())
    return op->emitOpError("zero points must have the scales' shape");
  return success();
}

LogicalResult ptq::verifyChannelScales(Operation *op, Value channelScales, RankedTensorType x) {
  if (x.getRank() < 1)
    return op->emitOpError("a scalar has no channels; use a tensor of rank 1");
  if (!channelScales)
    return success();
  int64_t size = cast<RankedTensorType>(channelScales.getType()).getDimSize(0);
  if (!compatible(size, x.getShape().back()))
    return op->emitOpError("there are ") << size << " channel scales, but the last dimension has "
                                         << x.getShape().back() << " channels";
  return success();
}

bool ptq::absorbChannelScales(OpOperand &x, MutableOperandRange channelScales) {
  auto scaled = x.get().getDefiningOp<ScaleChannelsOp>();
  if (!scaled || !channelScales.empty())
    return false;
  x.set(scaled.getX());
  channelScales.assign(scaled.getScales());
  return true;
}

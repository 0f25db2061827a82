// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers, folders and shape reification of the ptq operations.

#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ptq;

#define GET_OP_CLASSES
#include "ptq/IR/PTQOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared by all operations
//===----------------------------------------------------------------------===//

static bool compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

static bool compatible(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return compatible(std::get<0>(pair), std::get<1>(pair));
         });
}

/// Statistics are of the last dimension of the value they describe.
static LogicalResult verifyStatistics(Operation *op, std::optional<StatisticsAttr> statistics,
                                      int64_t channels) {
  if (statistics && !compatible(statistics->getAbsmax().getNumElements(), channels))
    return op->emitOpError("statistics are of ") << statistics->getAbsmax().getNumElements()
                                                 << " channels, but the input has " << channels;
  return success();
}

/// What every linear layer requires of its activation, result and bias.
static LogicalResult verifyLayer(LayerOpInterface op, RankedTensorType result) {
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

/// The shape of a layer's result: that of `x` with the last dimension replaced by the weight's
/// rows.
static LogicalResult reifyLayer(OpBuilder &b, LayerOpInterface op, RankedTensorType result,
                                ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape;
  for (int64_t i = 0, last = result.getRank() - 1; i <= last; ++i)
    shape.push_back(i == last ? OpFoldResult(b.getIndexAttr(op.getOutFeatures()))
                              : tensor::getMixedSize(b, op.getLoc(), op.getX(), i));
  dims.push_back(std::move(shape));
  return success();
}

static LogicalResult reifySameShape(OpBuilder &b, Location loc, Value operand,
                                    ReifiedRankedShapedTypeDims &dims) {
  dims.push_back(tensor::getMixedSizes(b, loc, operand));
  return success();
}

/// A splat constant of zeros, which adds nothing as a bias and shifts nothing as a zero point.
static bool isZeroConstant(Value value) {
  DenseElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr)) || !attr.isSplat())
    return false;
  if (isa<FloatType>(attr.getElementType()))
    return attr.getSplatValue<APFloat>().isZero();
  return attr.getSplatValue<APInt>().isZero();
}

//===----------------------------------------------------------------------===//
// LinearOp
//===----------------------------------------------------------------------===//

StringRef LinearOp::getLayerName() { return getLayer().value_or(""); }
int64_t LinearOp::getInFeatures() { return getWeight().getType().getDimSize(1); }
int64_t LinearOp::getOutFeatures() { return getWeight().getType().getDimSize(0); }

LogicalResult LinearOp::verify() {
  if (!getWeight().getType().hasStaticShape())
    return emitOpError("weight must have a static shape [out, in], but is ")
           << getWeight().getType();
  if (failed(verifyStatistics(*this, getStatistics(), getInFeatures())))
    return failure();
  return verifyLayer(*this, getY().getType());
}

LogicalResult LinearOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifyLayer(b, *this, getY().getType(), dims);
}

OpFoldResult LinearOp::fold(FoldAdaptor) {
  if (!isZeroConstant(getBias()))
    return {};
  getBiasMutable().clear();
  return getY();
}

//===----------------------------------------------------------------------===//
// WeightOnlyLinearOp
//===----------------------------------------------------------------------===//

StringRef WeightOnlyLinearOp::getLayerName() { return getLayer().value_or(""); }
int64_t WeightOnlyLinearOp::getOutFeatures() { return getWeight().getType().getDimSize(0); }
int64_t WeightOnlyLinearOp::getInFeatures() { return getX().getType().getShape().back(); }

LogicalResult WeightOnlyLinearOp::verify() {
  if (failed(verifyLayer(*this, getY().getType())))
    return failure();
  int64_t in = getInFeatures(), out = getOutFeatures();
  if (ShapedType::isDynamic(in) || ShapedType::isDynamic(out))
    return emitOpError("the numbers of input and output channels must be static");
  if (failed(verifyStatistics(*this, getStatistics(), in)))
    return failure();
  SchemeAttr scheme = getScheme();
  int64_t words = llvm::divideCeil(in * scheme.getBits(), 32);
  if (getWeight().getType().getDimSize(1) != words)
    return emitOpError("weight must have ")
           << words << " words a row for " << in << " codes of " << scheme.getBits()
           << " bits, but has " << getWeight().getType().getDimSize(1);
  if (scheme.getGranularity() == Granularity::PerToken)
    return emitOpError("a weight is quantized per_tensor, per_channel or per_group, not per_token");
  if (scheme.getDynamic())
    return emitOpError("a weight's scales are known: its scheme cannot be dynamic");
  if (scheme.getGranularity() == Granularity::PerGroup && in % scheme.getGroupSize() != 0)
    return emitOpError("group size ")
           << scheme.getGroupSize() << " does not divide the " << in << " input channels";
  bool perTensor = scheme.getGranularity() == Granularity::PerTensor;
  SmallVector<int64_t> shape{perTensor ? 1 : out, scheme.getGroupsPerRow(in)};
  if (getScales().getType().getShape() != ArrayRef(shape))
    return emitOpError("scales must be of shape [")
           << shape[0] << ", " << shape[1] << "], but are " << getScales().getType();
  if (scheme.getSymmetric() != !getZeroPoints())
    return emitOpError(scheme.getSymmetric() ? "a symmetric scheme has no zero points"
                                             : "an asymmetric scheme needs zero points");
  if (getZeroPoints() && getZeroPoints().getType().getShape() != ArrayRef(shape))
    return emitOpError("zero points must be of shape [")
           << shape[0] << ", " << shape[1] << "], but are " << getZeroPoints().getType();
  if (getGroupIndex() && getGroupIndex().getType().getDimSize(0) != in)
    return emitOpError("group_index must have an element for each of the ")
           << in << " input channels, but is " << getGroupIndex().getType();
  return success();
}

LogicalResult WeightOnlyLinearOp::reifyResultShapes(OpBuilder &b,
                                                    ReifiedRankedShapedTypeDims &dims) {
  return reifyLayer(b, *this, getY().getType(), dims);
}

OpFoldResult WeightOnlyLinearOp::fold(FoldAdaptor) {
  if (!isZeroConstant(getBias()))
    return {};
  getBiasMutable().clear();
  return getY();
}

//===----------------------------------------------------------------------===//
// QuantizeOp, DequantizeOp
//===----------------------------------------------------------------------===//

/// The shape of the scales that a scheme needs for a tensor of shape `shape`.
static SmallVector<int64_t> scaleShape(SchemeAttr scheme, ArrayRef<int64_t> shape) {
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

static LogicalResult verifyQuantization(Operation *op, RankedTensorType real,
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
  SmallVector<int64_t> expected = scaleShape(scheme, real.getShape());
  if (!compatible(expected, scales.getShape())) {
    InFlightDiagnostic error = op->emitOpError("scales must be of shape [");
    llvm::interleaveComma(expected, error, [&](int64_t size) {
      ShapedType::isDynamic(size) ? error << "?" : error << size;
    });
    return error << "], but are " << scales;
  }
  if (scheme.getSymmetric() != !zeroPoints)
    return op->emitOpError(scheme.getSymmetric() ? "a symmetric scheme has no zero points"
                                                 : "an asymmetric scheme needs zero points");
  if (zeroPoints && cast<RankedTensorType>(zeroPoints.getType()).getShape() != scales.getShape())
    return op->emitOpError("zero points must have the scales' shape");
  return success();
}

LogicalResult QuantizeOp::verify() {
  return verifyQuantization(*this, getX().getType(), getQ().getType(), getScales().getType(),
                            getZeroPoints(), getScheme());
}

LogicalResult QuantizeOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifySameShape(b, getLoc(), getX(), dims);
}

LogicalResult DequantizeOp::verify() {
  return verifyQuantization(*this, getX().getType(), getQ().getType(), getScales().getType(),
                            getZeroPoints(), getScheme());
}

LogicalResult DequantizeOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifySameShape(b, getLoc(), getQ(), dims);
}

/// An asymmetric scheme whose zero points are all 0 is the symmetric one.
template <typename OpT> static bool dropZeroPoints(OpT op) {
  if (!isZeroConstant(op.getZeroPoints()))
    return false;
  SchemeAttr scheme = op.getScheme();
  op.getZeroPointsMutable().clear();
  op.setSchemeAttr(SchemeAttr::get(op.getContext(), scheme.getBits(), /*symmetric=*/true,
                                   scheme.getGranularity(), scheme.getGroupSize(),
                                   scheme.getDynamic()));
  return true;
}

OpFoldResult QuantizeOp::fold(FoldAdaptor) {
  return dropZeroPoints(*this) ? OpFoldResult(getQ()) : OpFoldResult();
}

OpFoldResult DequantizeOp::fold(FoldAdaptor) {
  return dropZeroPoints(*this) ? OpFoldResult(getX()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// ObserveOp
//===----------------------------------------------------------------------===//

LogicalResult ObserveOp::verify() {
  if (getX().getType().getRank() < 1)
    return emitOpError("a scalar has no channels; use a tensor of rank 1");
  return verifyStatistics(*this, getStatistics(), getX().getType().getShape().back());
}

LogicalResult ObserveOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifySameShape(b, getLoc(), getX(), dims);
}

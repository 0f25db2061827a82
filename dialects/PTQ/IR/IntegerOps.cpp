// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers, folders and shape reification of the operations whose activations are integers.

#include "OpSupport.h"

using namespace mlir;
using namespace ptq;

/// A sum of `terms` products of at most `greatest` fits in 32 bits.
static LogicalResult verifyAccumulator(Operation *op, int64_t terms, int64_t greatest) {
  int64_t most = std::numeric_limits<int32_t>::max() / greatest;
  if (!ShapedType::isDynamic(terms) && terms > most)
    return op->emitOpError("sums of ") << terms << " products overflow 32 bits; at most " << most
                                       << " of these integers can be summed exactly";
  return success();
}

//===----------------------------------------------------------------------===//
// DynamicQuantizeOp
//===----------------------------------------------------------------------===//

LogicalResult DynamicQuantizeOp::verify() {
  SchemeAttr scheme = getScheme();
  if (failed(verifyChannelScales(*this, getChannelScales(), getX().getType())))
    return failure();
  if (!scheme.getDynamic())
    return emitOpError("computes its scales at run time: its scheme must be dynamic");
  if (scheme.getGranularity() != Granularity::PerToken &&
      scheme.getGranularity() != Granularity::PerTensor)
    return emitOpError("computes scales per_token or per_tensor, not ")
           << stringifyGranularity(scheme.getGranularity());
  return verifyQuantization(*this, getX().getType(), getQ().getType(), getScales().getType(),
                            getZeroPoints(), scheme);
}

LogicalResult DynamicQuantizeOp::reifyResultShapes(OpBuilder &b,
                                                   ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, getLoc(), getX());
  dims.push_back(shape);
  if (getScheme().getGranularity() == Granularity::PerTensor)
    shape.assign({b.getIndexAttr(1)});
  else
    shape.pop_back();
  for (unsigned i = 1; i != getNumResults(); ++i)
    dims.push_back(shape);
  return success();
}

LogicalResult DynamicQuantizeOp::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &) {
  return success(absorbChannelScales(getXMutable(), getChannelScalesMutable()));
}

//===----------------------------------------------------------------------===//
// IntegerLinearOp
//===----------------------------------------------------------------------===//

StringRef IntegerLinearOp::getLayerName() { return getLayer().value_or(""); }
int64_t IntegerLinearOp::getOutFeatures() { return getWeight().getType().getDimSize(0); }
int64_t IntegerLinearOp::getInFeatures() { return getX().getType().getShape().back(); }

/// The weight is symmetric, of known scales, int8 or packed.
static LogicalResult verifyIntegerWeight(IntegerLinearOp op, int64_t out, int64_t in) {
  SchemeAttr scheme = op.getWeightScheme();
  Granularity granularity = scheme.getGranularity();
  if (granularity == Granularity::PerToken)
    return op.emitOpError(
        "a weight is quantized per_tensor, per_channel or per_group, not per_token");
  if (scheme.getDynamic())
    return op.emitOpError("a weight's scales are known: its scheme cannot be dynamic");
  if (!scheme.getSymmetric())
    return op.emitOpError("the weight of an integer layer has no zero points: its scheme must be "
                          "symmetric");
  if (granularity == Granularity::PerGroup && in % scheme.getGroupSize() != 0)
    return op.emitOpError("group size ")
           << scheme.getGroupSize() << " does not divide the " << in << " input channels";
  RankedTensorType weight = op.getWeight().getType();
  bool isPacked = scheme.getBits() < 8;
  int64_t width = isPacked ? llvm::divideCeil(in * scheme.getBits(), 32) : in;
  if (weight.getElementTypeBitWidth() != (isPacked ? 32 : 8) || weight.getDimSize(1) != width)
    return op.emitOpError("weight of ")
           << scheme.getBits() << " bits must be " << out << 'x' << width
           << (isPacked ? " words of 32 bits" : " integers of 8 bits") << ", but is " << weight;
  int64_t shape[] = {granularity == Granularity::PerTensor ? 1 : out, scheme.getGroupsPerRow(in)};
  return verifyShape(op, "weight scales", op.getWeightScales().getType(), shape);
}

/// The columns that stay in floats have the activation's tokens and the weight's rows. Statistics
/// are of the integer columns, or of both.
static LogicalResult verifyOutliers(IntegerLinearOp op, int64_t out) {
  int64_t in = op.getInFeatures();
  if (!op.getXOutliers() != !op.getWeightOutliers())
    return op.emitOpError("outliers are of the activation and of the weight, both");
  if (!op.getXOutliers())
    return verifyStatistics(op, op.getStatistics(), in);
  RankedTensorType x = op.getXOutliers().getType(), weight = op.getWeightOutliers().getType();
  SmallVector<int64_t> expected(op.getX().getType().getShape());
  expected.back() = weight.getDimSize(1);
  if (failed(verifyShape(op, "outliers of the activation", x, expected)) ||
      failed(verifyShape(op, "outliers of the weight", weight, {out, x.getShape().back()})))
    return failure();
  if (op.getStatistics() && op.getStatistics()->getAbsmax().getNumElements() == in)
    return success();
  return verifyStatistics(op, op.getStatistics(),
                          ShapedType::isDynamic(x.getShape().back()) ? in
                                                                     : in + x.getShape().back());
}

LogicalResult IntegerLinearOp::verify() {
  if (failed(verifyLayer(*this, getY().getType())))
    return failure();
  int64_t in = getInFeatures(), out = getOutFeatures();
  if (ShapedType::isDynamic(in) || ShapedType::isDynamic(out))
    return emitOpError("the numbers of input and output channels must be static");
  if (failed(verifyOutliers(*this, out)) || failed(verifyIntegerWeight(*this, out, in)))
    return failure();
  SchemeAttr scheme = getActivationScheme();
  if (scheme.getGranularity() != Granularity::PerToken &&
      scheme.getGranularity() != Granularity::PerTensor)
    return emitOpError("an activation is quantized per_token or per_tensor, not ")
           << stringifyGranularity(scheme.getGranularity());
  if (failed(verifyShape(*this, "activation scales", getXScales().getType(),
                         scaleShape(scheme, getX().getType().getShape()))))
    return failure();
  if (Value zeroPoints = getXZeroPoints()) {
    if (scheme.getSymmetric())
      return emitOpError("a symmetric scheme has no zero points");
    if (cast<RankedTensorType>(zeroPoints.getType()).getShape() !=
        getXScales().getType().getShape())
      return emitOpError("zero points must have the scales' shape");
  }
  int64_t greatest =
      getXZeroPoints() ? scheme.getMaximum() - scheme.getMinimum() : -scheme.getMinimum();
  return verifyAccumulator(*this,
                           getWeightScheme().getGranularity() == Granularity::PerGroup
                               ? getWeightScheme().getGroupSize()
                               : in,
                           greatest * -getWeightScheme().getMinimum());
}

LogicalResult IntegerLinearOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifyLayer(b, *this, getY().getType(), dims);
}

OpFoldResult IntegerLinearOp::fold(FoldAdaptor) {
  bool changed = false;
  if (isZeroConstant(getBias())) {
    getBiasMutable().clear();
    changed = true;
  }
  if (isZeroConstant(getXZeroPoints())) {
    getXZeroPointsMutable().clear();
    changed = true;
  }
  return changed ? OpFoldResult(getY()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// IntegerBatchMatmulOp
//===----------------------------------------------------------------------===//

/// Scales per token, or one for all.
static LogicalResult verifyTokenScales(Operation *op, StringRef what, RankedTensorType scales,
                                       RankedTensorType integers) {
  if (scales.getShape() == ArrayRef<int64_t>{1})
    return success();
  return verifyShape(op, what, scales, integers.getShape().drop_back());
}

LogicalResult IntegerBatchMatmulOp::verify() {
  RankedTensorType a = getA().getType(), b = getB().getType();
  int64_t rank = a.getRank();
  if (rank < 2 || b.getRank() != rank)
    return emitOpError("operands must be matrices, or batches of them, of the same rank, but are ")
           << a << " and " << b;
  if (!compatible(a.getShape().drop_back(2), b.getShape().drop_back(2)))
    return emitOpError("operands must have the same batch dimensions, but are ")
           << a << " and " << b;
  if (!compatible(a.getShape().back(), b.getShape().back()))
    return emitOpError("operands must have the same last dimension, but are ") << a << " and " << b;
  SmallVector<int64_t> expected(a.getShape());
  expected.back() = b.getDimSize(rank - 2);
  if (failed(verifyShape(*this, "result", getY().getType(), expected)) ||
      failed(verifyTokenScales(*this, "scales of a", getAScales().getType(), a)) ||
      failed(verifyTokenScales(*this, "scales of b", getBScales().getType(), b)))
    return failure();
  int64_t terms =
      ShapedType::isDynamic(a.getShape().back()) ? b.getShape().back() : a.getShape().back();
  return verifyAccumulator(*this, terms, 128 * 128);
}

LogicalResult IntegerBatchMatmulOp::reifyResultShapes(OpBuilder &b,
                                                      ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, getLoc(), getA());
  shape.back() = tensor::getMixedSize(b, getLoc(), getB(), getB().getType().getRank() - 2);
  dims.push_back(std::move(shape));
  return success();
}

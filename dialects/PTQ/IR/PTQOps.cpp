// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers, folders and shape reification of the ptq operations on floats. IntegerOps.cpp has
// those whose activations are integers.

#include "OpSupport.h"

using namespace mlir;
using namespace ptq;

#define GET_OP_CLASSES
#include "ptq/IR/PTQOps.cpp.inc"

//===----------------------------------------------------------------------===//
// LinearOp
//===----------------------------------------------------------------------===//

StringRef LinearOp::getLayerName() { return getLayer().value_or(""); }
int64_t LinearOp::getInFeatures() { return getWeight().getType().getDimSize(1); }
int64_t LinearOp::getOutFeatures() { return getWeight().getType().getDimSize(0); }

/// clip is [out, groups] with groups of equal width.
static LogicalResult verifyClip(LinearOp op) {
  std::optional<ElementsAttr> clip = op.getClip();
  if (!clip)
    return success();
  ShapedType type = clip->getShapedType();
  if (!type.getElementType().isF32() || type.getRank() != 2 ||
      type.getDimSize(0) != op.getOutFeatures() || type.getDimSize(1) < 1 ||
      op.getInFeatures() % type.getDimSize(1) != 0)
    return op.emitOpError("clip must be float32 of shape [")
           << op.getOutFeatures() << ", groups] with a number of groups that divides the "
           << op.getInFeatures() << " input channels, but is " << type;
  return success();
}

/// Outlier columns are input channels.
static LogicalResult verifyOutliers(LinearOp op) {
  std::optional<OutliersAttr> outliers = op.getOutliers();
  if (!outliers || outliers->getColumns().empty() ||
      outliers->getColumns().asArrayRef().back() < op.getInFeatures())
    return success();
  return op.emitOpError("has ") << op.getInFeatures()
                                << " input channels, but outliers name column "
                                << outliers->getColumns().asArrayRef().back();
}

LogicalResult LinearOp::verify() {
  if (!getWeight().getType().hasStaticShape())
    return emitOpError("weight must have a static shape [out, in], but is ")
           << getWeight().getType();
  if (failed(verifyStatistics(*this, getStatistics(), getInFeatures())) ||
      failed(verifyClip(*this)) || failed(verifyOutliers(*this)))
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

/// The sparse part is in compressed rows.
static LogicalResult verifySparsePart(WeightOnlyLinearOp op) {
  bool hasOffsets = bool(op.getRowOffsets());
  if (hasOffsets != bool(op.getColumns()) || hasOffsets != bool(op.getValues()))
    return op.emitOpError("a sparse part has row offsets, columns and values, all three");
  if (!hasOffsets)
    return success();
  if (failed(
          verifyShape(op, "row offsets", op.getRowOffsets().getType(), {op.getOutFeatures() + 1})))
    return failure();
  int64_t columns = op.getColumns().getType().getDimSize(0);
  int64_t values = op.getValues().getType().getDimSize(0);
  // Lowerings read the first value where there is none, which a static size that is not 0 allows.
  if (ShapedType::isDynamic(columns) || ShapedType::isDynamic(values))
    return op.emitOpError("the number of values of the sparse part must be static");
  if (columns != values)
    return op.emitOpError("the sparse part has ")
           << columns << " columns for " << values << " values";
  return success();
}

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
  if (failed(verifyShape(*this, "scales", getScales().getType(), shape)))
    return failure();
  if (scheme.getSymmetric() != !getZeroPoints())
    return emitOpError(scheme.getSymmetric() ? "a symmetric scheme has no zero points"
                                             : "an asymmetric scheme needs zero points");
  if (getZeroPoints() &&
      failed(verifyShape(*this, "zero points", getZeroPoints().getType(), shape)))
    return failure();
  if (getGroupIndex() && getGroupIndex().getType().getDimSize(0) != in)
    return emitOpError("group_index must have an element for each of the ")
           << in << " input channels, but is " << getGroupIndex().getType();
  return verifySparsePart(*this);
}

LogicalResult WeightOnlyLinearOp::reifyResultShapes(OpBuilder &b,
                                                    ReifiedRankedShapedTypeDims &dims) {
  return reifyLayer(b, *this, getY().getType(), dims);
}

OpFoldResult WeightOnlyLinearOp::fold(FoldAdaptor) {
  bool changed = false;
  if (isZeroConstant(getBias())) {
    getBiasMutable().clear();
    changed = true;
  }
  // A sparse part without values.
  if (getValues() && getValues().getType().getDimSize(0) == 0) {
    getRowOffsetsMutable().clear();
    getColumnsMutable().clear();
    getValuesMutable().clear();
    changed = true;
  }
  return changed ? OpFoldResult(getY()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// ScaleChannelsOp
//===----------------------------------------------------------------------===//

LogicalResult ScaleChannelsOp::verify() {
  return verifyChannelScales(*this, getScales(), getX().getType());
}

LogicalResult ScaleChannelsOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifySameShape(b, getLoc(), getX(), dims);
}

OpFoldResult ScaleChannelsOp::fold(FoldAdaptor) {
  DenseElementsAttr scales;
  if (matchPattern(getScales(), m_Constant(&scales)) && scales.isSplat() &&
      scales.getSplatValue<APFloat>().isExactlyValue(1.0))
    return getX();
  return {};
}

//===----------------------------------------------------------------------===//
// QuantizeOp, DequantizeOp
//===----------------------------------------------------------------------===//

LogicalResult QuantizeOp::verify() {
  if (failed(verifyChannelScales(*this, getChannelScales(), getX().getType())))
    return failure();
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
  bool changed = dropZeroPoints(*this);
  changed |= absorbChannelScales(getXMutable(), getChannelScalesMutable());
  return changed ? OpFoldResult(getQ()) : OpFoldResult();
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

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers, folders and shape reification of the operations on columns.

#include "OpSupport.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

using namespace mlir;
using namespace ptq;

/// Constant columns, or an empty attribute.
static DenseIntElementsAttr constantColumns(Value columns) {
  DenseIntElementsAttr attr;
  matchPattern(columns, m_Constant(&attr));
  return attr;
}

/// How many columns remain of `width`, or dynamic.
static int64_t remaining(int64_t width, int64_t dropped) {
  if (ShapedType::isDynamic(width) || ShapedType::isDynamic(dropped))
    return ShapedType::kDynamic;
  return width - dropped;
}

/// The operand has columns; constant indices ascend and are among them.
static LogicalResult verifyColumns(Operation *op, RankedTensorType x, Value columns) {
  if (x.getRank() < 1)
    return op->emitOpError("a scalar has no columns; use a tensor of rank 1");
  int64_t width = x.getShape().back();
  int64_t count = cast<RankedTensorType>(columns.getType()).getDimSize(0);
  if (!ShapedType::isDynamic(width) && !ShapedType::isDynamic(count) && count > width)
    return op->emitOpError("names ") << count << " columns of " << width;
  DenseIntElementsAttr constant = constantColumns(columns);
  if (!constant)
    return success();
  int64_t last = -1;
  for (const APInt &value : constant.getValues<APInt>()) {
    int64_t column = value.getSExtValue();
    if (column <= last)
      return op->emitOpError("columns ascend from 0, but ") << column << " follows " << last;
    last = column;
  }
  if (!ShapedType::isDynamic(width) && last >= width)
    return op->emitOpError("names column ") << last << " of " << width;
  return success();
}

static LogicalResult verifyResult(Operation *op, RankedTensorType x, RankedTensorType y,
                                  int64_t width) {
  SmallVector<int64_t> expected(x.getShape());
  expected.back() = width;
  if (x.getElementType() != y.getElementType())
    return op->emitOpError("result must have the operand's element type ")
           << x.getElementType() << ", but is " << y;
  return verifyShape(op, "result", y, expected);
}

static bool namesNone(Value columns) {
  return cast<RankedTensorType>(columns.getType()).getDimSize(0) == 0;
}

//===----------------------------------------------------------------------===//
// OutlierColumnsOp
//===----------------------------------------------------------------------===//

LogicalResult OutlierColumnsOp::verify() {
  if (getX().getType().getRank() < 1)
    return emitOpError("a scalar has no columns; use a tensor of rank 1");
  if (!(getThreshold().convertToDouble() > 0))
    return emitOpError("the threshold must be greater than 0");
  return success();
}

//===----------------------------------------------------------------------===//
// SelectColumnsOp
//===----------------------------------------------------------------------===//

LogicalResult SelectColumnsOp::verify() {
  if (failed(verifyColumns(*this, getX().getType(), getColumns())))
    return failure();
  return verifyResult(*this, getX().getType(), getY().getType(),
                      getColumns().getType().getDimSize(0));
}

LogicalResult SelectColumnsOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, getLoc(), getX());
  shape.back() = tensor::getMixedSize(b, getLoc(), getColumns(), 0);
  dims.push_back(std::move(shape));
  return success();
}

OpFoldResult SelectColumnsOp::fold(FoldAdaptor) {
  // Distinct and ascending, as many as there are: all of them, in order.
  int64_t width = getX().getType().getShape().back();
  bool all = !ShapedType::isDynamic(width) && getColumns().getType().getDimSize(0) == width &&
             getX().getType() == getY().getType();
  return all ? OpFoldResult(getX()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// DropColumnsOp
//===----------------------------------------------------------------------===//

LogicalResult DropColumnsOp::verify() {
  RankedTensorType x = getX().getType();
  if (failed(verifyColumns(*this, x, getColumns())))
    return failure();
  return verifyResult(*this, x, getY().getType(),
                      remaining(x.getShape().back(), getColumns().getType().getDimSize(0)));
}

LogicalResult DropColumnsOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, getLoc(), getX());
  int64_t width = getY().getType().getShape().back();
  if (!ShapedType::isDynamic(width)) {
    shape.back() = b.getIndexAttr(width);
  } else {
    OpFoldResult dropped = tensor::getMixedSize(b, getLoc(), getColumns(), 0);
    Value from = getValueOrCreateConstantIndexOp(b, getLoc(), shape.back());
    Value less = getValueOrCreateConstantIndexOp(b, getLoc(), dropped);
    shape.back() = arith::SubIOp::create(b, getLoc(), from, less).getResult();
  }
  dims.push_back(std::move(shape));
  return success();
}

OpFoldResult DropColumnsOp::fold(FoldAdaptor) {
  bool none = namesNone(getColumns()) && getX().getType() == getY().getType();
  return none ? OpFoldResult(getX()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// ClearColumnsOp
//===----------------------------------------------------------------------===//

LogicalResult ClearColumnsOp::verify() {
  return verifyColumns(*this, getX().getType(), getColumns());
}

LogicalResult ClearColumnsOp::reifyResultShapes(OpBuilder &b, ReifiedRankedShapedTypeDims &dims) {
  return reifySameShape(b, getLoc(), getX(), dims);
}

OpFoldResult ClearColumnsOp::fold(FoldAdaptor) {
  return namesNone(getColumns()) ? OpFoldResult(getX()) : OpFoldResult();
}

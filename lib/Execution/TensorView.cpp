// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TensorView.h"
#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ptq::execution {

Value getReshapeSource(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp,
          ObserveOp>(op))
    if (isa<RankedTensorType>(op->getOperand(0).getType()) &&
        isa<RankedTensorType>(op->getResult(0).getType()))
      return op->getOperand(0);
  return {};
}

static RankedTensorType staticType(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() ? type : RankedTensorType();
}

/// The indices into `to` of the element at `indices` of `from`, for two shapes of the same elements
/// in the same order. Dimensions are matched from the left in groups of equal size, so that only
/// groups which really merge dimensions need divisions.
static AffineMap reshapeMap(ArrayRef<int64_t> from, ArrayRef<int64_t> to, MLIRContext *context) {
  SmallVector<AffineExpr> indices;
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    size_t firstFrom = i, firstTo = j;
    int64_t sizeFrom = i < from.size() ? from[i++] : 1;
    int64_t sizeTo = j < to.size() ? to[j++] : 1;
    while (sizeFrom != sizeTo) {
      if (sizeFrom < sizeTo) {
        if (i == from.size())
          return {};
        sizeFrom *= from[i++];
      } else {
        if (j == to.size())
          return {};
        sizeTo *= to[j++];
      }
    }
    AffineExpr linear = getAffineConstantExpr(0, context);
    for (size_t d = firstFrom; d != i; ++d)
      if (from[d] != 1)
        linear = linear * from[d] + getAffineDimExpr(d, context);
      else
        linear = linear * from[d];
    int64_t below = sizeTo;
    bool outermost = true;
    for (size_t d = firstTo; d != j; ++d) {
      below /= to[d];
      if (to[d] == 1) {
        indices.push_back(getAffineConstantExpr(0, context));
        continue;
      }
      AffineExpr index = linear.floorDiv(below);
      indices.push_back(outermost ? index : index % to[d]);
      outermost = false;
    }
  }
  return AffineMap::get(from.size(), 0, indices, context);
}

static std::optional<TensorAccess> getSlice(tensor::ExtractSliceOp op) {
  MLIRContext *context = op.getContext();
  if (llvm::any_of(op.getStaticOffsets(), ShapedType::isDynamic) ||
      llvm::any_of(op.getStaticStrides(), ShapedType::isDynamic) || !staticType(op.getSource()) ||
      !staticType(op.getResult()))
    return std::nullopt;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<AffineExpr> indices;
  unsigned dim = 0;
  for (auto [d, offset, stride] : llvm::enumerate(op.getStaticOffsets(), op.getStaticStrides())) {
    AffineExpr index =
        dropped[d] ? getAffineConstantExpr(0, context) : getAffineDimExpr(dim++, context) * stride;
    indices.push_back(index + offset);
  }
  return TensorAccess{op.getSource(), AffineMap::get(dim, 0, indices, context)};
}

/// A structured op that passes its only input on.
static std::optional<TensorAccess> getCopy(linalg::LinalgOp op) {
  if (!op.hasPureTensorSemantics() || op->getNumResults() != 1 || op.getNumDpsInputs() != 1 ||
      op.getNumLoops() != op.getNumParallelLoops() || !staticType(op->getResult(0)) ||
      !staticType(op.getDpsInputs()[0]))
    return std::nullopt;
  Block *body = op.getBlock();
  if (!llvm::hasSingleElement(*body) ||
      body->getTerminator()->getOperand(0) != body->getArgument(0))
    return std::nullopt;
  AffineMap input = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  AffineMap output = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  if (!output.isPermutation())
    return std::nullopt;
  return TensorAccess{op.getDpsInputs()[0], input.compose(inversePermutation(output))};
}

std::optional<TensorAccess> getViewSource(Operation *op) {
  if (Value source = getReshapeSource(op)) {
    RankedTensorType from = staticType(op->getResult(0)), to = staticType(source);
    if (!from || !to || from.getNumElements() == 0)
      return std::nullopt;
    AffineMap map = reshapeMap(from.getShape(), to.getShape(), op->getContext());
    return map ? std::optional(TensorAccess{source, map}) : std::nullopt;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return getSlice(slice);
  if (auto structured = dyn_cast<linalg::LinalgOp>(op))
    return getCopy(structured);
  return std::nullopt;
}

} // namespace ptq::execution

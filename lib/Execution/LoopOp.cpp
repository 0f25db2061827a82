// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LoopOp.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;

namespace ptq::execution {

/// Whether loops over all indices of `map` write every element of a tensor of that type.
static bool coversResult(AffineMap map, RankedTensorType type) {
  llvm::SmallBitVector seen(map.getNumDims());
  for (auto [expression, size] : llvm::zip(map.getResults(), type.getShape())) {
    auto loop = dyn_cast<AffineDimExpr>(expression);
    auto constant = dyn_cast<AffineConstantExpr>(expression);
    if (loop ? seen.test(loop.getPosition()) : !(constant && constant.getValue() == 0 && size == 1))
      return false;
    if (loop)
      seen.set(loop.getPosition());
  }
  return true;
}

static std::optional<LoopOp> getStructured(linalg::LinalgOp op) {
  LoopOp loops;
  loops.op = op;
  loops.iterators = op.getIteratorTypesArray();
  loops.bounds.assign(loops.iterators.size(), ShapedType::kDynamic);
  loops.body = op.getBlock();
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (op.isDpsInit(&operand) &&
        !coversResult(map, cast<RankedTensorType>(operand.get().getType())))
      return std::nullopt;
    if (op.isDpsInit(&operand))
      loops.inits.push_back(
          {op.payloadUsesValueFromOperand(&operand) ? operand.get() : Value(), map});
    else
      loops.inputs.push_back({operand.get(), map});
    auto type = dyn_cast<ShapedType>(operand.get().getType());
    if (!type)
      continue;
    for (auto [size, expression] : llvm::zip(type.getShape(), map.getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expression); loop && !ShapedType::isDynamic(size))
        loops.bounds[loop.getPosition()] = size;
  }
  return loops;
}

std::optional<LoopOp> getLoopOp(Operation *op) {
  if (auto structured = dyn_cast<linalg::LinalgOp>(op)) {
    if (!structured.hasPureTensorSemantics())
      return std::nullopt;
    return getStructured(structured);
  }
  if (!OpTrait::hasElementwiseMappableTraits(op) || op->getNumResults() != 1)
    return std::nullopt;
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type)
    return std::nullopt;
  LoopOp loops;
  loops.op = op;
  loops.bounds.assign(type.getShape().begin(), type.getShape().end());
  loops.iterators.assign(type.getRank(), utils::IteratorType::parallel);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(type.getRank(), op->getContext());
  AffineMap scalar = AffineMap::get(type.getRank(), 0, op->getContext());
  for (Value operand : op->getOperands())
    loops.inputs.push_back({operand, isa<RankedTensorType>(operand.getType()) ? identity : scalar});
  loops.inits.push_back({Value(), identity});
  return loops;
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ResidualStream.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace ptq;

/// The value that `op` moves or casts, or null if it does anything else.
static Value movedValue(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp,
          arith::TruncFOp, arith::ExtFOp>(op))
    return op->getOperand(0);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return transpose.getInput();
  if (auto copy = dyn_cast<linalg::CopyOp>(op))
    return copy.getInputs().front();
  return {};
}

/// The terms of the sum that a loop body yields, as block arguments: through casts, and through
/// products with constants. A term that is anything else is null.
static void collectTerms(Value value, Block *body, SmallVectorImpl<BlockArgument> &terms) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    terms.push_back(argument.getOwner() == body ? argument : BlockArgument());
    return;
  }
  Operation *op = value.getDefiningOp();
  if (isa<arith::AddFOp>(op)) {
    collectTerms(op->getOperand(0), body, terms);
    collectTerms(op->getOperand(1), body, terms);
    return;
  }
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return collectTerms(op->getOperand(0), body, terms);
  if (isa<arith::MulFOp>(op))
    for (unsigned factor : {0, 1})
      if (matchPattern(op->getOperand(factor), m_Constant()))
        return collectTerms(op->getOperand(1 - factor), body, terms);
  terms.push_back({});
}

/// What `op` adds to its operand `value`: the other terms if its result is a sum that `value` is
/// one term of. A copy has none; nothing at all if it is no sum. Terms unknown are left out.
static std::optional<SmallVector<Value>> addends(Operation *op, Value value) {
  if (movedValue(op) == value)
    return SmallVector<Value>();
  if (isa<arith::AddFOp>(op)) // of tensors
    return SmallVector<Value>{op->getOperand(op->getOperand(0) == value ? 1 : 0)};
  auto loops = dyn_cast<linalg::LinalgOp>(op);
  if (!loops || loops.getNumReductionLoops() != 0 || op->getNumResults() != 1)
    return std::nullopt;
  SmallVector<BlockArgument> terms;
  collectTerms(loops.getBlock()->getTerminator()->getOperand(0), loops.getBlock(), terms);
  SmallVector<Value> others;
  bool found = false;
  for (BlockArgument term : terms) {
    Value operand = term ? op->getOperand(term.getArgNumber()) : Value();
    if (operand == value)
      found = true;
    else if (operand)
      others.push_back(operand);
  }
  return found ? std::optional(others) : std::nullopt;
}

/// The value before what only moves or casts it.
static Value beforeMoves(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    Value moved = movedValue(op);
    if (auto generic = dyn_cast<linalg::GenericOp>(op);
        !moved && generic && generic.getNumDpsInputs() == 1) {
      auto others = addends(op, generic.getDpsInputs().front());
      moved = others && others->empty() ? generic.getDpsInputs().front() : Value();
    }
    if (!moved)
      break;
    value = moved;
  }
  return value;
}

bool ResidualStream::isProductOfActivations(Operation *op) const {
  if (isa<IntegerBatchMatmulOp>(op))
    return true;
  auto contraction = dyn_cast<linalg::LinalgOp>(op);
  if (!contraction || contraction.getNumDpsInputs() != 2 ||
      !linalg::isaContractionOpInterface(contraction))
    return false;
  return llvm::none_of(contraction.getDpsInputs(),
                       [&](Value input) { return parameters.isParameter(input); });
}

bool ResidualStream::dependsOn(Value value, Value source, bool products) const {
  Operation *origin = source.getDefiningOp();
  llvm::DenseSet<Value> seen;
  SmallVector<Value> pending{value};
  bool reached = false, product = false;
  while (!pending.empty()) {
    Value next = pending.pop_back_val();
    if (next == source) {
      reached = true;
      continue;
    }
    Operation *op = next.getDefiningOp();
    // What comes before the source's operation cannot depend on it.
    if (!op || !seen.insert(next).second || parameters.isParameter(next) ||
        (origin && origin->getBlock() == op->getBlock() && op->isBeforeInBlock(origin)))
      continue;
    product = product || (products && isProductOfActivations(op) &&
                          dependsOn(next, source, /*products=*/false));
    llvm::append_range(pending, op->getOperands());
    // What its regions read besides: a broadcast may be written as a loop that extracts elements.
    for (Region &region : op->getRegions())
      visitUsedValuesDefinedAbove(region, region,
                                  [&](OpOperand *operand) { pending.push_back(operand->get()); });
  }
  return reached && (product || !products);
}

Value ResidualStream::findBypass(Value sum, Value input) const {
  for (Operation *user : sum.getUsers()) {
    std::optional<SmallVector<Value>> others = addends(user, sum);
    if (!others)
      continue;
    for (Value other : *others) {
      Value source = beforeMoves(other);
      if (!parameters.isParameter(source) && !matchPattern(source, m_Constant()) &&
          dependsOn(input, source, /*products=*/false))
        return source;
    }
    if (Value bypass = findBypass(user->getResult(0), input))
      return bypass;
  }
  return {};
}

Value ResidualStream::bypassOf(LayerOpInterface layer) const {
  return findBypass(layer->getResult(0), layer.getX());
}

LayerRole ResidualStream::roleOf(LayerOpInterface layer) const {
  Value bypass = bypassOf(layer);
  if (!bypass)
    return LayerRole::Other;
  return dependsOn(layer.getX(), bypass, /*products=*/true) ? LayerRole::AttentionOutput
                                                            : LayerRole::MlpOutput;
}

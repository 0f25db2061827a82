// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The walk forward keeps, of each value, which of its dimensions hold output channels of the layer.
// Where a reshape splits or joins such a dimension all parts longer than 1 count as holding them.
// Frontends write some broadcasts as a loop that reads elements of the value (tensor.extract):
// there the loops that an index is computed from hold what the dimension it indexes holds.

#include "ContractedOutput.h"

#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace ptq;

using Dimensions = llvm::SmallBitVector;

namespace {

class ChannelWalk {
public:
  /// Follows `value`; true if a contraction with an activation sums over the dimensions.
  bool reachesContraction(Value value, const Dimensions &channels);

private:
  bool throughUse(OpOperand &use, const Dimensions &channels);
  bool throughLinalg(linalg::LinalgOp op, OpOperand &use, const Dimensions &channels);
  bool throughResults(linalg::LinalgOp op, const Dimensions &loops);

  /// What is known to hold channels: a value is walked again only for more dimensions.
  llvm::DenseMap<Value, Dimensions> seen;
};

} // namespace

static unsigned rankOf(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  return type && type.hasRank() ? type.getRank() : 0;
}

static Dimensions collapsed(ArrayRef<ReassociationIndices> groups, const Dimensions &channels) {
  Dimensions result(groups.size());
  for (auto [to, group] : llvm::enumerate(groups))
    if (llvm::any_of(group, [&](int64_t from) { return channels.test(from); }))
      result.set(to);
  return result;
}

static Dimensions expanded(ArrayRef<ReassociationIndices> groups, const Dimensions &channels,
                           ArrayRef<int64_t> shape) {
  Dimensions result(shape.size());
  for (auto [from, group] : llvm::enumerate(groups))
    if (channels.test(from))
      for (int64_t to : group)
        if (shape[to] != 1 || group.size() == 1)
          result.set(to);
  return result;
}

/// The dimensions after those in front that agree and hold no channels.
static Dimensions reshaped(ArrayRef<int64_t> from, const Dimensions &channels,
                           ArrayRef<int64_t> to) {
  Dimensions result(to.size(), true);
  for (size_t i = 0; i < std::min(from.size(), to.size()) && from[i] == to[i] && !channels.test(i);
       ++i)
    result.reset(i);
  return result;
}

/// Adds the loops that `index`, computed in the body of a linalg.generic, depends on.
static void addLoops(Value index, Dimensions &loops) {
  Operation *op = index.getDefiningOp();
  if (!op)
    return;
  if (auto loop = dyn_cast<linalg::IndexOp>(op))
    loops.set(loop.getDim());
  else if (isa<linalg::GenericOp>(op->getParentOp()))
    for (Value operand : op->getOperands())
      addLoops(operand, loops);
}

bool ChannelWalk::reachesContraction(Value value, const Dimensions &channels) {
  if (channels.none())
    return false;
  Dimensions &known = seen[value];
  if (known.empty())
    known.resize(channels.size());
  Dimensions added = channels;
  added.reset(known);
  if (added.none())
    return false;
  known |= channels;
  Dimensions all = known;
  return llvm::any_of(value.getUses(), [&](OpOperand &use) { return throughUse(use, all); });
}

bool ChannelWalk::throughLinalg(linalg::LinalgOp op, OpOperand &use, const Dimensions &channels) {
  Dimensions loops(op.getNumLoops());
  AffineMap map = op.getMatchingIndexingMap(&use);
  for (auto [dimension, expression] : llvm::enumerate(map.getResults()))
    if (auto loop = dyn_cast<AffineDimExpr>(expression); loop && channels.test(dimension))
      loops.set(loop.getPosition());
  if (op.getNumReductionLoops() > 0 && linalg::isaContractionOpInterface(op) &&
      op.isDpsInput(&use)) {
    OpOperand *other = op.getDpsInputOperand(op.getDpsInputOperand(0) == &use ? 1 : 0);
    if (!isStoredValue(traceToRoot(other->get()).root))
      for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray()))
        if (kind == utils::IteratorType::reduction && loops.test(loop))
          return true;
  }
  return throughResults(op, loops);
}

bool ChannelWalk::throughResults(linalg::LinalgOp op, const Dimensions &loops) {
  for (OpResult result : op->getResults()) {
    Dimensions out(rankOf(result));
    for (auto [dimension, expression] :
         llvm::enumerate(op.getIndexingMapMatchingResult(result).getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expression))
        out[dimension] = loops.test(loop.getPosition());
    if (reachesContraction(result, out))
      return true;
  }
  return false;
}

bool ChannelWalk::throughUse(OpOperand &use, const Dimensions &channels) {
  Operation *op = use.getOwner();
  if (isa<LayerOpInterface>(op) || op->getNumResults() == 0)
    return false;
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    auto loop = dyn_cast<linalg::GenericOp>(op->getParentOp());
    if (!loop)
      return false;
    Dimensions loops(loop.getNumLoops());
    for (auto [dimension, index] : llvm::enumerate(extract.getIndices()))
      if (channels.test(dimension))
        addLoops(index, loops);
    return throughResults(loop, loops);
  }
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return throughLinalg(linalgOp, use, channels);
  Value result = op->getResult(0);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return reachesContraction(result, collapsed(collapse.getReassociationIndices(), channels));
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return reachesContraction(result, expanded(expand.getReassociationIndices(), channels,
                                               expand.getResultType().getShape()));
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    Dimensions kept(rankOf(result));
    unsigned to = 0;
    for (unsigned from = 0; from < channels.size(); ++from)
      if (!dropped.test(from))
        kept[to++] = channels.test(from);
    return reachesContraction(result, kept);
  }
  if (auto reshape = dyn_cast<tensor::ReshapeOp>(op)) {
    auto to = dyn_cast<RankedTensorType>(result.getType());
    auto from = dyn_cast<RankedTensorType>(reshape.getSource().getType());
    if (!to || !from || use.get() != reshape.getSource())
      return false;
    return reachesContraction(result, reshaped(from.getShape(), channels, to.getShape()));
  }
  // Concatenation, insertion, casts and elementwise work keep the dimensions.
  return rankOf(result) == channels.size() && reachesContraction(result, channels);
}

bool ptq::isContractedWithActivation(LinearOp layer) {
  Dimensions channels(rankOf(layer.getY()));
  channels.set(channels.size() - 1);
  return ChannelWalk().reachesContraction(layer.getY(), channels);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaleRules.h"

#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

bool ptq::channel_scale::isScaleChannels(Operation *op) { return isa<ScaleChannelsOp>(op); }

/// y = x·Wᵀ + b: a scale of x over its channels goes into the columns of W, one of y into the rows
/// of W and into b. They have nothing to do with each other. The scale can vary over nothing else.
static Options optionsForLinear(LinearOp linear, const State &state, std::string &reason) {
  for (Value parameter : {Value(linear.getWeight()), Value(linear.getBias())})
    if (parameter && !isRewritable(traceToRoot(parameter).root)) {
      reason = ("a parameter of '" + linear.getLayerName() + "' is not stored").str();
      return {};
    }
  Option option;
  auto constrain = [&](Site site, Value value) {
    const ScaleMap *map = state.lookup(site);
    if (!map)
      return;
    unsigned last = cast<RankedTensorType>(value.getType()).getRank() - 1;
    auto axes = llvm::to_vector<4>(llvm::seq<unsigned>(0, map->dims.size()));
    MapReader reader(*map, axes);
    forEachIndex(map->sizes, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t, 6> first(index);
      for (auto [axis, dim] : llvm::enumerate(map->dims))
        if (dim != last)
          first[axis] = 0;
      option.ties.emplace_back(reader.at(index), reader.at(first));
    });
  };
  constrain(siteOf(linear.getXMutable()), linear.getX());
  constrain(siteOf(cast<OpResult>(linear.getY())), linear.getY());
  return {option};
}

/// True if the operation reads a scaled value inside its body, other than by a tensor.extract that
/// the rule for loops looks at.
static bool captures(Operation *op, const State &state) {
  bool found = false;
  for (Region &region : op->getRegions())
    visitUsedValuesDefinedAbove(region, region, [&](OpOperand *operand) {
      if (isLoops(op) && isa<tensor::ExtractOp>(operand->getOwner()) &&
          operand->getOwner()->getParentOp() == op)
        return;
      const ScaleMap *map = state.lookup(siteOf(*operand));
      found |= map && !isOne(*map, state.classes);
    });
  return found;
}

Options ptq::channel_scale::optionsFor(Operation *op, const State &state, bool allowInsertion,
                                       std::string &reason) {
  if (captures(op, state)) {
    reason = ("'" + op->getName().getStringRef() + "' reads it inside its body").str();
    return {};
  }
  if (auto linear = dyn_cast<LinearOp>(op))
    return optionsForLinear(linear, state, reason);
  if (isShape(op))
    return optionsForShape(op, state, reason);
  if (isLoops(op))
    return optionsForLoops(op, state, allowInsertion, reason);
  if (isa<tensor::DimOp>(op))
    return {Option()};
  if (op->hasTrait<OpTrait::ReturnLike>())
    reason = "it is returned";
  else
    reason = ("'" + op->getName().getStringRef() + "' does not let a scale through").str();
  return {};
}

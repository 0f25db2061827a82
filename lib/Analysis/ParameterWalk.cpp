// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ParameterWalk.h"

#include "ptq/Analysis/ElementwiseBody.h"
#include "ptq/Analysis/LayerNames.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;

//===----------------------------------------------------------------------===//
// What is a parameter
//===----------------------------------------------------------------------===//

/// Whether the function says of its arguments which are parameters and which are inputs.
static bool marksArguments(FunctionOpInterface function) {
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    if (function.getArgAttr(i, kParameterAttr) || function.getArgAttr(i, kInputAttr))
      return true;
  return false;
}

static FunctionOpInterface owningFunction(BlockArgument argument) {
  auto function = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
  return function && argument.getOwner()->isEntryBlock() ? function : FunctionOpInterface();
}

bool ptq::isUnmarkedArgument(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return false;
  FunctionOpInterface function = owningFunction(argument);
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  return function && type && type.hasStaticShape() && !marksArguments(function);
}

bool ptq::isLeafParameter(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    FunctionOpInterface function = owningFunction(argument);
    return function && function.getArgAttr(argument.getArgNumber(), kParameterAttr);
  }
  if (value.getDefiningOp<ml_program::GlobalLoadConstOp>())
    return true;
  Attribute attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return false;
  auto elements = dyn_cast<ElementsAttr>(attr);
  return elements && !(isa<DenseElementsAttr>(attr) && elements.isSplat());
}

bool ptq::isStoredValue(Value value) {
  return isLeafParameter(value) || isUnmarkedArgument(value) || matchPattern(value, m_Constant());
}

/// A generic that turns integers into floats, elementwise, with everything that goes into it
/// stored: the weight of a layer that is quantized already. Here unmarked arguments count, if the
/// integers are of 8 bits or less: no activation has that type and is used as a float.
static bool isDequantization(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumReductionLoops() != 0 || generic->getNumResults() != 1 ||
      !isa<FloatType>(getElementTypeOrSelf(generic->getResult(0).getType())))
    return false;
  bool narrow = false;
  for (Value input : generic.getDpsInputs()) {
    Value root = traceToRoot(input).root;
    if (!isLeafParameter(root) && !isUnmarkedArgument(root))
      return false;
    auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(root.getType()));
    narrow |= integer && integer.getWidth() <= 8;
  }
  return narrow;
}

ParameterAnalysis::Kind ParameterAnalysis::classify(Operation *op) const {
  if (op->getNumResults() && isLeafParameter(op->getResult(0)))
    return Kind::Parameter;
  if (isDequantization(op))
    return Kind::Parameter;
  if (isa<tensor::EmptyOp>(op) || op->hasTrait<OpTrait::ConstantLike>())
    return Kind::Neutral;
  if (!isMemoryEffectFree(op))
    return Kind::Activation;
  // A computation is a parameter if everything that goes into it is: operands and captured values.
  Kind kind = Kind::Neutral;
  auto join = [&](Value operand) {
    Kind other = kinds.lookup(operand);
    if (other == Kind::Activation || kind == Kind::Activation)
      kind = Kind::Activation;
    else if (other == Kind::Parameter)
      kind = Kind::Parameter;
  };
  for (Value operand : op->getOperands())
    join(operand);
  for (Region &region : op->getRegions())
    visitUsedValuesDefinedAbove(region, region, [&](OpOperand *operand) { join(operand->get()); });
  return kind;
}

ParameterAnalysis::ParameterAnalysis(FunctionOpInterface function) {
  if (function.isExternal())
    return;
  for (Block &block : function.getFunctionBody()) {
    for (BlockArgument argument : block.getArguments())
      kinds[argument] = isLeafParameter(argument) ? Kind::Parameter : Kind::Activation;
    for (Operation &op : block) {
      Kind kind = classify(&op);
      for (Value result : op.getResults())
        kinds[result] = kind;
    }
  }
}

bool ParameterAnalysis::isParameter(Value value) const {
  return kinds.lookup(value) == Kind::Parameter;
}

//===----------------------------------------------------------------------===//
// Tracing
//===----------------------------------------------------------------------===//

namespace {

using DimensionLists = SmallVector<SmallVector<unsigned, 2>>;

/// One step back: the source value and how its dimensions map to those of the result. A source
/// dimension maps to a list of result dimensions.
struct Step {
  Value source;
  DimensionLists toResult;
  SmallVector<Type> casts = {}; ///< The element types that its casts produce, in order.
};

} // namespace

static int64_t staticSize(Value value, unsigned dim) {
  return cast<RankedTensorType>(value.getType()).getDimSize(dim);
}

/// A generic that yields its one input, perhaps cast: a copy, transpose or broadcast.
static std::optional<Step> stepThroughGeneric(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 0 ||
      !yieldsCastOfArgument(op.getBlock(), 0))
    return std::nullopt;
  AffineMap output = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  AffineMap input = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  if (!output.isPermutation())
    return std::nullopt;
  Step step{op.getDpsInputs()[0], DimensionLists(input.getNumResults())};
  for (auto [i, expr] : llvm::enumerate(input.getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      step.toResult[i].push_back(*output.getResultPosition(dim));
    else if (staticSize(step.source, i) != 1)
      return std::nullopt;
  }
  for (Value value = op.getBlock()->getTerminator()->getOperand(0);
       Operation *cast = value.getDefiningOp(); value = cast->getOperand(0))
    step.casts.insert(step.casts.begin(), value.getType());
  return step;
}

/// collapse_shape: a group's sizes multiply to the result dimension. Followed if at most one is
/// not 1.
static std::optional<Step> stepThroughCollapse(tensor::CollapseShapeOp op) {
  Step step{op.getSrc(), DimensionLists(op.getSrcType().getRank())};
  for (auto [result, group] : llvm::enumerate(op.getReassociationIndices())) {
    auto real =
        llvm::make_filter_range(group, [&](int64_t d) { return staticSize(op.getSrc(), d) != 1; });
    if (std::distance(real.begin(), real.end()) > 1)
      return std::nullopt;
    step.toResult[real.empty() ? group.back() : *real.begin()].push_back(result);
  }
  return step;
}

/// expand_shape: a source dimension becomes the dimensions of its group.
static Step stepThroughExpand(tensor::ExpandShapeOp op) {
  Step step{op.getSrc(), DimensionLists(op.getSrcType().getRank())};
  for (auto [source, group] : llvm::enumerate(op.getReassociationIndices()))
    for (int64_t result : group)
      if (staticSize(op.getResult(), result) != 1 || group.size() == 1)
        step.toResult[source].push_back(result);
  return step;
}

static Step identityStep(Value source) {
  Step step{source, DimensionLists(cast<RankedTensorType>(source.getType()).getRank())};
  for (auto [i, dims] : llvm::enumerate(step.toResult))
    dims.push_back(i);
  return step;
}

static std::optional<Step> stepBack(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Step>>(op)
      .Case([](linalg::TransposeOp transpose) {
        Step step{transpose.getInput(), DimensionLists(transpose.getPermutation().size())};
        for (auto [result, source] : llvm::enumerate(transpose.getPermutation()))
          step.toResult[source].push_back(result);
        return step;
      })
      .Case([](linalg::BroadcastOp broadcast) {
        Step step{broadcast.getInput(), {}};
        unsigned rank = cast<RankedTensorType>(broadcast.getInit().getType()).getRank();
        for (unsigned result = 0; result < rank; ++result)
          if (!llvm::is_contained(broadcast.getDimensions(), result))
            step.toResult.push_back({result});
        return step;
      })
      .Case([](linalg::CopyOp copy) { return identityStep(copy.getInputs()[0]); })
      .Case([](linalg::GenericOp generic) { return stepThroughGeneric(generic); })
      .Case([](tensor::CollapseShapeOp collapse) { return stepThroughCollapse(collapse); })
      .Case([](tensor::ExpandShapeOp expand) { return stepThroughExpand(expand); })
      .Case([](tensor::CastOp cast) -> std::optional<Step> {
        auto source = dyn_cast<RankedTensorType>(cast.getSource().getType());
        return source ? std::optional(identityStep(cast.getSource())) : std::nullopt;
      })
      .Case<arith::ExtFOp, arith::TruncFOp>([](auto cast) {
        Step step = identityStep(cast.getIn());
        step.casts.push_back(getElementTypeOrSelf(cast.getType()));
        return step;
      })
      .Default([](Operation *) { return std::nullopt; });
}

ParameterSource ptq::traceToRoot(Value operand) {
  ParameterSource source{operand, identityStep(operand).toResult, {}};
  while (Operation *op = source.root.getDefiningOp()) {
    std::optional<Step> step = stepBack(op);
    if (!step || !isa<RankedTensorType>(step->source.getType()))
      break;
    DimensionLists composed;
    for (ArrayRef<unsigned> dims : step->toResult) {
      auto &list = composed.emplace_back();
      for (unsigned dim : dims)
        llvm::append_range(list, source.dimensions[dim]);
    }
    source.casts.insert(source.casts.begin(), step->casts.begin(), step->casts.end());
    source.root = step->source;
    source.dimensions = std::move(composed);
  }
  return source;
}

std::optional<ParameterSource> ParameterAnalysis::trace(Value operand) const {
  if (!isa<RankedTensorType>(operand.getType()))
    return std::nullopt;
  ParameterSource source = traceToRoot(operand);
  if (!isParameter(operand) && !isUnmarkedArgument(source.root))
    return std::nullopt;
  return source;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales through operations that move elements and compute nothing: an element keeps its class
// wherever it goes.
//
// Reshapes: the classes over a group of dimensions, in row-major order, are those over the
// dimension that the group is collapsed to.

#include "ChannelScaleRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "ptq/IR/PTQ.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

bool ptq::channel_scale::isShape(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp,
             tensor::InsertSliceOp, tensor::ConcatOp, tensor::PadOp, tensor::CastOp,
             tensor::ReshapeOp, ObserveOp>(op);
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

namespace {

/// Dimensions of two tensors that hold the same elements in the same order.
struct ReshapeGroup {
  SmallVector<unsigned, 4> source, result;
};

} // namespace

static SmallVector<ReshapeGroup> groupsOf(ArrayRef<ReassociationIndices> reassociation,
                                          bool collapse) {
  SmallVector<ReshapeGroup> groups;
  for (auto [collapsed, expanded] : llvm::enumerate(reassociation)) {
    ReshapeGroup &group = groups.emplace_back();
    (collapse ? group.result : group.source).push_back(collapsed);
    llvm::append_range(collapse ? group.source : group.result, expanded);
  }
  return groups;
}

/// tensor.reshape keeps the row-major order. So wherever the trailing dimensions of both tensors
/// have the same number of elements, a static one, they hold the same ones.
static SmallVector<ReshapeGroup> groupsOf(tensor::ReshapeOp op) {
  auto source = typeOf(op.getSource()), result = typeOf(op.getResult());
  SmallVector<ReshapeGroup> groups;
  int64_t i = source.getRank(), j = result.getRank();
  auto isStatic = [](RankedTensorType type, int64_t dim) {
    return dim >= 0 && !type.isDynamicDim(dim);
  };
  while (isStatic(source, i - 1) && isStatic(result, j - 1)) {
    int64_t a = i - 1, b = j - 1;
    int64_t inSource = source.getDimSize(a), inResult = result.getDimSize(b);
    while (inSource != inResult) {
      if (inSource < inResult ? !isStatic(source, a - 1) : !isStatic(result, b - 1))
        break;
      if (inSource < inResult)
        inSource *= source.getDimSize(--a);
      else
        inResult *= result.getDimSize(--b);
    }
    if (inSource != inResult)
      break;
    ReshapeGroup group;
    group.source.append(llvm::seq<unsigned>(a, i).begin(), llvm::seq<unsigned>(a, i).end());
    group.result.append(llvm::seq<unsigned>(b, j).begin(), llvm::seq<unsigned>(b, j).end());
    groups.insert(groups.begin(), std::move(group));
    i = a, j = b;
  }
  // What is left has no structure that is known: sizes of unknown products.
  ReshapeGroup rest;
  rest.source.append(llvm::seq<unsigned>(0, i).begin(), llvm::seq<unsigned>(0, i).end());
  rest.result.append(llvm::seq<unsigned>(0, j).begin(), llvm::seq<unsigned>(0, j).end());
  groups.insert(groups.begin(), std::move(rest));
  return groups;
}

/// The scale of a reshaped tensor, from that of the other side.
static std::optional<ScaleMap> reshape(const ScaleMap &from, RankedTensorType fromType,
                                       RankedTensorType toType, ArrayRef<ReshapeGroup> groups,
                                       bool forward) {
  ScaleMap to{from.exponent, {}, {}, {}};
  // The groups that the scale varies over.
  struct Group {
    SmallVector<int64_t, 4> fromSizes, toSizes;
    SmallVector<unsigned, 4> fromDims;
  };
  std::vector<Group> varied;
  for (const ReshapeGroup &dims : groups) {
    Group group;
    group.fromDims = forward ? dims.source : dims.result;
    const auto &toDims = forward ? dims.result : dims.source;
    if (llvm::none_of(group.fromDims, [&](unsigned dim) { return from.variesAlong(dim); }))
      continue;
    for (unsigned dim : group.fromDims)
      group.fromSizes.push_back(fromType.getDimSize(dim));
    for (unsigned dim : toDims) {
      group.toSizes.push_back(toType.getDimSize(dim));
      to.dims.push_back(dim);
      to.sizes.push_back(toType.getDimSize(dim));
    }
    if (!boundedProduct(group.fromSizes) ||
        boundedProduct(group.fromSizes) != boundedProduct(group.toSizes))
      return std::nullopt;
    varied.push_back(std::move(group));
  }
  if (!boundedProduct(to.sizes))
    return std::nullopt;
  // The index in `from` of each entry of `to`, through the position within the group.
  SmallVector<unsigned, 4> axes;
  SmallVector<unsigned, 8> order;
  for (const Group &group : varied)
    llvm::append_range(order, group.fromDims);
  for (unsigned dim : from.dims)
    axes.push_back(llvm::find(order, dim) - order.begin());
  MapReader reader(from, axes);
  forEachIndex(to.sizes, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t, 8> source;
    for (const Group &group : varied) {
      int64_t flat = 0;
      for (int64_t size : group.toSizes) {
        flat = flat * size + index.front();
        index = index.drop_front();
      }
      size_t start = source.size();
      source.resize(start + group.fromSizes.size());
      for (int64_t i = int64_t(group.fromSizes.size()) - 1; i >= 0; --i) {
        source[start + i] = flat % group.fromSizes[i];
        flat /= group.fromSizes[i];
      }
    }
    to.classes.push_back(reader.at(source));
  });
  return to;
}

static Options reshapeOptions(OpOperand &source, OpResult result, ArrayRef<ReshapeGroup> groups,
                              const State &state, std::string &reason) {
  Site from = siteOf(source), to = siteOf(result);
  bool backward = state.lookup(to) != nullptr;
  const ScaleMap *known = backward ? state.lookup(to) : state.lookup(from);
  if (!known || (backward && isScaleInvariant(source.get())))
    return {Option()};
  Value knownValue = backward ? Value(result) : source.get();
  Value otherValue = backward ? source.get() : Value(result);
  std::optional<ScaleMap> map =
      reshape(*known, typeOf(knownValue), typeOf(otherValue), groups, !backward);
  if (!map) {
    reason = "a reshape of dynamic dimensions splits the channels";
    return {};
  }
  Option option;
  Site other = backward ? from : to;
  option.cost = !state.lookup(other) && !other.use;
  option.scaled.emplace_back(other, std::move(*map));
  return {option};
}

/// Operations whose result is their operand.
static Options copyOptions(OpOperand &source, OpResult result, const State &state) {
  Site from = siteOf(source), to = siteOf(result);
  bool backward = state.lookup(to) != nullptr;
  const ScaleMap *known = backward ? state.lookup(to) : state.lookup(from);
  Option option;
  Site other = backward ? from : to;
  if (known && !(backward && isScaleInvariant(source.get()))) {
    option.cost = !state.lookup(other) && !other.use;
    option.scaled.emplace_back(other, *known);
  }
  return {option};
}

Options ptq::channel_scale::optionsForShape(Operation *op, const State &state,
                                            std::string &reason) {
  return llvm::TypeSwitch<Operation *, Options>(op)
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp>([&](auto op) {
        constexpr bool collapse = std::is_same_v<decltype(op), tensor::CollapseShapeOp>;
        return reshapeOptions(op.getSrcMutable(), cast<OpResult>(op.getResult()),
                              groupsOf(op.getReassociationIndices(), collapse), state, reason);
      })
      .Case([&](tensor::ReshapeOp op) {
        return reshapeOptions(op.getSourceMutable(), cast<OpResult>(op.getResult()), groupsOf(op),
                              state, reason);
      })
      .Case<tensor::CastOp, ObserveOp>(
          [&](auto copy) { return copyOptions(copy->getOpOperand(0), copy->getResult(0), state); })
      .Default([&](Operation *op) { return optionsForWindows(op, state, reason); });
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KVCache.h"

#include "ptq/Analysis/ElementwiseBody.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ptq;

SmallVector<Value> ptq::aliasesOf(Value argument) {
  SmallVector<Value> aliases{argument};
  for (size_t i = 0; i != aliases.size(); ++i)
    for (Operation *user : aliases[i].getUsers())
      if (auto cast = dyn_cast<tensor::CastOp>(user))
        aliases.push_back(cast.getResult());
  return aliases;
}

/// Made by the call, not given to it.
static bool isComputed(Value value) {
  Operation *op = value.getDefiningOp();
  return op && !op->hasTrait<OpTrait::ConstantLike>() && !isa<tensor::EmptyOp>(op);
}

/// Given to the call, and no parameter.
static bool isInput(Value value) { return isa<BlockArgument>(value) && !isLeafParameter(value); }

static bool isZeroFill(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
}

/// Whether an operation only moves elements of its operand `value` or repeats them.
static bool movesOrRepeats(Operation *op, Value value) {
  if (isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp,
          linalg::TransposeOp, linalg::BroadcastOp>(op))
    return op->getOperand(0) == value;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && generic.getNumResults() == 1 && generic.getInputs().size() == 1 &&
         generic.getInputs()[0] == value && yieldsCastOfArgument(generic.getBody(), 0);
}

/// Whether a product of two activations reads the value, moved or repeated at most. `parameters`
/// tells activations.
static bool feedsProduct(Value value, const ParameterAnalysis &parameters) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (movesOrRepeats(user, value))
      return feedsProduct(user->getResult(0), parameters);
    auto op = dyn_cast<linalg::LinalgOp>(user);
    return op && op.hasPureTensorSemantics() && linalg::isaContractionOpInterface(op) &&
           llvm::none_of(op.getDpsInputs(),
                         [&](Value input) { return parameters.trace(input).has_value(); });
  });
}

/// Rows of the last dimension are inserted whole.
static bool insertsRows(tensor::InsertSliceOp insert) {
  int64_t last = insert.getDestType().getRank() - 1;
  std::optional<int64_t> offset = getConstantIntValue(insert.getMixedOffsets()[last]);
  std::optional<int64_t> size = getConstantIntValue(insert.getMixedSizes()[last]);
  std::optional<int64_t> stride = getConstantIntValue(insert.getMixedStrides()[last]);
  return offset == 0 && stride == 1 && size && *size == insert.getDestType().getDimSize(last) &&
         !insert.getDroppedDims().test(last);
}

/// What extends the cache: the one insertion, and those before and after it into the same tensor.
static SmallVector<Operation *> chainOf(tensor::InsertSliceOp insert) {
  SmallVector<Operation *> chain{insert};
  while (auto before = cast<tensor::InsertSliceOp>(chain.front())
                           .getDest()
                           .getDefiningOp<tensor::InsertSliceOp>())
    chain.insert(chain.begin(), before);
  for (;;) {
    Value result = chain.back()->getResult(0);
    auto next = result.hasOneUse() ? dyn_cast<tensor::InsertSliceOp>(*result.user_begin())
                                   : tensor::InsertSliceOp();
    if (!next || next.getDest() != result)
      return chain;
    chain.push_back(next);
  }
}

namespace {

class Matcher {
public:
  Matcher(BlockArgument argument, const ParameterAnalysis &parameters, std::string &reason)
      : cache{argument}, aliases(aliasesOf(argument)), parameters(parameters), reason(reason) {}

  std::optional<KVCache> match();

private:
  std::nullopt_t decline(const Twine &why) {
    reason = why.str();
    return std::nullopt;
  }
  bool isCache(Value value) { return llvm::is_contained(aliases, value); }
  bool isExtended();
  bool isReturned(Value value);
  std::string findObstacle();
  std::string findObstacleOfInsertions();

  KVCache cache;
  SmallVector<Value> aliases;
  Operation *other = nullptr; ///< Reads the cache besides.
  const ParameterAnalysis &parameters;
  std::string &reason;
};

} // namespace

/// Finds what extends the argument.
bool Matcher::isExtended() {
  Operation *extender = nullptr;
  for (Value alias : aliases)
    for (Operation *user : alias.getUsers()) {
      if (isa<tensor::CastOp, tensor::DimOp>(user))
        continue;
      if (isa<tensor::ConcatOp, tensor::InsertSliceOp>(user) && (!extender || extender == user))
        extender = user;
      else
        other = user;
    }
  if (!extender)
    return false;
  SmallVector<Value> parts;
  if (auto concat = dyn_cast<tensor::ConcatOp>(extender)) {
    cache.chain = {concat};
    llvm::append_range(parts, concat.getInputs());
  } else {
    cache.chain = chainOf(cast<tensor::InsertSliceOp>(extender));
    if (Value base = cast<tensor::InsertSliceOp>(cache.chain.front()).getDest(); isCache(base))
      parts.push_back(base);
    for (Operation *op : cache.chain)
      parts.push_back(cast<tensor::InsertSliceOp>(op).getSource());
  }
  // Of two inputs the first is the cache.
  bool isFirst = isCache(parts.front());
  return llvm::any_of(parts, [&](Value part) {
    return !isCache(part) && (isComputed(part) || (isFirst && isInput(part)));
  });
}

/// As it is, or under a cast.
bool Matcher::isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return isa<func::ReturnOp>(user) ||
           (isa<tensor::CastOp>(user) && isReturned(user->getResult(0)));
  });
}

std::string Matcher::findObstacleOfInsertions() {
  for (Operation *op : cache.chain) {
    auto insert = cast<tensor::InsertSliceOp>(op);
    if (!insertsRows(insert))
      return "rows of its last dimension, which share a scale, are written in parts";
    if (op != cache.chain.back() &&
        llvm::any_of(insert.getResult().getUsers(), [&](Operation *user) {
          return !llvm::is_contained(cache.chain, user) && !isa<tensor::DimOp>(user);
        }))
      return "what is written into it is read in between";
  }
  Value base = cast<tensor::InsertSliceOp>(cache.chain.front()).getDest();
  if (!isCache(base) && !base.getDefiningOp<tensor::EmptyOp>() && !isZeroFill(base))
    return "it is written into a tensor that is computed";
  return "";
}

std::string Matcher::findObstacle() {
  if (other)
    return ("it is read by '" + other->getName().getStringRef() + "' too").str();
  if (auto concat = dyn_cast<tensor::ConcatOp>(cache.chain.front())) {
    if (static_cast<int64_t>(concat.getDim()) + 1 == concat.getResultType().getRank())
      return "it grows along its last dimension, the rows of which share a scale";
  } else if (std::string obstacle = findObstacleOfInsertions(); !obstacle.empty()) {
    return obstacle;
  }
  for (Operation *user : cache.extension().getUsers())
    if (!isa<tensor::CastOp>(user) && movesOrRepeats(user, cache.extension()) &&
        isReturned(user->getResult(0)))
      return ("it is returned in another shape, by '" + user->getName().getStringRef() + "'").str();
  return "";
}

std::optional<KVCache> Matcher::match() {
  auto type = dyn_cast<RankedTensorType>(cache.argument.getType());
  if (!type || type.getRank() < 2 || !isa<FloatType>(type.getElementType()) || !isExtended())
    return std::nullopt;
  std::string obstacle = findObstacle();
  // What is declined for its returned shape is returned all the same.
  if (!isReturned(cache.extension()) && !StringRef(obstacle).starts_with("it is returned") &&
      !feedsProduct(cache.extension(), parameters))
    return std::nullopt;
  if (!obstacle.empty())
    return decline(obstacle);
  return cache;
}

std::optional<KVCache> ptq::matchKVCache(BlockArgument argument,
                                         const ParameterAnalysis &parameters, std::string &reason) {
  reason.clear();
  return Matcher(argument, parameters, reason).match();
}

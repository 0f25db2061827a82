// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales through loops: every linalg operation with a body, and elementwise operations on tensors.
//
// Let a scale C vary over some of the operation's loops: at the iteration i it is s_C(i). If each
// operand that the body reads at iteration i is multiplied by s_C(i)^e, e its exponent, and the
// body is homogeneous (ChannelScaleBody.h), then what it yields at i is multiplied by s_C(i)^f. So
// the rule is one interpretation of the body over exponents, for all iterations at once, and
// conditions on C:
// - Where an operand or result with a nonzero exponent does not have a loop, one element of it
// meets
//   several iterations: C has to be the same for all of them. This ties scales; it is how the
//   repeat of grouped-query attention, which is a broadcast, ties its heads, and why a sum over the
//   channels ties all of them. (A contraction whose two exponents cancel has exponent 0 in the sum
//   and ties nothing: q·s against k/s.)
// - In a reduction the accumulator has the exponent of the result throughout.
// - The loop must be a dimension of the tensor of its own, not part of a sum like d0 + d1.
//
// A tensor.extract in the body is one more operand, whose map is what its indices are: the loop
// that a linalg.index gives, or unknown. Frontends write gathers and dynamic broadcasts that way.

#include "ChannelScaleLoops.h"
#include "ChannelScaleBody.h"
#include "ChannelScaleRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Matchers.h"
#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/IR/PTQ.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

bool ptq::channel_scale::isLoops(Operation *op) {
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return linalgOp.hasPureTensorSemantics() && op->getNumRegions() == 1;
  if (isScaleChannels(op))
    return true;
  return op->hasTrait<OpTrait::Elementwise>() && op->getNumRegions() == 0 &&
         op->getNumResults() == 1 && isa<RankedTensorType>(op->getResult(0).getType());
}

Position Loops::position(Site site, AffineMap map, bool read) {
  Position result{site, map};
  auto type = dyn_cast<RankedTensorType>(site.value.getType());
  bool scalable = type && isa<FloatType>(type.getElementType());
  if (!read || (site.value.getDefiningOp() != op && isScaleInvariant(site.value))) {
    result.status = Position::Any;
  } else if (const ScaleMap *known = scalable ? state.lookup(site) : nullptr) {
    // What all stands for 1 is not scaled.
    if (isOne(*known, state.classes))
      return result;
    result.status = Position::Known;
    result.scale = known;
    result.exponent = known->exponent;
  } else if (scalable && !state.isUnscaled(site)) {
    result.status = Position::Unknown;
  }
  return result;
}

/// The indices of an extract as a map from loops; a symbol where an index is something else.
static AffineMap mapOf(tensor::ExtractOp extract, unsigned numLoops) {
  MLIRContext *context = extract.getContext();
  SmallVector<AffineExpr> exprs;
  for (Value value : extract.getIndices()) {
    auto index = value.getDefiningOp<linalg::IndexOp>();
    exprs.push_back(index ? getAffineDimExpr(index.getDim(), context)
                          : getAffineSymbolExpr(0, context));
  }
  return AffineMap::get(numLoops, 1, exprs, context);
}

void Loops::collect() {
  bool cut = state.cut.contains(op);
  auto resultPosition = [&](OpResult result, AffineMap map) {
    Position p = position(siteOf(result), map, true);
    if (cut) // What is scaled is the value behind it.
      p.status = Position::Fixed, p.exponent = 0, p.scale = nullptr;
    results.push_back(p);
  };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    body = linalgOp.getBlock();
    reduces = linalgOp.getNumReductionLoops() != 0;
    for (OpOperand &operand : op->getOpOperands()) {
      // The body of linalg.map has no argument for its init.
      if (operand.getOperandNumber() >= body->getNumArguments())
        continue;
      BlockArgument argument = linalgOp.getMatchingBlockArgument(&operand);
      inputs.push_back(position(siteOf(operand), linalgOp.getMatchingIndexingMap(&operand),
                                !argument.use_empty()));
    }
    for (auto [result, init] : llvm::zip_equal(op->getResults(), linalgOp.getDpsInitsMutable()))
      resultPosition(result, linalgOp.getMatchingIndexingMap(&init));
    for (auto extract : body->getOps<tensor::ExtractOp>()) {
      extracts.push_back(extract);
      inputs.push_back(position(siteOf(extract.getTensorMutable()),
                                mapOf(extract, linalgOp.getNumLoops()), true));
    }
    return;
  }
  MLIRContext *context = op->getContext();
  unsigned rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
  AffineMap identity = AffineMap::getMultiDimIdentityMap(rank, context);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = isa<RankedTensorType>(operand.get().getType())
                        ? identity
                        : AffineMap::get(rank, 0, context);
    if (isScaleChannels(op) && operand.getOperandNumber() == 1)
      map = identity.getMinorSubMap(1);
    inputs.push_back(position(siteOf(operand), map, true));
  }
  resultPosition(op->getResult(0), identity);
}

std::optional<unsigned> ptq::channel_scale::dimensionOf(AffineMap map, unsigned loop, bool &mixed) {
  std::optional<unsigned> dimension;
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr); dim && dim.getPosition() == loop) {
      mixed |= dimension.has_value();
      dimension = i;
    } else if (expr.isFunctionOfDim(loop)) {
      mixed = true;
    }
  }
  return dimension;
}

std::optional<SmallVector<int>> Loops::interpret(ArrayRef<int> arguments, std::string &reason) {
  if (body) {
    llvm::DenseMap<Operation *, int> given;
    ArrayRef<int> ofExtracts = arguments.take_back(extracts.size());
    for (auto [extract, exponent] : llvm::zip_equal(extracts, ofExtracts))
      given[extract] = exponent;
    return interpretBody(*body, arguments.drop_back(extracts.size()), given, reason);
  }
  std::optional<int> exponent;
  if (isScaleChannels(op)) {
    bool any = llvm::is_contained(arguments, kAnyExponent);
    exponent = any ? kAnyExponent : arguments[0] + arguments[1];
  } else {
    exponent = interpretOperation(op, arguments, reason);
  }
  if (!exponent)
    return std::nullopt;
  return SmallVector<int>{*exponent};
}

/// Interprets the body for the exponents of `inputs` as they stand, and sets those of the results
/// and, in a reduction, of the accumulators.
bool Loops::tryExponents(std::string &reason) {
  SmallVector<int> arguments;
  for (auto [i, input] : llvm::enumerate(inputs))
    arguments.push_back(input.status == Position::Any || !isChosen(i) ? kAnyExponent
                                                                      : input.exponent);
  auto yielded = interpret(arguments, reason);
  if (!yielded)
    return false;
  for (auto [i, result] : llvm::enumerate(results)) {
    int &exponent = (*yielded)[i];
    if (exponent == kAnyExponent)
      exponent = result.status == Position::Known ? result.exponent : 0;
    if (result.status == Position::Unknown)
      result.exponent = exponent;
    else if (result.exponent != exponent)
      return false;
    if (!reduces)
      continue;
    Position &init = inputs[firstAccumulator() + i];
    arguments[firstAccumulator() + i] = exponent;
    if (init.status == Position::Unknown)
      init.exponent = exponent;
    else if (init.status != Position::Any && init.exponent != exponent)
      return false;
  }
  if (!reduces)
    return true;
  // The accumulator takes part: it must keep its exponent.
  auto again = interpret(arguments, reason);
  if (!again)
    return false;
  for (auto [result, exponent] : llvm::zip_equal(results, *again))
    if (exponent != kAnyExponent && exponent != result.exponent)
      return false;
  return true;
}

/// Adds what a position with a nonzero exponent demands of the scale over loops.
bool Loops::constrain(const Position &position, Option &option, std::string &reason) {
  auto tie = [&](ClassId a, ClassId b) {
    if (state.classes.find(a) == state.classes.find(b))
      return;
    option.ties.emplace_back(a, b);
    ++option.newTies;
  };
  auto all = llvm::to_vector<4>(llvm::seq<unsigned>(0, scale.dims.size()));
  MapReader loops(scale, all);
  SmallVector<unsigned, 4> dims, kept; // The tensor's dimensions and the loops they are.
  SmallVector<std::pair<unsigned, unsigned>, 4> byDim;
  for (size_t axis = 0; axis < scale.dims.size(); ++axis) {
    unsigned loop = scale.dims[axis];
    bool mixed = false;
    std::optional<unsigned> dim = dimensionOf(position.map, loop, mixed);
    if (mixed) {
      reason = ("'" + op->getName().getStringRef() + "' indexes the channels by a sum").str();
      return false;
    }
    if (dim)
      byDim.emplace_back(*dim, axis);
    else // All iterations of the loop meet the same elements.
      forEachIndex(scale.sizes, [&](ArrayRef<int64_t> index) {
        SmallVector<int64_t, 6> first(index);
        first[axis] = 0;
        tie(loops.at(index), loops.at(first));
      });
  }
  if (position.status != Position::Known) {
    llvm::sort(byDim);
    ScaleMap map{position.exponent, {}, {}, {}};
    for (auto [dim, axis] : byDim) {
      map.dims.push_back(dim);
      map.sizes.push_back(scale.sizes[axis]);
    }
    SmallVector<int64_t, 6> full(scale.dims.size(), 0);
    forEachIndex(map.sizes, [&](ArrayRef<int64_t> index) {
      for (auto [entry, at] : llvm::zip_equal(byDim, index))
        full[entry.second] = at;
      map.classes.push_back(loops.at(full));
    });
    option.scaled.emplace_back(position.site, std::move(map));
    option.cost += !position.site.use;
    return true;
  }
  // A known scale must be the loops' where the two vary: over the union of their loops.
  SmallVector<unsigned, 4> unionLoops(scale.dims), axes, knownAxes;
  SmallVector<int64_t, 4> sizes(scale.sizes);
  for (auto [i, dim] : llvm::enumerate(position.scale->dims)) {
    auto loop = dyn_cast<AffineDimExpr>(position.map.getResult(dim));
    bool mixed = !loop;
    if (loop)
      dimensionOf(position.map, loop.getPosition(), mixed);
    if (mixed) {
      reason = ("'" + op->getName().getStringRef() + "' indexes the channels by a sum").str();
      return false;
    }
    auto it = llvm::find(unionLoops, loop.getPosition());
    knownAxes.push_back(it - unionLoops.begin());
    if (it == unionLoops.end()) {
      unionLoops.push_back(loop.getPosition());
      sizes.push_back(position.scale->sizes[i]);
    }
  }
  if (!boundedProduct(sizes)) {
    reason = "the scale would vary over too many elements";
    return false;
  }
  MapReader known(*position.scale, knownAxes);
  forEachIndex(sizes, [&](ArrayRef<int64_t> index) {
    tie(loops.at(index.take_front(all.size())), known.at(index));
  });
  return true;
}

std::optional<Option> Loops::build(std::string &reason) {
  Option option;
  for (const Position &position : llvm::concat<Position>(inputs, results)) {
    if (position.status == Position::Any || position.status == Position::Fixed)
      continue;
    if (position.exponent == 0) {
      if (position.status == Position::Unknown)
        option.unscaled.push_back(position.site);
      continue;
    }
    if (!constrain(position, option, reason))
      return std::nullopt;
  }
  return option;
}

/// Tries all exponents from `candidates` for the values that are not known.
void Loops::enumerate(ArrayRef<int> candidates, Options &options, std::string &reason) {
  // Positions with the same value take the same exponent.
  llvm::MapVector<const void *, SmallVector<Position *, 2>> variables;
  for (auto [i, input] : llvm::enumerate(inputs))
    if (isChosen(i) && input.status == Position::Unknown)
      variables[input.site.key()].push_back(&input);
  if (variables.size() > 6)
    candidates = candidates.take_front(2);
  if (variables.size() > 10) {
    reason = ("'" + op->getName().getStringRef() + "' has too many operands to try").str();
    return;
  }
  SmallVector<SmallVector<const void *>> supports;
  SmallVector<int64_t, 4> sizes(variables.size(), candidates.size());
  forEachIndex(sizes, [&](ArrayRef<int64_t> choice) {
    SmallVector<const void *> support;
    for (auto [variable, which] : llvm::zip_equal(variables, choice)) {
      for (Position *position : variable.second)
        position->exponent = candidates[which];
      if (candidates[which])
        support.push_back(variable.first);
    }
    // Scaling more than another option does gains nothing.
    auto contains = [&](ArrayRef<const void *> other) {
      return llvm::all_of(other, [&](const void *key) { return llvm::is_contained(support, key); });
    };
    std::string why;
    if (!tryExponents(why)) {
      if (reason.empty())
        reason = why;
      return;
    }
    for (const Position &result : results)
      if (result.status == Position::Unknown && result.exponent)
        support.push_back(result.site.key());
    if (llvm::any_of(supports, contains))
      return;
    if (std::optional<Option> option = build(why)) {
      supports.push_back(support);
      options.push_back(std::move(*option));
    } else if (reason.empty()) {
      reason = why;
    }
  });
}

Options Loops::options(bool allowInsertion, std::string &reason) {
  SmallVector<int> exponents;
  const Position *known = nullptr;
  for (const Position &position : llvm::concat<Position>(inputs, results))
    if (position.status == Position::Known && position.exponent) {
      exponents.push_back(position.exponent);
      if (!known || position.scale->numEntries() > known->scale->numEntries())
        known = &position;
    }
  if (!known)
    return {Option()};
  // The scale over loops, as the position with the most entries has it.
  scale.exponent = 0;
  SmallVector<std::pair<unsigned, unsigned>, 4> byLoop;
  for (auto [axis, dim] : llvm::enumerate(known->scale->dims)) {
    auto loop = dyn_cast<AffineDimExpr>(known->map.getResult(dim));
    bool mixed = !loop;
    if (loop)
      dimensionOf(known->map, loop.getPosition(), mixed);
    if (mixed) {
      reason = ("'" + op->getName().getStringRef() + "' indexes the channels by a sum").str();
      return {};
    }
    scale.dims.push_back(loop.getPosition());
    scale.sizes.push_back(known->scale->sizes[axis]);
  }
  scale.classes = known->scale->classes;

  SmallVector<int> candidates{0};
  auto add = [&](int exponent) {
    if (!llvm::is_contained(candidates, exponent))
      candidates.push_back(exponent);
  };
  for (int exponent : exponents)
    add(exponent), add(-exponent);
  Options options;
  enumerate(candidates, options, reason);
  if (options.empty()) {
    // Squares and roots.
    for (int exponent : exponents) {
      add(2 * exponent), add(-2 * exponent);
      if (exponent % 2 == 0)
        add(exponent / 2), add(-exponent / 2);
    }
    enumerate(candidates, options, reason);
    if (options.empty() && reason.empty())
      reason = ("'" + op->getName().getStringRef() + "' does not let a scale through").str();
  }
  if (std::optional<Option> option = shiftedParameter())
    options.insert(options.begin(), std::move(*option));
  llvm::stable_sort(options, [](const Option &a, const Option &b) {
    return std::tie(a.cost, a.newTies) < std::tie(b.cost, b.newTies);
  });
  if (allowInsertion)
    if (std::optional<Option> option = insertion())
      options.push_back(std::move(*option));
  return options;
}

Options ptq::channel_scale::optionsForLoops(Operation *op, const State &state, bool allowInsertion,
                                            std::string &reason) {
  return Loops(op, state).options(allowInsertion, reason);
}

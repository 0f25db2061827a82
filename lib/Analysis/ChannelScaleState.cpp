// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaleState.h"

#include "ChannelScaleBody.h"

#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

bool ptq::channel_scale::isRewritable(Value value) {
  return isLeafParameter(value) || matchPattern(value, m_Constant());
}

Site ptq::channel_scale::siteOf(OpOperand &use) {
  return {use.get(), isRewritable(use.get()) ? &use : nullptr};
}

Site ptq::channel_scale::siteOf(OpResult result) { return {result, nullptr}; }

bool ptq::channel_scale::isScaleInvariant(Value value) {
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant)))
    return exponentOfConstant(constant) == kAnyExponent;
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](tensor::EmptyOp) { return true; })
      .Case([](linalg::FillOp fill) { return isScaleInvariant(fill.getInputs()[0]); })
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
          [](auto op) { return isScaleInvariant(op.getSrc()); })
      .Case<tensor::CastOp, tensor::ExtractSliceOp>(
          [](auto op) { return isScaleInvariant(op.getSource()); })
      .Default([](Operation *) { return false; });
}

const ScaleMap *State::lookup(const Site &site) const {
  auto it = entries.find(site.key());
  return it == entries.end() ? nullptr : it->second.map.get();
}

bool State::isUnscaled(const Site &site) const {
  auto it = entries.find(site.key());
  return it != entries.end() && !it->second.map;
}

bool State::fixAtOne(const ScaleMap &map, std::string &reason) {
  for (ClassId id : map.classes)
    if (!classes.unite(id, kOne)) {
      reason = "a part of it has to stay as it is";
      return false;
    }
  return true;
}

bool State::unite(const ScaleMap &a, const ScaleMap &b, std::string &reason) {
  if (a.exponent != b.exponent)
    return fixAtOne(a, reason) && fixAtOne(b, reason);
  SmallVector<int64_t, 4> sizes;
  SmallVector<unsigned, 4> all, axesOfA, axesOfB;
  std::set_union(a.dims.begin(), a.dims.end(), b.dims.begin(), b.dims.end(),
                 std::back_inserter(all));
  auto axis = [&](unsigned dim) { return unsigned(llvm::find(all, dim) - all.begin()); };
  for (unsigned dim : all) {
    auto inA = llvm::find(a.dims, dim);
    sizes.push_back(inA != a.dims.end() ? a.sizes[inA - a.dims.begin()]
                                        : b.sizes[llvm::find(b.dims, dim) - b.dims.begin()]);
  }
  llvm::transform(a.dims, std::back_inserter(axesOfA), axis);
  llvm::transform(b.dims, std::back_inserter(axesOfB), axis);
  if (!boundedProduct(sizes)) {
    reason = "the scale would vary over too many elements";
    return false;
  }
  MapReader readA(a, axesOfA), readB(b, axesOfB);
  bool agreed = true;
  forEachIndex(sizes, [&](ArrayRef<int64_t> index) {
    agreed = agreed && classes.unite(readA.at(index), readB.at(index));
  });
  if (!agreed)
    reason = "a part of it has to stay as it is";
  return agreed;
}

/// A constant that is one number throughout is a parameter, a weight of ones, say, only if it has
/// one for each channel; else it would have to be stored for every token.
static bool isPlainNumber(Value value, const ScaleMap &map) {
  if (isLeafParameter(value))
    return false;
  auto type = cast<RankedTensorType>(value.getType());
  return llvm::any_of(llvm::seq<int64_t>(0, type.getRank()), [&](int64_t dim) {
    return type.getDimSize(dim) != 1 && !map.variesAlong(dim);
  });
}

bool State::assign(const Site &site, ScaleMap map, std::string &reason) {
  // What nobody can absorb stands for 1 for good, also where its classes are still free.
  if (site.use ? isPlainNumber(site.value, map) : isa<BlockArgument>(site.value)) {
    if (fixAtOne(map, reason))
      return true;
    reason = site.use ? "a constant is no parameter of the channels"
                      : "it comes from an argument of the function";
    return false;
  }
  map = simplify(map, classes);
  auto [it, inserted] = entries.try_emplace(site.key(), Entry{site, nullptr});
  Entry &entry = it->second;
  if (!inserted)
    return entry.map ? unite(*entry.map, map, reason) : fixAtOne(map, reason);
  entry.map = std::make_shared<const ScaleMap>(std::move(map));
  if (site.use)
    return true; // A parameter absorbs it.
  auto result = cast<OpResult>(site.value);
  pending.insert(result.getOwner());
  for (Operation *user : site.value.getUsers()) {
    Operation *top = result.getOwner()->getBlock()->findAncestorOpInBlock(*user);
    if (!top) {
      reason = "it is read in another block";
      return fixAtOne(*entry.map, reason);
    }
    pending.insert(top);
  }
  return true;
}

bool State::apply(Operation *op, const Option &option, std::string &reason) {
  int64_t channels = classes.channelClasses();
  llvm::SmallVector<ClassId, 0> fresh(option.fresh);
  for (ClassId &id : fresh)
    id = classes.fresh();
  auto real = [&](ClassId id) { return id < 0 ? fresh[-id - 1] : id; };
  for (auto [a, b] : option.ties)
    if (!classes.unite(real(a), real(b))) {
      reason = "a part of it has to stay as it is";
      return false;
    }
  auto mixesAll = [&] {
    if (channels == 1 || classes.channelClasses() > 1)
      return false;
    reason = ("'" + op->getName().getStringRef() + "' mixes all channels").str();
    return true;
  };
  if (mixesAll())
    return false;
  if (option.inserted || option.shifted)
    cut.insert(op);
  if (option.inserted)
    inserted.push_back(op->getResult(0));
  if (option.shifted)
    shifted.push_back(*option.shifted);
  for (const Site &site : option.unscaled) {
    auto [it, inserted] = entries.try_emplace(site.key(), Entry{site, nullptr});
    if (!inserted && it->second.map && !fixAtOne(*it->second.map, reason))
      return false;
  }
  for (const auto &[site, map] : option.scaled) {
    ScaleMap renamed = map;
    for (ClassId &id : renamed.classes)
      id = real(id);
    if (!assign(site, std::move(renamed), reason))
      return false;
  }
  return !mixesAll();
}

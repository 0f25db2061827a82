// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups of layers, and from the search's solution to a plan.

#include "ptq/Analysis/ChannelScale.h"

#include "ChannelScalePlan.h"
#include "ChannelScaleRules.h"
#include "ChannelScaleSearch.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

StringRef ptq::toString(ScalePlacement placement) {
  switch (placement) {
  case ScalePlacement::Folded:
    return "folded";
  case ScalePlacement::Explicit:
    return "explicit";
  case ScalePlacement::Declined:
    return "declined";
  }
  return "";
}

void ptq::tieScales(const ScaleGroup &group, MutableArrayRef<float> s) {
  std::vector<double> sums(group.numClasses, 0);
  std::vector<int64_t> counts(group.numClasses, 0);
  for (auto [id, scale] : llvm::zip_equal(group.ties, s))
    if (scale > 0) {
      sums[id] += std::log(double(scale));
      ++counts[id];
    }
  for (auto [id, scale] : llvm::zip_equal(group.ties, s))
    if (counts[id] == 1 && scale > 0)
      continue;
    else
      scale = counts[id] ? float(std::exp(sums[id] / counts[id])) : 1.0f;
}

/// The value whose dimension `second` is the layer's channels, as far back as copies and reshapes
/// go: layers with the same one read the same channels.
static std::pair<Value, unsigned> channelsOf(LinearOp linear) {
  Value x = linear.getX();
  unsigned last = linear.getX().getType().getRank() - 1;
  ParameterSource source = traceToRoot(x);
  auto type = cast<RankedTensorType>(source.root.getType());
  for (auto [dim, dims] : llvm::enumerate(source.dimensions))
    if (dims.size() == 1 && dims[0] == last && type.getDimSize(dim) == linear.getInFeatures())
      return {source.root, unsigned(dim)};
  return {x, last};
}

/// Why a layer can take no scale in its columns; empty if it can.
static std::string unscalable(LinearOp linear) {
  if (isRewritable(traceToRoot(linear.getWeight()).root))
    return "";
  return ("the weight of '" + linear.getLayerName() +
          "' is computed or not known to be a parameter")
      .str();
}

namespace {

/// Turns the state that the search found into a plan, and tells what it does in words.
class PlanBuilder {
public:
  PlanBuilder(ScaleGroup &group, const State &state,
              const llvm::DenseMap<Operation *, size_t> &order);
  void build(llvm::DenseSet<Operation *> &grouped);

private:
  ScaleMap translate(ScaleMap map) const;
  /// A map over the last dimension of `value`, with all its entries.
  std::optional<ScaleMap> overChannels(const ScaleMap &map, Value value) const;
  void addLinears(llvm::DenseSet<Operation *> &grouped);
  void describe();

  ScaleGroup &group;
  const State &state;
  const llvm::DenseMap<Operation *, size_t> &order; ///< Of the layers, in the program.
  Plan plan;
  llvm::DenseMap<ClassId, ClassId> numbers;
  std::vector<std::string> parameters;
  void addName(Value parameter);
};

} // namespace

PlanBuilder::PlanBuilder(ScaleGroup &group, const State &state,
                         const llvm::DenseMap<Operation *, size_t> &order)
    : group(group), state(state), order(order) {
  group.ties.resize(group.channels);
  for (int64_t channel = 0; channel < group.channels; ++channel) {
    ClassId root = state.classes.find(1 + channel);
    group.ties[channel] = numbers.try_emplace(root, numbers.size()).first->second;
  }
  group.numClasses = numbers.size();
}

ScaleMap PlanBuilder::translate(ScaleMap map) const {
  map = simplify(map, state.classes);
  for (ClassId &id : map.classes) {
    auto it = numbers.find(state.classes.find(id));
    id = it == numbers.end() ? kUnscaled : it->second;
  }
  return map;
}

static bool isNothing(const ScaleMap &map) {
  return llvm::all_of(map.classes, [](ClassId id) { return id == kUnscaled; });
}

std::optional<ScaleMap> PlanBuilder::overChannels(const ScaleMap &map, Value value) const {
  ScaleMap translated = translate(map);
  auto type = cast<RankedTensorType>(value.getType());
  if (isNothing(translated))
    return std::nullopt;
  if (translated.dims.empty())
    translated.classes.assign(type.getShape().back(), translated.classes[0]);
  translated.dims = {0};
  translated.sizes = {type.getShape().back()};
  return translated;
}

void PlanBuilder::addLinears(llvm::DenseSet<Operation *> &grouped) {
  llvm::MapVector<Operation *, LinearEdit> edits;
  auto edit = [&](LinearOp linear) -> LinearEdit & {
    LinearEdit &entry = edits[linear];
    entry.linear = linear;
    return entry;
  };
  for (const auto &[key, entry] : state.entries) {
    if (!entry.map || entry.site.use)
      continue;
    for (OpOperand &use : entry.site.value.getUses()) {
      auto linear = dyn_cast<LinearOp>(use.getOwner());
      if (!linear || use.getOperandNumber() != 0)
        continue;
      if (auto columns = overChannels(*entry.map, entry.site.value))
        edit(linear).columns = columns;
    }
    if (auto linear = entry.site.value.getDefiningOp<LinearOp>())
      if (auto rows = overChannels(*entry.map, entry.site.value))
        edit(linear).rows = rows;
  }
  for (auto &[op, entry] : edits) {
    if (entry.rows)
      group.producers.push_back(entry.linear);
    if (entry.columns && !llvm::is_contained(group.layers, entry.linear)) {
      bool same = entry.columns->exponent == -1 &&
                  ArrayRef<ClassId>(entry.columns->classes) == ArrayRef<int32_t>(group.ties);
      if (same && grouped.insert(op).second)
        group.layers.push_back(entry.linear);
      else
        group.followers.push_back(entry.linear);
    }
    plan.linears.push_back(entry);
  }
  auto inOrder = [&](LinearOp a, LinearOp b) { return order.lookup(a) < order.lookup(b); };
  llvm::sort(group.layers, inOrder);
  llvm::sort(group.producers, inOrder);
  llvm::sort(group.followers, inOrder);
}

/// What to call a parameter.
void PlanBuilder::addName(Value parameter) {
  std::string key = parameterKey(parameter);
  if (key.empty())
    key = "a constant";
  if (!llvm::is_contained(parameters, key))
    parameters.push_back(key);
}

void PlanBuilder::build(llvm::DenseSet<Operation *> &grouped) {
  addLinears(grouped);
  for (const auto &[key, entry] : state.entries) {
    if (!entry.map)
      continue;
    if (OpOperand *use = entry.site.use) {
      ScaleMap map = translate(*entry.map);
      if (isNothing(map) || isScaleInvariant(entry.site.value))
        continue;
      plan.parameters.push_back({use->getOwner(), use->getOperandNumber(), 0, map});
      addName(entry.site.value);
    } else if (auto observe = entry.site.value.getDefiningOp<ObserveOp>()) {
      if (!isNothing(translate(*entry.map)))
        plan.observations.push_back({observe, overChannels(*entry.map, entry.site.value)});
    }
  }
  for (const ShiftedParameter &shifted : state.shifted) {
    plan.parameters.push_back({shifted.use->getOwner(), shifted.use->getOperandNumber(),
                               shifted.shift, translate(shifted.map)});
    addName(shifted.use->get());
  }
  for (OpResult value : state.inserted)
    plan.inserted.push_back({value, translate(*state.lookup(siteOf(value)))});
  group.placement = ScalePlacement::Folded;
  describe();
  group.plan = std::make_shared<const Plan>(std::move(plan));
}

void PlanBuilder::describe() {
  group.absorbers = parameters;
  for (LinearOp producer : group.producers)
    group.absorbers.push_back((producer.getLayerName() + ".weight").str());
  if (!plan.inserted.empty())
    group.absorbers.push_back("a multiplication after the norm");

  std::vector<std::string> parts;
  if (!parameters.empty())
    parts.push_back("folded into " + llvm::join(parameters, " and "));
  for (LinearOp producer : group.producers)
    parts.push_back(("rows of " + producer.getLayerName()).str());
  if (!plan.inserted.empty())
    parts.push_back("a multiplication inserted where the norm ends");
  for (LinearOp follower : group.followers)
    parts.push_back(("columns of " + follower.getLayerName() + " follow").str());
  group.description = llvm::join(parts, ", ");
  if (group.numClasses == group.channels)
    return;
  if (group.channels % group.numClasses == 0)
    group.description +=
        ", " + std::to_string(group.channels / group.numClasses) + " channels tied to one scale";
  else
    group.description += ", " + std::to_string(group.numClasses) + " independent scales";
}

/// Explicit placement, or none.
static void placeInFront(ScaleGroup &group, const std::string &reason) {
  group.ties.resize(group.channels);
  std::iota(group.ties.begin(), group.ties.end(), 0);
  group.numClasses = group.channels;
  for (LinearOp layer : group.layers)
    if (std::string why = unscalable(layer); !why.empty()) {
      group.placement = ScalePlacement::Declined;
      group.description = why;
      return;
    }
  Plan plan;
  plan.isExplicit = true;
  for (LinearOp layer : group.layers) {
    ScaleMap columns{-1, {0}, {group.channels}, {}};
    columns.classes.assign(group.ties.begin(), group.ties.end());
    plan.linears.push_back({layer, columns, std::nullopt});
  }
  group.placement = ScalePlacement::Explicit;
  group.description = "explicit, because " + reason;
  group.plan = std::make_shared<const Plan>(std::move(plan));
}

std::vector<ScaleGroup> ptq::findScaleGroups(FunctionOpInterface function) {
  std::vector<ScaleGroup> groups;
  if (function.isExternal())
    return groups;
  llvm::MapVector<std::pair<Value, unsigned>, SmallVector<LinearOp>> members;
  llvm::DenseMap<Operation *, size_t> order;
  function.walk([&](LinearOp linear) {
    members[channelsOf(linear)].push_back(linear);
    order.try_emplace(linear, order.size());
  });
  llvm::DenseSet<Operation *> grouped;
  for (auto &[channels, layers] : members) {
    llvm::erase_if(layers, [&](LinearOp layer) { return grouped.contains(layer); });
    if (layers.empty())
      continue;
    grouped.insert(layers.begin(), layers.end());
    ScaleGroup &group = groups.emplace_back();
    group.layers = layers;
    group.channels = layers.front().getInFeatures();

    State start(group.channels);
    ScaleMap map{-1, {0}, {group.channels}, {}};
    for (int64_t channel = 0; channel < group.channels; ++channel)
      map.classes.push_back(1 + channel);
    std::string reason;
    bool good = true;
    for (LinearOp layer : layers) {
      map.dims = {unsigned(layer.getX().getType().getRank() - 1)};
      good = good && start.assign(siteOf(layer.getXMutable()), map, reason);
    }
    std::optional<State> found;
    if (good && !(found = search(start, /*allowInsertion=*/false, reason))) {
      std::string again;
      found = search(start, /*allowInsertion=*/true, again);
    }
    if (found)
      PlanBuilder(group, *found, order).build(grouped);
    else
      placeInFront(group, reason);
  }
  return groups;
}

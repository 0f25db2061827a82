// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TransformGroups.h"

#include "ptq/Calibrate/StatisticsCollector.h"
#include "ptq/Support/Progress.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ptq;

llvm::Expected<ExplicitScale> ptq::parseExplicitScale(StringRef text) {
  if (text == "auto")
    return ExplicitScale::Auto;
  if (text == "never")
    return ExplicitScale::Never;
  if (text == "always")
    return ExplicitScale::Always;
  return llvm::createStringError("explicit-scale is auto, never or always, not '" + text + "'");
}

std::string TransformGroup::names() const {
  std::string text = layers.size() == 1 ? "layer" : "layers";
  for (const auto &[i, selected] : llvm::enumerate(layers)) {
    LinearOp layer = selected.layer;
    text += (i ? ", '" : " '") + layer.getLayerName().str() + "'";
  }
  return text;
}

bool TransformGroup::takesScales(ExplicitScale explicitScale) const {
  switch (scales.placement) {
  case ScalePlacement::Folded:
    return true;
  case ScalePlacement::Explicit:
    return explicitScale != ExplicitScale::Never;
  case ScalePlacement::Declined:
    return false;
  }
  return false;
}

std::vector<TransformGroup> ptq::selectGroups(ArrayRef<SelectedLayer> selected) {
  llvm::SetVector<Operation *> functions;
  llvm::DenseMap<Operation *, SelectedLayer> layers;
  for (const SelectedLayer &entry : selected) {
    LinearOp layer = entry.layer;
    layers[layer] = entry;
    if (auto function = layer->getParentOfType<FunctionOpInterface>())
      functions.insert(function);
  }
  std::vector<TransformGroup> groups;
  for (Operation *function : functions)
    for (ScaleGroup &found : findScaleGroups(cast<FunctionOpInterface>(function))) {
      TransformGroup group;
      for (LinearOp layer : found.layers)
        if (auto it = layers.find(layer); it != layers.end())
          group.layers.push_back(it->second);
      if (group.layers.empty())
        continue;
      group.scales = std::move(found);
      groups.push_back(std::move(group));
    }
  return groups;
}

llvm::Expected<GroupWeights> GroupWeights::evaluate(const TransformGroup &group) {
  GroupWeights weights;
  for (const SelectedLayer &selected : group.layers) {
    LinearOp layer = selected.layer;
    llvm::Expected<WeightValue> value = evaluateWeight(layer.getWeight());
    if (!value)
      return llvm::createStringError("layer '" + layer.getLayerName() +
                                     "': its weight: " + toString(value.takeError()));
    weights.values.push_back(std::move(*value));
    weights.views.emplace_back(weights.values.back().data.data(), layer.getOutFeatures(),
                               layer.getInFeatures());
  }
  return weights;
}

std::string ptq::describe(const TransformGroup &group, const TransformRecord &record) {
  StringRef where = record.where;
  // A folded scale's description may begin with the word itself.
  bool repeats = where.consume_front(record.inputScale);
  return (Twine(group.names()) + ": input scale " + record.inputScale + (repeats ? "" : ": ") +
          where)
      .str();
}

SchemeAttr ptq::toMark(MLIRContext *context, const numerics::WeightScheme &scheme) {
  bool perGroup = scheme.granularity == numerics::Granularity::PerGroup;
  Granularity granularity = perGroup ? Granularity::PerGroup
                            : scheme.granularity == numerics::Granularity::PerTensor
                                ? Granularity::PerTensor
                                : Granularity::PerChannel;
  return SchemeAttr::get(context, scheme.bits, scheme.symmetric, granularity,
                         perGroup ? scheme.groupSize : 0, /*dynamic=*/false);
}

llvm::Expected<func::FuncOp> ptq::findCalibratedFunction(ModuleOp module,
                                                         const CalibrationSource *source) {
  if (!source)
    return llvm::createStringError(
        "it looks at the layers' inputs, which needs calibration samples: run "
        "--calibrate=\"data=F\" before (statistics of --load-statistics are not enough)");
  return findFunction(module, source->function);
}

namespace {

class GroupObserver : public execution::LinearObserver {
public:
  GroupObserver(StringRef title, MutableArrayRef<TransformGroup> groups,
                StatisticsCollector *collector,
                llvm::function_ref<llvm::Error(TransformGroup &, numerics::ConstMatrix)> look)
      : collector(collector), look(look), progress(title, groups.size()) {
    for (TransformGroup &group : groups)
      groupOf[group.layers.front().layer] = &group;
  }

  bool wants(Operation *op) override {
    return groupOf.contains(op) || (collector && isa<LinearOp>(op));
  }

  llvm::Expected<std::optional<std::vector<float>>>
  observe(Operation *op, const execution::ObservedInput &input) override {
    auto layer = cast<LinearOp>(op);
    if (collector)
      if (llvm::Error error = collector->add(layer, input))
        return std::move(error);
    auto it = groupOf.find(op);
    if (it == groupOf.end())
      return std::nullopt;
    progress.begin(layer.getLayerName());
    if (llvm::Error error = look(*it->second, input.x))
      return llvm::createStringError(it->second->names() + ": " + toString(std::move(error)));
    progress.advance();
    return std::nullopt;
  }

private:
  llvm::DenseMap<Operation *, TransformGroup *> groupOf;
  StatisticsCollector *collector; ///< Null if statistics are not asked for.
  llvm::function_ref<llvm::Error(TransformGroup &, numerics::ConstMatrix)> look;
  Progress progress;
};

} // namespace

llvm::Error
ptq::observeGroups(ModuleOp module, CalibrationSource source, StringRef title,
                   MutableArrayRef<TransformGroup> groups,
                   llvm::function_ref<llvm::Error(TransformGroup &, numerics::ConstMatrix)> look) {
  llvm::Expected<func::FuncOp> function = findCalibratedFunction(module, &source);
  if (!function)
    return function.takeError();
  auto samples = loadSamples(*function, source);
  if (!samples)
    return samples.takeError();
  StatisticsCollector collector;
  GroupObserver observer(title, groups, source.pending ? &collector : nullptr, look);
  if (llvm::Error error = runSamples(*function, *samples, observer))
    return error;
  if (source.pending) {
    collector.attach();
    source.pending = false;
    source.attachTo(module);
  }
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SmoothQuant over a model; lib/Numerics/SmoothQuant has the arithmetic, lib/Analysis/ChannelScale
// says where scales can go.

#include "QuantizeAttention.h"
#include "TransformGroups.h"

#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Numerics/SmoothQuant.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/ActivationStatistics.h"
#include "ptq/Transform/Passes.h"
#include "ptq/Transform/TransformRecord.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

namespace ptq {
#define GEN_PASS_DEF_SMOOTHQUANT
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

/// Tokens on which alpha is searched.
static constexpr int64_t searchTokens = 512;

namespace {

/// How layers will be rounded.
struct Level {
  Granularity weights, activations;
  bool dynamic;
};

/// The scales chosen for a group; empty if it takes none.
struct Choice {
  std::vector<float> scales;
  std::optional<double> alpha, lossBefore, loss;
};

struct SmoothQuantPass : ptq::impl::SmoothQuantBase<SmoothQuantPass> {
  using SmoothQuantBase::SmoothQuantBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = smooth()) {
      mlir::emitError(getOperation().getLoc(), "smoothquant: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error smooth();
  /// Scales for a fixed alpha, from statistics.
  llvm::Expected<Choice> choose(const TransformGroup &group, double fixedAlpha);
  /// Scales with the best alpha on the group's input.
  llvm::Expected<Choice> search(const TransformGroup &group, numerics::ConstMatrix x);
  llvm::Error apply(TransformGroup &group, const Choice &choice);

  Level level;
};

} // namespace

/// The numbers of a float32 attribute; nothing if a resource of that name has no data.
static std::optional<std::vector<float>> valuesOf(ElementsAttr attr) {
  if (auto resource = dyn_cast<DenseF32ResourceElementsAttr>(attr)) {
    std::optional<ArrayRef<float>> values = resource.tryGetAsArrayRef();
    if (!values || int64_t(values->size()) != attr.getNumElements())
      return std::nullopt;
    return values->vec();
  }
  std::optional<mlir::detail::ElementsAttrRange<mlir::detail::ElementsAttrIterator<float>>> values =
      attr.tryGetValues<float>();
  if (!values)
    return std::nullopt;
  return std::vector<float>(values->begin(), values->end());
}

/// The greatest magnitude of each input channel. Error: no layer of the group was calibrated.
static llvm::Expected<std::vector<float>> observedAbsmax(const TransformGroup &group) {
  for (const SelectedLayer &selected : group.layers) {
    LinearOp layer = selected.layer;
    std::optional<StatisticsAttr> statistics = layer.getStatistics();
    if (!statistics)
      continue;
    std::optional<std::vector<float>> values = valuesOf(statistics->getAbsmax());
    if (!values)
      return llvm::createStringError("its statistics have no data");
    return std::move(*values);
  }
  return llvm::createStringError(
      "no statistics: run --calibrate=\"data=F\" or --load-statistics=\"file=F\" before");
}

llvm::Expected<Choice> SmoothQuantPass::choose(const TransformGroup &group, double fixedAlpha) {
  auto absmax = observedAbsmax(group);
  if (!absmax)
    return absmax.takeError();
  auto weights = GroupWeights::evaluate(group);
  if (!weights)
    return weights.takeError();
  auto scales = numerics::smoothQuantScales(*absmax, numerics::columnAbsMax(weights->matrices()),
                                            fixedAlpha, group.scales.ties, group.scales.numClasses);
  if (!scales)
    return scales.takeError();
  Choice choice;
  choice.scales = std::move(*scales);
  choice.alpha = fixedAlpha;
  return choice;
}

llvm::Expected<Choice> SmoothQuantPass::search(const TransformGroup &group,
                                               numerics::ConstMatrix x) {
  statistics::StatisticsAccumulator accumulator;
  if (llvm::Error error = accumulator.add(x.data, x.rows, x.columns, x.stride))
    return error;
  auto weights = GroupWeights::evaluate(group);
  if (!weights)
    return weights.takeError();
  std::vector<numerics::SmoothedLayer> layers;
  for (auto [selected, weight] : llvm::zip_equal(group.layers, weights->matrices())) {
    numerics::ActivationScheme activation;
    activation.perToken = level.activations == Granularity::PerToken;
    layers.push_back({weight, selected.scheme, activation});
  }
  std::vector<float> tokens = numerics::sampleTokens(x, searchTokens);
  numerics::ConstMatrix sampled(tokens.data(), tokens.size() / x.columns, x.columns);
  auto found = numerics::searchAlpha(layers, sampled, accumulator.finish().absmax,
                                     group.scales.ties, group.scales.numClasses);
  if (!found)
    return found.takeError();
  Choice choice;
  choice.alpha = found->alpha;
  choice.lossBefore = found->lossBefore;
  choice.loss = found->loss;
  if (found->alpha)
    choice.scales = std::move(found->scales);
  return choice;
}

llvm::Error SmoothQuantPass::apply(TransformGroup &group, const Choice &choice) {
  TransformRecord record;
  record.method = "smoothquant";
  record.inputScale = "none";
  record.where = group.scales.description;
  record.alpha = choice.alpha;
  record.lossBefore = choice.lossBefore;
  record.loss = choice.loss;
  if (!choice.scales.empty()) {
    if (llvm::Error error = applyScales(group.scales, choice.scales))
      return llvm::createStringError(group.names() + ": " + toString(std::move(error)));
    record.inputScale = toString(group.scales.placement);
    record.into = group.scales.absorbers;
    ++(group.scales.placement == ScalePlacement::Folded ? numFolded : numExplicit);
  } else {
    if (choice.loss)
      record.where = "no scales round better";
    else if (group.scales.placement == ScalePlacement::Explicit)
      record.where = "explicit-scale=never, and it would be " + group.scales.description;
    ++numLeft;
  }
  std::string text = describe(group, record);
  if (choice.alpha)
    text += llvm::formatv("; alpha {0:f2}", *choice.alpha);
  if (choice.loss && *choice.lossBefore > 0)
    text +=
        llvm::formatv("; {0:f1} % of the output error", 100 * *choice.loss / *choice.lossBefore);
  mlir::emitRemark(group.layers.front().layer.getLoc(), "smoothquant: " + text);
  for (const SelectedLayer &selected : group.layers)
    attachRecord(selected.layer, record);
  return llvm::Error::success();
}

llvm::Error SmoothQuantPass::smooth() {
  ModuleOp module = getOperation();
  std::optional<Level> chosen =
      llvm::StringSwitch<std::optional<Level>>(granularity.getValue())
          .Case("O1", Level{Granularity::PerChannel, Granularity::PerToken, true})
          .Case("O2", Level{Granularity::PerTensor, Granularity::PerTensor, true})
          .Case("O3", Level{Granularity::PerTensor, Granularity::PerTensor, false})
          .Default(std::nullopt);
  if (!chosen)
    return llvm::createStringError("granularity is O1, O2 or O3, not '" + granularity + "'");
  level = *chosen;
  double fixedAlpha = 0;
  bool automatic = alpha == "auto";
  if (!automatic &&
      (StringRef(alpha).getAsDouble(fixedAlpha) || !(fixedAlpha >= 0 && fixedAlpha <= 1)))
    return llvm::createStringError("alpha is a number between 0 and 1, or auto, not '" + alpha +
                                   "'");
  auto explicitMode = parseExplicitScale(explicitScale);
  if (!explicitMode)
    return explicitMode.takeError();
  if (attention != "float" && attention != "int8")
    return llvm::createStringError("attention is float or int8, not '" + attention + "'");

  RoundingOptions options;
  options.bits = 8;
  options.granularity = level.weights == Granularity::PerTensor ? "tensor" : "channel";
  options.symmetric = true;
  options.only = only;
  options.skip = skip;
  std::optional<CalibrationSource> source = CalibrationSource::of(module);
  Operation *root = module;
  if (automatic) {
    auto function = findCalibratedFunction(module, source ? &*source : nullptr);
    if (!function)
      return function.takeError();
    root = *function;
  } else if (llvm::Error error = ensureStatistics(module)) {
    return error;
  }
  auto selected = selectLayers(root, options);
  if (!selected)
    return selected.takeError();
  std::vector<TransformGroup> groups = selectGroups(*selected);

  llvm::DenseMap<Operation *, Choice> choices; // by the group's first layer
  auto decide = [&](TransformGroup &group, llvm::Expected<Choice> choice) -> llvm::Error {
    if (!choice)
      return choice.takeError();
    choices[group.layers.front().layer] = std::move(*choice);
    return llvm::Error::success();
  };
  if (automatic) {
    auto look = [&](TransformGroup &group, numerics::ConstMatrix x) -> llvm::Error {
      if (!group.takesScales(*explicitMode))
        return llvm::Error::success();
      return decide(group, search(group, x));
    };
    if (llvm::Error error = observeGroups(module, *source, "smoothquant", groups, look))
      return error;
  } else {
    for (TransformGroup &group : groups)
      if (group.takesScales(*explicitMode))
        if (llvm::Error error = decide(group, choose(group, fixedAlpha)))
          return llvm::createStringError(group.names() + ": " + toString(std::move(error)));
  }
  for (TransformGroup &group : groups)
    if (llvm::Error error = apply(group, choices.lookup(group.layers.front().layer)))
      return error;

  MLIRContext *context = &getContext();
  auto weights = SchemeAttr::get(context, 8, /*symmetric=*/true, level.weights, 0, false);
  auto activations =
      SchemeAttr::get(context, 8, /*symmetric=*/true, level.activations, 0, level.dynamic);
  for (SelectedLayer &entry : *selected) {
    entry.layer.setWeightSchemeAttr(weights);
    entry.layer.setActivationSchemeAttr(activations);
  }
  if (attention == "int8")
    root->walk([](func::FuncOp function) { quantizeAttention(function); });
  return llvm::Error::success();
}

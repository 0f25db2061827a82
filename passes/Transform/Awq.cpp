// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ over a model; lib/Numerics/Awq has the arithmetic, lib/Analysis/ChannelScale says where
// scales can go. Scales and clips of all groups are found on the float model, in one run of the
// samples; then they are applied in program order.

#include "ptq/Numerics/Awq.h"
#include "../Quantize/RoundingPass.h"
#include "ContractedOutput.h"
#include "TransformGroups.h"

#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/ActivationStatistics.h"
#include "ptq/Transform/Passes.h"
#include "ptq/Transform/TransformRecord.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

namespace ptq {
#define GEN_PASS_DEF_AWQ
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

/// Rows of the sketches of an input that the search for scales, the search for clips, and the
/// errors reported look at.
static constexpr int64_t searchSketchRows = 64, clipSketchRows = 512, reportSketchRows = 128;

/// An explicit multiplication must remove this share of the error.
static constexpr double explicitGain = 0.1;

namespace {

/// What was found for a group.
struct Choice {
  std::vector<float> scales; ///< Empty if it takes none.
  std::string left;          ///< Why not, if that was decided here.
  std::optional<double> ratio;
  double lossBefore = 0, loss = 0;
  std::vector<std::vector<float>> clips; ///< By layer of the group; empty if it has none.
};

struct AwqPass : ptq::impl::AwqBase<AwqPass> {
  using AwqBase::AwqBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = scale()) {
      mlir::emitError(getOperation().getLoc(), "awq: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error scale();
  llvm::Expected<Choice> search(const TransformGroup &group, numerics::ConstMatrix x);
  llvm::Error apply(TransformGroup &group, const Choice &choice);

  ExplicitScale explicitMode = ExplicitScale::Auto;
};

} // namespace

static ElementsAttr makeClip(LinearOp layer, const std::vector<float> &clip) {
  int64_t rows = layer.getOutFeatures();
  auto type = RankedTensorType::get({rows, static_cast<int64_t>(clip.size()) / rows},
                                    Float32Type::get(layer.getContext()));
  return storeElements(type, clip, (layer.getLayerName() + ".clip").str());
}

llvm::Expected<Choice> AwqPass::search(const TransformGroup &group, numerics::ConstMatrix x) {
  statistics::StatisticsAccumulator accumulator;
  if (llvm::Error error = accumulator.add(x.data, x.rows, x.columns, x.stride))
    return error;
  auto weights = GroupWeights::evaluate(group);
  if (!weights)
    return weights.takeError();
  std::vector<numerics::ScaledLayer> layers;
  for (auto [selected, weight] : llvm::zip_equal(group.layers, weights->matrices()))
    layers.push_back({weight, selected.scheme});

  Choice choice;
  numerics::ActivationSketch reported = numerics::sketchActivations(x, reportSketchRows, 2);
  auto lossOf = [&](ArrayRef<float> scales) {
    return numerics::scaledRoundingLoss(layers, scales, reported);
  };
  auto before = lossOf({});
  if (!before)
    return before.takeError();
  choice.lossBefore = choice.loss = *before;
  if (group.takesScales(explicitMode)) {
    numerics::AwqOptions options;
    options.grid = grid;
    options.duo = duo;
    auto found = numerics::searchAwqScales(
        layers, accumulator.finish().meanAbs, group.scales.ties, group.scales.numClasses,
        numerics::sketchActivations(x, searchSketchRows, 1), options);
    if (!found)
      return found.takeError();
    auto after = lossOf(found->scales);
    if (!after)
      return after.takeError();
    double gain = *before > 0 ? 1 - *after / *before : 0;
    if (found->form == numerics::AwqForm::Identity)
      choice.left = "no scales round better";
    else if (group.scales.placement == ScalePlacement::Explicit &&
             explicitMode == ExplicitScale::Auto && gain < explicitGain)
      choice.left = llvm::formatv("it would be {0}; a multiplication at run time would remove "
                                  "{1:f1} % of the error, and must remove {2:f0} %",
                                  group.scales.description, 100 * gain, 100 * explicitGain);
    else {
      choice.scales = std::move(found->scales);
      choice.ratio = found->ratio;
      choice.loss = *after;
    }
  }
  if (group.scales.placement == ScalePlacement::Explicit && explicitMode == ExplicitScale::Never)
    choice.left = "explicit-scale=never, and it would be " + group.scales.description;
  choice.clips.resize(layers.size());
  if (!clip)
    return choice;
  numerics::ActivationSketch sketch = numerics::sketchActivations(x, clipSketchRows, 3);
  for (auto [i, layer] : llvm::enumerate(layers)) {
    if (layer.scheme.granularity == numerics::Granularity::PerTensor ||
        isContractedWithActivation(group.layers[i].layer))
      continue;
    auto clipped = numerics::searchClip(layer, choice.scales, sketch);
    if (!clipped)
      return clipped.takeError();
    choice.clips[i] = std::move(clipped->clip);
  }
  return choice;
}

llvm::Error AwqPass::apply(TransformGroup &group, const Choice &choice) {
  TransformRecord record;
  record.method = "awq";
  record.inputScale = "none";
  record.where = choice.left.empty() ? group.scales.description : choice.left;
  record.ratio = choice.ratio;
  record.lossBefore = choice.lossBefore;
  record.loss = choice.loss;
  if (!choice.scales.empty()) {
    if (llvm::Error error = applyScales(group.scales, choice.scales))
      return llvm::createStringError(group.names() + ": " + toString(std::move(error)));
    record.inputScale = toString(group.scales.placement);
    record.into = group.scales.absorbers;
    ++(group.scales.placement == ScalePlacement::Folded ? numFolded : numExplicit);
  } else {
    ++numLeft;
  }
  std::string text = describe(group, record);
  if (choice.ratio)
    text += llvm::formatv("; ratio {0:f2}; {1:f1} % of the output error", *choice.ratio,
                          100 * choice.loss / choice.lossBefore);
  mlir::emitRemark(group.layers.front().layer.getLoc(), "awq: " + text);
  for (auto [selected, clips] : llvm::zip_equal(group.layers, choice.clips)) {
    attachRecord(selected.layer, record);
    if (clips.empty())
      continue;
    LinearOp layer = selected.layer;
    layer.setClipAttr(makeClip(layer, clips));
    ++numClipped;
  }
  return llvm::Error::success();
}

llvm::Error AwqPass::scale() {
  ModuleOp module = getOperation();
  auto parsed = parseExplicitScale(explicitScale);
  if (!parsed)
    return parsed.takeError();
  explicitMode = *parsed;
  if (grid == 0 || grid > 10000)
    return llvm::createStringError("grid is a number of steps, 1 to 10000, not " +
                                   llvm::Twine(grid.getValue()));
  std::optional<CalibrationSource> source = CalibrationSource::of(module);
  auto function = findCalibratedFunction(module, source ? &*source : nullptr);
  if (!function)
    return function.takeError();
  RoundingOptions options;
  options.bits = givenValue<unsigned>(bits, 4);
  options.groupSize = givenValue<int64_t>(groupSize, 128);
  options.symmetric = givenValue<bool>(symmetric, true);
  options.only = only;
  options.skip = skip;
  auto selected = selectLayers(*function, options);
  if (!selected)
    return selected.takeError();
  std::vector<TransformGroup> groups = selectGroups(*selected);

  llvm::DenseMap<Operation *, Choice> choices; // by the group's first layer
  auto look = [&](TransformGroup &group, numerics::ConstMatrix x) -> llvm::Error {
    llvm::Expected<Choice> choice = search(group, x);
    if (!choice)
      return choice.takeError();
    choices[group.layers.front().layer] = std::move(*choice);
    return llvm::Error::success();
  };
  if (llvm::Error error = observeGroups(module, *source, "awq", groups, look))
    return error;
  for (TransformGroup &group : groups)
    if (llvm::Error error = apply(group, choices[group.layers.front().layer]))
      return error;
  for (SelectedLayer &entry : *selected)
    entry.layer.setWeightSchemeAttr(toMark(&getContext(), entry.scheme));
  return llvm::Error::success();
}

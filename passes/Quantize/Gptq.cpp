// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ over a model: Gram matrices from running it, one input at a time. lib/Numerics/Gptq has the
// arithmetic.

#include "EmbeddingTables.h"
#include "GptqRounder.h"
#include "RoundingPass.h"
#include "SharedWeights.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/StatisticsSource.h"
#include "ptq/Numerics/Threads.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/PendingPasses.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/StatisticsFile.h"
#include "ptq/Support/ContentHash.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ptq {
#define GEN_PASS_DEF_GPTQ
#include "ptq/Quantize/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct GptqPass : RoundingPass<ptq::impl::GptqBase<GptqPass>> {
  using RoundingPass::RoundingPass;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = quantize()) {
      mlir::emitError(getOperation().getLoc(), "gptq: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error quantize();
  /// What a run's rounded layers have in common, for LayerStore.
  std::string describeRun(ArrayRef<SelectedLayer> layers) const;
  /// Puts the rounded layers in their places, in other functions than the calibrated one too.
  llvm::Error replaceLayers(std::vector<RoundedLayer> rounded, func::FuncOp calibrated);
  llvm::Error runOnSamples(const CalibrationSource &source, GptqRounder &rounder);
  llvm::Error runOnGrams(const std::string &file, ArrayRef<SelectedLayer> layers,
                         GptqRounder &rounder);
};

} // namespace

llvm::Error GptqPass::runOnSamples(const CalibrationSource &source, GptqRounder &rounder) {
  llvm::Expected<func::FuncOp> function = findFunction(getOperation(), source.function);
  if (!function)
    return function.takeError();
  auto samples = loadSamples(*function, source);
  if (!samples)
    return samples.takeError();
  return runSamples(*function, *samples, rounder, InputsShown::OwnBlocks);
}

/// The scales that transformations have divided a layer's input by since it was observed; empty for
/// none.
static llvm::Expected<std::vector<float>> divisorOf(LinearOp layer) {
  std::optional<StatisticsAttr> statistics = layer.getStatistics();
  if (!statistics || !statistics->getDivisor())
    return std::vector<float>();
  auto tensor = execution::tensorFromAttribute(statistics->getDivisor());
  if (!tensor)
    return tensor.takeError();
  return std::vector<float>(tensor->as<float>());
}

llvm::Error GptqPass::runOnGrams(const std::string &file, ArrayRef<SelectedLayer> layers,
                                 GptqRounder &rounder) {
  auto statistics = statistics::StatisticsFile::load(file);
  if (!statistics)
    return statistics.takeError();
  for (const SelectedLayer &selected : layers) {
    LinearOp layer = selected.layer;
    ArrayRef<float> gram = (*statistics)->gram(layer.getLayerName());
    if (gram.empty())
      return llvm::createStringError("'" + file + "' has no Gram matrix of layer '" +
                                     layer.getLayerName() +
                                     "'; write one with --calibrate=\"data=… save=… gram=true\"");
    llvm::Expected<std::vector<float>> divisor = divisorOf(layer);
    if (!divisor)
      return divisor.takeError();
    auto computeGram = [&](std::vector<float> &out) {
      llvm::copy(gram, out.begin());
      return statistics::applyDivisorToGram(out, *divisor);
    };
    auto hash = [&]() -> llvm::Expected<std::string> {
      return contentHash(gram) + " " + contentHash(ArrayRef<float>(*divisor));
    };
    auto result = rounder.round(layer, computeGram, hash);
    if (!result)
      return result.takeError();
  }
  return llvm::Error::success();
}

std::string GptqPass::describeRun(ArrayRef<SelectedLayer> layers) const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "gptq order=" << order << " damp=" << damp << " static-groups=" << staticGroups
     << " sequential=" << sequential << " outliers=" << outliers
     << " threads=" << numerics::threadCount() << '\n';
  for (const SelectedLayer &selected : layers) {
    LinearOp layer = selected.layer;
    os << layer.getLayerName() << ' ' << layer.getWeight().getType() << " scheme "
       << describe(selected.scheme);
    if (selected.activation)
      os << ' ' << selected.activation;
    if (!selected.method.empty())
      os << " by " << selected.method;
    os << '\n';
  }
  return text;
}

llvm::Error GptqPass::replaceLayers(std::vector<RoundedLayer> rounded, func::FuncOp calibrated) {
  std::vector<SharingLayer> sharing;
  if (calibrated) {
    SmallVector<LinearOp> layers;
    for (const RoundedLayer &entry : rounded)
      layers.push_back(entry.selected.layer);
    sharing = findSharingLayers(calibrated, layers);
  }
  LayerReplacer replacer(fake);
  for (const RoundedLayer &entry : rounded) {
    if (llvm::Error error = replacer.replace(entry.selected, entry.weight, entry.record))
      return error;
    ++numRounded;
  }
  for (const SharingLayer &other : sharing) {
    const RoundedLayer &entry = rounded[other.of];
    SelectedLayer selected = entry.selected;
    selected.layer = other.layer;
    if (llvm::Error error = replacer.replace(selected, entry.weight, entry.record))
      return error;
    ++numRounded;
  }
  return llvm::Error::success();
}

llvm::Error GptqPass::quantize() {
  ModuleOp module = getOperation();
  numerics::GptqOptions options;
  options.staticGroups = staticGroups;
  llvm::Expected<double> share = parseShare(outliers, "outliers", 0.1);
  if (!share)
    return share.takeError();
  options.outliers = *share;
  std::optional<numerics::ColumnOrder> columnOrder =
      llvm::StringSwitch<std::optional<numerics::ColumnOrder>>(order.getValue())
          .Case("group-aware", numerics::ColumnOrder::GroupAware)
          .Case("act", numerics::ColumnOrder::Activation)
          .Case("none", numerics::ColumnOrder::None)
          .Default(std::nullopt);
  if (!columnOrder)
    return llvm::createStringError("order is group-aware, act or none, not '" + order + "'");
  if (!(damp >= 0.0 && damp <= 1.0))
    return llvm::createStringError("damp is a share of the diagonal's mean between 0 and 1");

  std::optional<CalibrationSource> source = CalibrationSource::of(module);
  std::string statistics = statisticsFile(module);
  if (!source && statistics.empty())
    return llvm::createStringError(
        "it needs calibration samples: run --calibrate=\"data=F\" before, or "
        "--load-statistics with Gram matrices");
  Operation *root = module;
  func::FuncOp calibrated;
  if (source) {
    llvm::Expected<func::FuncOp> function = findFunction(module, source->function);
    if (!function)
      return function.takeError();
    root = calibrated = *function;
  }
  module->removeAttr(kPendingRoundingAttr);
  auto layers = selectLayers(root, roundingOptions());
  if (!layers)
    return layers.takeError();
  if (llvm::Error error = checkEmbeddingBits(embeddings))
    return error;
  if (layers->empty())
    return quantizeEmbeddings(module, embeddings, fake).takeError();

  StatisticsCollector collector;
  bool collect = source && source->pending;
  if (llvm::Error error = checkActivations(*layers, collect))
    return error;
  for (const SelectedLayer &selected : *layers) {
    StringRef name = LinearOp(selected.layer).getLayerName();
    bool lookedUp = selected.scheme.codebook != numerics::Codebook::Uniform;
    if ((selected.activation || lookedUp) && *columnOrder == numerics::ColumnOrder::Activation &&
        selected.scheme.granularity == numerics::Granularity::PerGroup && !staticGroups)
      return llvm::createStringError(
          "layer '" + name + "' " +
          (lookedUp ? "is rounded to a codebook" : "has integer activations") +
          ", whose groups must be consecutive channels, which order=act does "
          "not leave; use order=group-aware, or static-groups=true");
    if (selected.activation && options.outliers > 0)
      return llvm::createStringError(
          "layer '" + name +
          "' has integer activations, beside which there is no sparse part: give "
          "activations=none, or leave outliers out (--llm-int8 keeps whole columns in 16 bits)");
    if (lookedUp && options.outliers > 0)
      return llvm::createStringError("layer '" + name +
                                     "' is rounded to a codebook, beside which there is no sparse "
                                     "part: give type=int, or leave outliers out");
  }
  std::unique_ptr<LayerStore> store;
  if (!resume.empty()) {
    auto opened = LayerStore::open(resume, describeRun(*layers));
    if (!opened)
      return opened.takeError();
    store = std::move(*opened);
  }
  GptqRounder rounder(*layers, *columnOrder, options, damp, sequential,
                      collect ? &collector : nullptr, store.get());
  if (llvm::Error error =
          source ? runOnSamples(*source, rounder) : runOnGrams(statistics, *layers, rounder))
    return error;
  if (collect) {
    collector.attach();
    source->pending = false;
    source->attachTo(module);
  }
  if (llvm::Error error = replaceLayers(rounder.takeRounded(), calibrated))
    return error;
  return quantizeEmbeddings(module, embeddings, fake).takeError();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ over a model: Gram matrices from running it, one input at a time. lib/Numerics/Gptq has the
// arithmetic.
//
// Layers that share an input share its Gram matrix and, where their schemes ask for the same column
// order, its factor. Both are forgotten when the last of these layers is rounded, so that one
// input's matrices are the memory this takes.

#include "IntegerLayer.h"
#include "LayerParts.h"
#include "RoundingPass.h"

#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/StatisticsCollector.h"
#include "ptq/Calibrate/StatisticsSource.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/StatisticsFile.h"
#include "ptq/Support/Progress.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <chrono>
#include <map>

namespace ptq {
#define GEN_PASS_DEF_GPTQ
#include "ptq/Quantize/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

namespace {

/// A rounded layer, kept until the function may change.
struct RoundedLayer {
  SelectedLayer selected;
  PackedWeight weight;
  RoundingRecord record;
};

/// The Gram matrix of one input and what was made of it.
struct InputGram {
  std::vector<float> gram;                         ///< Upper triangle; empty once it is not needed.
  std::map<int64_t, numerics::GramFactor> factors; ///< By the group size their order is for.
  unsigned layersLeft = 0;                         ///< Layers of this input still to be rounded.
  unsigned factorsLeft = 0;                        ///< Orders still to be factored.
};

/// Rounds layers as they come, with the Gram matrices of their inputs.
class GptqRounder : public execution::LinearObserver {
public:
  GptqRounder(ArrayRef<SelectedLayer> selected, numerics::ColumnOrder order,
              numerics::GptqOptions options, float damping, bool sequential,
              StatisticsCollector *collector);

  /// Statistics that --calibrate left pending are collected on the way, of all layers.
  bool wants(Operation *op) override {
    return layers.contains(op) || (collector && isa<LinearOp>(op));
  }
  llvm::Expected<std::optional<std::vector<float>>> observe(Operation *op,
                                                            numerics::ConstMatrix x) override;

  /// Rounds one layer with the Gram matrix of its input, [in, in], of which the upper triangle is
  /// read. The matrix is asked for only if no earlier layer brought it.
  llvm::Expected<numerics::QuantizedWeight>
  round(LinearOp layer, llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram);

  std::vector<RoundedLayer> takeRounded() { return std::move(rounded); }

private:
  struct Layer {
    numerics::WeightScheme scheme;
    SchemeAttr activation;
    Value input;
  };

  int64_t orderGroupSize(const numerics::WeightScheme &scheme) const;
  /// The factor of the input's Gram matrix in the order the scheme asks for.
  llvm::Expected<const numerics::GramFactor *>
  factor(InputGram &input, const numerics::WeightScheme &scheme, int64_t columns);

  llvm::DenseMap<Operation *, Layer> layers;
  llvm::DenseMap<Value, InputGram> inputs;
  numerics::ColumnOrder order;
  numerics::GptqOptions options;
  float damping;
  bool sequential;
  StatisticsCollector *collector; ///< Null if statistics are not asked for.
  Progress progress;
  std::vector<RoundedLayer> rounded;
};

} // namespace

GptqRounder::GptqRounder(ArrayRef<SelectedLayer> selected, numerics::ColumnOrder order,
                         numerics::GptqOptions options, float damping, bool sequential,
                         StatisticsCollector *collector)
    : order(order), options(options), damping(damping), sequential(sequential),
      collector(collector), progress("gptq", selected.size()) {
  llvm::DenseMap<Value, llvm::SmallDenseSet<int64_t>> orders;
  for (const SelectedLayer &entry : selected) {
    LinearOp layer = entry.layer;
    Value input = sharedInput(layer.getX());
    layers[layer] = {entry.scheme, entry.activation, input};
    ++inputs[input].layersLeft;
    orders[input].insert(orderGroupSize(entry.scheme));
  }
  for (auto &[input, sizes] : orders)
    inputs[input].factorsLeft = sizes.size();
}

int64_t GptqRounder::orderGroupSize(const numerics::WeightScheme &scheme) const {
  bool byGroup = order == numerics::ColumnOrder::GroupAware &&
                 scheme.granularity == numerics::Granularity::PerGroup;
  return byGroup ? scheme.groupSize : 0;
}

llvm::Expected<const numerics::GramFactor *>
GptqRounder::factor(InputGram &input, const numerics::WeightScheme &scheme, int64_t columns) {
  int64_t groupSize = orderGroupSize(scheme);
  auto it = input.factors.find(groupSize);
  if (it != input.factors.end())
    return &it->second;
  numerics::FactorOptions factorOptions;
  factorOptions.damping = damping;
  factorOptions.order = order;
  factorOptions.groupSize = groupSize;
  // The matrix is factored in place unless another order is still to come.
  bool last = --input.factorsLeft == 0;
  llvm::Expected<numerics::GramFactor> result =
      numerics::factorGram(last ? std::move(input.gram) : input.gram, columns, factorOptions);
  if (!result)
    return result.takeError();
  return &(input.factors[groupSize] = std::move(*result));
}

llvm::Expected<numerics::QuantizedWeight>
GptqRounder::round(LinearOp layer,
                   llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram) {
  auto start = Clock::now();
  progress.begin(layer.getLayerName());
  const Layer &info = layers[layer];
  InputGram &input = inputs[info.input];
  auto named = [&](llvm::Error error) {
    return llvm::createStringError("layer '" + layer.getLayerName() +
                                   "': " + toString(std::move(error)));
  };
  int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
  if (input.gram.empty() && input.factors.empty()) {
    input.gram.assign(columns * columns, 0.0f);
    if (llvm::Error error = computeGram(input.gram))
      return named(std::move(error));
  }
  llvm::Expected<WeightValue> weight = evaluateWeight(layer.getWeight());
  if (!weight)
    return named(weight.takeError());
  numerics::ConstMatrix matrix(weight->data.data(), rows, columns);
  llvm::Expected<LayerClip> clip = LayerClip::of(layer, info.scheme);
  if (!clip)
    return named(clip.takeError());

  RoundingRecord record;
  record.method = "gptq";
  numerics::QuantizedWeight result;
  llvm::Expected<const numerics::GramFactor *> factored = factor(input, info.scheme, columns);
  if (factored) {
    if (!(*factored)->warning.empty())
      mlir::emitWarning(layer.getLoc(), "layer '")
          << layer.getLayerName() << "': " << (*factored)->warning;
    auto solved = numerics::quantizeGptq(matrix, **factored, info.scheme, options, clip->matrix());
    if (!solved)
      return named(solved.takeError());
    record.error = solved->error;
    record.errorRtn = solved->errorRtn;
    result = std::move(solved->weight);
  } else {
    mlir::emitWarning(layer.getLoc(), "layer '")
        << layer.getLayerName() << "' is rounded to nearest: " << toString(factored.takeError());
    record.method = "rtn";
    auto nearest = numerics::quantizeRtn(matrix, info.scheme, clip->matrix());
    if (!nearest)
      return named(nearest.takeError());
    result = std::move(*nearest);
  }
  if (--input.layersLeft == 0)
    inputs.erase(info.input);
  record.seconds = secondsSince(start);
  bool bytes = info.activation && info.scheme.bits == 8;
  rounded.push_back({SelectedLayer{layer, info.scheme, info.activation},
                     PackedWeight(result, bytes), std::move(record)});
  progress.advance();
  return result;
}

llvm::Expected<std::optional<std::vector<float>>> GptqRounder::observe(Operation *op,
                                                                       numerics::ConstMatrix x) {
  auto layer = cast<LinearOp>(op);
  if (collector)
    if (llvm::Error error = collector->add(layer, x))
      return std::move(error);
  if (!layers.contains(op))
    return std::nullopt;
  auto result = round(layer, [&](std::vector<float> &gram) {
    numerics::accumulateGram(x, numerics::MutableMatrix(gram.data(), x.columns, x.columns));
    return llvm::Error::success();
  });
  if (!result)
    return result.takeError();
  if (!sequential)
    return std::nullopt;
  std::vector<float> weight(result->rows * result->columns);
  numerics::dequantize(*result,
                       numerics::MutableMatrix(weight.data(), result->rows, result->columns));
  return weight;
}

namespace {

struct GptqPass : ptq::impl::GptqBase<GptqPass> {
  using GptqBase::GptqBase;

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
  return runSamples(*function, *samples, rounder);
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
    auto result = rounder.round(layer, [&](std::vector<float> &out) {
      llvm::copy(gram, out.begin());
      return statistics::applyDivisorToGram(out, *divisor);
    });
    if (!result)
      return result.takeError();
  }
  return llvm::Error::success();
}

llvm::Error GptqPass::quantize() {
  ModuleOp module = getOperation();
  numerics::GptqOptions options;
  options.staticGroups = staticGroups;
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
  if (source) {
    llvm::Expected<func::FuncOp> function = findFunction(module, source->function);
    if (!function)
      return function.takeError();
    root = *function;
  }
  auto layers = selectLayers(root, makeRoundingOptions(bits, groupSize, granularity, symmetric, mse,
                                                       activations, only, skip));
  if (!layers)
    return layers.takeError();
  if (layers->empty())
    return llvm::Error::success();

  StatisticsCollector collector;
  bool collect = source && source->pending;
  if (llvm::Error error = checkActivations(*layers, collect))
    return error;
  for (const SelectedLayer &selected : *layers)
    if (selected.activation && *columnOrder == numerics::ColumnOrder::Activation &&
        selected.scheme.granularity == numerics::Granularity::PerGroup && !staticGroups)
      return llvm::createStringError("layer '" + LinearOp(selected.layer).getLayerName() +
                                     "' has integer activations, whose groups must be consecutive "
                                     "channels, which order=act does "
                                     "not leave; use order=group-aware, or static-groups=true");
  GptqRounder rounder(*layers, *columnOrder, options, damp, sequential,
                      collect ? &collector : nullptr);
  if (llvm::Error error =
          source ? runOnSamples(*source, rounder) : runOnGrams(statistics, *layers, rounder))
    return error;
  if (collect) {
    collector.attach();
    source->pending = false;
    source->attachTo(module);
  }
  IntegerLayers integerLayers;
  for (RoundedLayer &entry : rounder.takeRounded()) {
    if (llvm::Error error =
            replaceLayer(entry.selected, std::move(entry.weight), entry.record, integerLayers))
      return error;
    ++numRounded;
  }
  return llvm::Error::success();
}

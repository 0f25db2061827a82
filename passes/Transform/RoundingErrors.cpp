// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RoundingErrors.h"

#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/BlockedInput.h"
#include "ptq/Calibrate/StatisticsCollector.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/LayerError.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Support/Progress.h"

#include <map>

using namespace mlir;
using namespace ptq;

namespace {

class ErrorObserver : public execution::LinearObserver {
public:
  ErrorObserver(ArrayRef<SelectedLayer> layers, ArrayRef<unsigned> widths, StringRef method,
                StatisticsCollector *collector)
      : widths(widths), method(method), collector(collector),
        progress("mixed-precision", layers.size()) {
    llvm::DenseMap<Value, unsigned> inputOf;
    for (const SelectedLayer &selected : layers) {
      LinearOp layer = selected.layer;
      auto [it, added] = inputOf.try_emplace(sharedInput(layer.getX()), inputs.size());
      if (added) {
        firstLayers[layer] = inputs.size();
        inputs.emplace_back();
      }
      inputs[it->second].push_back(results.size());
      results.push_back({selected, {}, 0});
    }
  }

  bool wants(Operation *op) override {
    return firstLayers.contains(op) || (collector && isa<LinearOp>(op));
  }

  llvm::Expected<std::optional<std::vector<float>>>
  observe(Operation *op, const execution::ObservedInput &input) override {
    if (collector)
      if (llvm::Error error = collector->add(cast<LinearOp>(op), input))
        return std::move(error);
    auto first = firstLayers.find(op);
    if (first != firstLayers.end())
      if (llvm::Error error = measureInput(inputs[first->second], input))
        return std::move(error);
    return std::nullopt;
  }

  std::vector<RoundingErrors> takeResults() { return std::move(results); }

private:
  using Factors = std::map<int64_t, numerics::GramFactor>; // by group size

  llvm::Error measureInput(ArrayRef<unsigned> layers, const execution::ObservedInput &input);
  llvm::Error measureLayer(RoundingErrors &result, std::vector<float> &gram, Factors &factors);
  llvm::Expected<double> roundingError(const RoundingErrors &result, numerics::ConstMatrix weight,
                                       unsigned width, const numerics::GramFactor &factor) const;

  ArrayRef<unsigned> widths;
  StringRef method;
  StatisticsCollector *collector; ///< Null if statistics are not asked for.
  Progress progress;
  llvm::DenseMap<Operation *, unsigned> firstLayers; ///< An input's first layer: the input.
  std::vector<std::vector<unsigned>> inputs;         ///< By input, its layers in `results`.
  std::vector<RoundingErrors> results;
};

} // namespace

/// The group size that rounding in group-aware order goes by; 0 for a whole row.
static int64_t orderGroupSize(const numerics::WeightScheme &scheme) {
  return scheme.granularity == numerics::Granularity::PerGroup ? scheme.groupSize : 0;
}

llvm::Error ErrorObserver::measureInput(ArrayRef<unsigned> layers,
                                        const execution::ObservedInput &input) {
  std::vector<float> gram;
  if (llvm::Error error = computeGram(input, gram))
    return error;
  Factors factors;
  for (unsigned index : layers) {
    LinearOp layer = results[index].selected.layer;
    progress.begin(layer.getLayerName());
    if (llvm::Error error = measureLayer(results[index], gram, factors))
      return llvm::createStringError("layer '" + layer.getLayerName() +
                                     "': " + toString(std::move(error)));
    progress.advance();
  }
  return llvm::Error::success();
}

llvm::Error ErrorObserver::measureLayer(RoundingErrors &result, std::vector<float> &gram,
                                        Factors &factors) {
  LinearOp layer = result.selected.layer;
  int64_t groupSize = orderGroupSize(result.selected.scheme);
  auto factor = factors.find(groupSize);
  if (factor == factors.end()) {
    numerics::FactorOptions options;
    options.groupSize = groupSize;
    auto factored = numerics::factorGram(gram, layer.getInFeatures(), options);
    if (!factored) {
      // As rounding does then, the layer is judged by its weight alone.
      mlir::emitWarning(layer.getLoc(), "mixed-precision: layer '")
          << layer.getLayerName() << "' is judged by the error of its weight, not of its output: "
          << toString(factored.takeError());
      std::vector<float> identity(gram.size());
      for (int64_t i = 0; i < layer.getInFeatures(); ++i)
        identity[i * layer.getInFeatures() + i] = 1.0f;
      factored = numerics::factorGram(std::move(identity), layer.getInFeatures(), options);
      if (!factored)
        return factored.takeError();
    }
    factor = factors.emplace(groupSize, std::move(*factored)).first;
  }
  llvm::Expected<WeightValue> value = evaluateWeight(layer.getWeight());
  if (!value)
    return value.takeError();
  numerics::ConstMatrix weight(value->data.data(), layer.getOutFeatures(), layer.getInFeatures());
  for (unsigned width : widths) {
    auto error = roundingError(result, weight, width, factor->second);
    if (!error)
      return error.takeError();
    result.errors.push_back(*error);
  }
  result.energy = numerics::outputEnergy(weight, factor->second);
  return llvm::Error::success();
}

llvm::Expected<double> ErrorObserver::roundingError(const RoundingErrors &result,
                                                    numerics::ConstMatrix weight, unsigned width,
                                                    const numerics::GramFactor &factor) const {
  numerics::WeightScheme scheme = result.selected.scheme;
  scheme.bits = width;
  StringRef own = result.selected.method.empty() ? method : StringRef(result.selected.method);
  if (own == "rtn") {
    auto rounded = numerics::quantizeRtn(weight, scheme);
    if (!rounded)
      return rounded.takeError();
    return numerics::outputError(weight, *rounded, factor);
  }
  scheme.mse = true; // As --gptq rounds by default.
  numerics::GptqOptions options;
  options.computeErrors = false;
  auto solved = numerics::quantizeGptq(weight, factor, scheme, options);
  if (!solved)
    return solved.takeError();
  return solved->loss;
}

llvm::Expected<std::vector<RoundingErrors>>
ptq::measureRoundingErrors(ModuleOp module, CalibrationSource source,
                           ArrayRef<SelectedLayer> layers, ArrayRef<unsigned> widths,
                           StringRef method) {
  llvm::Expected<func::FuncOp> function = findFunction(module, source.function);
  if (!function)
    return function.takeError();
  auto samples = loadSamples(*function, source);
  if (!samples)
    return samples.takeError();
  StatisticsCollector collector;
  ErrorObserver observer(layers, widths, method, source.pending ? &collector : nullptr);
  if (llvm::Error error = runSamples(*function, *samples, observer, InputsShown::OwnBlocks))
    return std::move(error);
  if (source.pending) {
    collector.attach();
    source.pending = false;
    source.attachTo(module);
  }
  return observer.takeResults();
}

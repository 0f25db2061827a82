// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bits by layer: as a plan says, or so that what rounding costs is least for an average of bits.
//
// The cost of a layer l at b bits is c_l · tr(dW_b H dW_bᵀ), the squared error of its output over
// the calibration samples, measured by rounding it; c_l makes layers comparable (see Objective).
// lib/Numerics/BitAllocation finds the least sum under the budget.

#include "../Quantize/RoundingPass.h"
#include "PlanMarks.h"
#include "RoundingErrors.h"
#include "RoundingSensitivity.h"
#include "TransformGroups.h"

#include "ptq/Numerics/BitAllocation.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Transform/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

namespace ptq {
#define GEN_PASS_DEF_MIXEDPRECISION
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

/// On a layer that an average of bits was shared out over: {bits, cost, error_2, error_3, …}, the
/// errors of the candidates as shares of the output's energy.
static constexpr llvm::StringLiteral kMixedPrecisionAttr = "ptq.mixed_precision";

/// A layer that stays float, as a candidate's width.
static constexpr unsigned kFloatWidth = 16;

namespace {

/// What errors of layers are weighted by.
enum class Objective {
  OutputError, ///< Nothing.
  Relative,    ///< One over the energy of the layer's output.
  Sensitivity, ///< How much of the error arrives at the model's results (RoundingSensitivity.h).
};

struct MixedPrecisionPass : ptq::impl::MixedPrecisionBase<MixedPrecisionPass> {
  using MixedPrecisionBase::MixedPrecisionBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = mark()) {
      mlir::emitError(getOperation().getLoc(), "mixed-precision: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error mark();
  llvm::Error followPlan();
  llvm::Error shareOut();
  llvm::Error checkOptions();
  llvm::Expected<std::vector<SelectedLayer>> select(func::FuncOp function);
  llvm::Expected<std::vector<double>> layerWeights(const CalibrationSource &source,
                                                   ArrayRef<RoundingErrors> table);
  std::vector<numerics::AllocationChoice> candidates(const RoundingErrors &errors, double weight);
  void report(ArrayRef<RoundingErrors> table,
              ArrayRef<std::vector<numerics::AllocationChoice>> items,
              const numerics::Allocation &allocation, int64_t budget);

  std::vector<unsigned> widths; ///< Candidates, ascending, those of integers first.
  bool floatCandidate = false;  ///< Staying float is one, the last.
  Objective weighting = Objective::OutputError;
};

} // namespace

llvm::Error MixedPrecisionPass::mark() {
  bool average = averageBits.getNumOccurrences() || averageBits != 0;
  if (average == !plan.empty())
    return llvm::createStringError(
        "give either average-bits=B, which needs calibration samples, or plan=F");
  return average ? shareOut() : followPlan();
}

llvm::Error MixedPrecisionPass::followPlan() {
  llvm::Expected<PrecisionPlan> loaded = PrecisionPlan::load(plan);
  if (!loaded)
    return loaded.takeError();
  numerics::WeightScheme defaults;
  defaults.symmetric = symmetric;
  defaults.groupSize = groupSize;
  if (groupSize == -1)
    defaults.granularity = numerics::Granularity::PerChannel;
  llvm::Expected<PlanCounts> counts = applyPlan(getOperation(), *loaded, defaults);
  if (!counts)
    return counts.takeError();
  numMarked += counts->marked;
  numFloat += counts->keptFloat;
  return llvm::Error::success();
}

llvm::Error MixedPrecisionPass::checkOptions() {
  widths.assign(bits.begin(), bits.end());
  if (widths.empty())
    widths = {2, 3, 4, 8, kFloatWidth};
  llvm::sort(widths);
  widths.erase(llvm::unique(widths), widths.end());
  for (unsigned width : widths)
    if (width < 2 || (width > 8 && width != kFloatWidth))
      return llvm::createStringError("bits are 2 to 8, or 16 for a layer that stays float, not %u",
                                     width);
  floatCandidate = widths.back() == kFloatWidth;
  if (floatCandidate)
    widths.pop_back();
  if (widths.empty())
    return llvm::createStringError("bits has no candidate but 16, a layer that stays float");
  if (!(averageBits >= widths.front() && averageBits <= kFloatWidth))
    return llvm::createStringError("average-bits is a number from the least candidate, %u, to 16, "
                                   "not %g",
                                   widths.front(), averageBits.getValue());
  if (method != "gptq" && method != "rtn")
    return llvm::createStringError("method is gptq or rtn, not '" + method + "'");
  if (sensitivitySamples < 1)
    return llvm::createStringError("sensitivity-samples is a number of samples, 1 or more");
  auto parsed = llvm::StringSwitch<std::optional<Objective>>(objective.getValue())
                    .Case("output-error", Objective::OutputError)
                    .Case("relative", Objective::Relative)
                    .Case("sensitivity", Objective::Sensitivity)
                    .Default(std::nullopt);
  if (!parsed)
    return llvm::createStringError("objective is output-error, relative or sensitivity, not '" +
                                   objective + "'");
  weighting = *parsed;
  return llvm::Error::success();
}

/// The layers to be rounded. Integer activations come with weights in bytes, whatever their bits.
llvm::Expected<std::vector<SelectedLayer>> MixedPrecisionPass::select(func::FuncOp function) {
  function.walk([](LinearOp layer) {
    // What an earlier run of this pass left in float is a candidate again.
    if (layer->hasAttr(kMixedPrecisionAttr))
      layer->removeAttr(kKeepFloatAttr);
  });
  RoundingOptions options;
  options.groupSize = givenValue<int64_t>(groupSize, 128);
  options.symmetric = givenValue<bool>(symmetric, true);
  auto selected = selectLayers(function, options);
  if (!selected)
    return selected.takeError();
  for (const SelectedLayer &entry : *selected)
    if (entry.activation)
      return llvm::createStringError(
          "layer '" + LinearOp(entry.layer).getLayerName() +
          "' is marked for integer activations, under which a weight takes a byte whatever its "
          "bits: an average of bits is for weights alone");
  return selected;
}

llvm::Expected<std::vector<double>>
MixedPrecisionPass::layerWeights(const CalibrationSource &source, ArrayRef<RoundingErrors> table) {
  std::vector<double> weights(table.size(), 1.0);
  if (weighting == Objective::Relative)
    for (auto [weight, entry] : llvm::zip_equal(weights, table))
      weight = entry.energy > 0 ? 1 / entry.energy : 0;
  if (weighting != Objective::Sensitivity)
    return weights;
  std::vector<SelectedLayer> rounded;
  for (const RoundingErrors &entry : table) {
    rounded.push_back(entry.selected);
    rounded.back().scheme.bits = 4;
  }
  return measureSensitivities(getOperation(), source, rounded, sensitivitySamples);
}

std::vector<numerics::AllocationChoice> MixedPrecisionPass::candidates(const RoundingErrors &errors,
                                                                       double weight) {
  LinearOp layer = errors.selected.layer;
  int64_t rows = layer.getOutFeatures(), columns = layer.getInFeatures();
  std::vector<numerics::AllocationChoice> choices;
  for (auto [width, error] : llvm::zip_equal(widths, errors.errors))
    choices.push_back(
        {numerics::storedBytes(errors.selected.scheme, width, rows, columns), weight * error});
  int64_t floatBits = layer.getWeight().getType().getElementTypeBitWidth();
  if (floatCandidate)
    choices.push_back({rows * columns * floatBits / 8, 0.0});
  return choices;
}

void MixedPrecisionPass::report(ArrayRef<RoundingErrors> table,
                                ArrayRef<std::vector<numerics::AllocationChoice>> items,
                                const numerics::Allocation &allocation, int64_t budget) {
  Builder b(&getContext());
  std::string text = llvm::formatv("mixed-precision: {0} of {1} bytes; bits of each layer, and its "
                                   "relative error with",
                                   allocation.size, budget);
  for (unsigned width : widths)
    text += llvm::formatv(" {0}", width);
  for (auto [entry, item, choice] : llvm::zip_equal(table, items, allocation.choice)) {
    LinearOp layer = entry.selected.layer;
    bool keep = choice == widths.size();
    NamedAttrList record;
    record.set("bits", b.getI64IntegerAttr(keep ? kFloatWidth : widths[choice]));
    record.set("cost", b.getF64FloatAttr(item[choice].cost));
    text += llvm::formatv("\n  {0}: {1};", layer.getLayerName(),
                          keep ? "float" : std::to_string(widths[choice]));
    for (auto [width, error] : llvm::zip_equal(widths, entry.errors)) {
      double relative = entry.energy > 0 ? error / entry.energy : 0;
      record.set("error_" + std::to_string(width), b.getF64FloatAttr(relative));
      text += llvm::formatv(" {0:e2}", relative);
    }
    layer->setAttr(kMixedPrecisionAttr, record.getDictionary(&getContext()));
  }
  mlir::emitRemark(getOperation().getLoc(), text);
}

llvm::Error MixedPrecisionPass::shareOut() {
  if (llvm::Error error = checkOptions())
    return error;
  std::optional<CalibrationSource> source = CalibrationSource::of(getOperation());
  auto function = findCalibratedFunction(getOperation(), source ? &*source : nullptr);
  if (!function)
    return function.takeError();
  auto selected = select(*function);
  if (!selected)
    return selected.takeError();
  auto table = measureRoundingErrors(getOperation(), *source, *selected, widths, method);
  if (!table)
    return table.takeError();
  auto weights = layerWeights(*source, *table);
  if (!weights)
    return weights.takeError();
  std::vector<std::vector<numerics::AllocationChoice>> items;
  int64_t budget = 0;
  for (auto [entry, weight] : llvm::zip_equal(*table, *weights)) {
    LinearOp layer = entry.selected.layer;
    budget += numerics::storedBytes(entry.selected.scheme, averageBits, layer.getOutFeatures(),
                                    layer.getInFeatures());
    items.push_back(candidates(entry, weight));
  }
  auto allocation = numerics::allocate(items, budget);
  if (!allocation)
    return allocation.takeError();
  report(*table, items, *allocation, budget);
  for (auto [entry, choice] : llvm::zip_equal(*table, allocation->choice)) {
    if (choice == widths.size()) {
      markFloat(entry.selected.layer, "mixed-precision keeps it in float");
      ++numFloat;
      continue;
    }
    numerics::WeightScheme scheme = entry.selected.scheme;
    scheme.bits = widths[choice];
    markRounded(entry.selected.layer, scheme);
    ++numMarked;
  }
  return llvm::Error::success();
}

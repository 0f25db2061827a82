// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether the module still computes what it did when it was loaded: by running both.

#include "LayerDivergence.h"
#include "OutputComparison.h"
#include "ReferenceModule.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/LoadedModule.h"
#include "ptq/Verify/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/Format.h"
#include <cmath>

namespace ptq {
#define GEN_PASS_DEF_VERIFYEQUIVALENCE
#include "ptq/Verify/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

/// Samples on which layers are compared.
static constexpr size_t layerSamples = 4;

static constexpr double exactTolerance = 1e-4, narrowTolerance = 2e-2;

/// Whether some operation computes with integers or packed weights, and so differs by design.
static bool isQuantized(ModuleOp module) {
  auto result = module.walk([](Operation *op) {
    bool isExact = !isa_and_nonnull<PTQDialect>(op->getDialect()) ||
                   isa<LinearOp, ObserveOp, ScaleChannelsOp>(op);
    return isExact ? WalkResult::advance() : WalkResult::interrupt();
  });
  return result.wasInterrupted();
}

/// Whether weights are stored in 16 bits, where rescaling them rounds.
static bool hasNarrowWeights(ModuleOp module) {
  auto result = module.walk([](arith::ConstantOp constant) {
    auto type = dyn_cast<RankedTensorType>(constant.getType());
    bool narrow = type && type.getRank() >= 2 && isa<FloatType>(type.getElementType()) &&
                  type.getElementTypeBitWidth() == 16;
    return narrow ? WalkResult::interrupt() : WalkResult::advance();
  });
  return result.wasInterrupted();
}

namespace {

/// What is required of each output; nothing where a member is empty.
struct Requirement {
  std::optional<double> tolerance, sqnr;

  bool holds(const execution::Comparison &comparison) const {
    // Written so that what is not a number fails.
    return (!tolerance || comparison.relativeMaxError() <= *tolerance) &&
           (!sqnr || comparison.sqnr() >= *sqnr);
  }

  /// The residual of a layer's input from which on it counts as another one.
  double layerThreshold() const {
    if (tolerance)
      return *tolerance;
    return sqnr ? std::pow(10, -*sqnr / 20) : exactTolerance;
  }
};

struct VerifyEquivalencePass : ptq::impl::VerifyEquivalenceBase<VerifyEquivalencePass> {
  using VerifyEquivalenceBase::VerifyEquivalenceBase;

  void runOnOperation() override {
    if (llvm::Error error = verify()) {
      mlir::emitError(getOperation().getLoc(), "verify-equivalence: " + toString(std::move(error)));
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

private:
  llvm::Error verify();
  llvm::Expected<ModuleOp> findReference(std::unique_ptr<ReferenceModule> &owner);
  llvm::Expected<CalibrationSource> findSamples();
  llvm::Expected<Requirement> findRequirement();
};

} // namespace

llvm::Expected<ModuleOp>
VerifyEquivalencePass::findReference(std::unique_ptr<ReferenceModule> &owner) {
  if (!reference.empty()) {
    auto opened = ReferenceModule::open(
        reference, SmallVector<std::string>(referenceParameters.begin(), referenceParameters.end()),
        getContext());
    if (!opened)
      return opened.takeError();
    owner = std::move(*opened);
    return owner->getModule();
  }
  if (!referenceParameters.empty())
    return llvm::createStringError(
        "reference-parameters are of a reference=MODEL, which is not given");
  if (auto loaded = getCachedAnalysis<LoadedModule>())
    return loaded->get().getModule();
  return llvm::createStringError(
      "there is nothing to compare with: the module as it was loaded is kept by --load-parameters, "
      "and by the first pass that raises, to the end of their pipeline; run them in the same "
      "pipeline, or compare with reference=MODEL reference-parameters=F");
}

llvm::Expected<CalibrationSource> VerifyEquivalencePass::findSamples() {
  if (maxSamples < 0)
    return llvm::createStringError("max-samples is a count, 0 for all, not " + Twine(maxSamples));
  std::optional<CalibrationSource> calibration = CalibrationSource::of(getOperation());
  CalibrationSource source = calibration.value_or(CalibrationSource{"", "main"});
  if (!data.empty()) {
    source.data = data;
    source.maxSamples = 0;
  }
  if (source.data.empty())
    return llvm::createStringError(
        "it needs data=F, a safetensors file with samples of the model's "
        "inputs, or a module that was calibrated on some");
  if (!function.empty())
    source.function = function;
  if (maxSamples && (!source.maxSamples || maxSamples < source.maxSamples))
    source.maxSamples = maxSamples;
  return source;
}

llvm::Expected<Requirement> VerifyEquivalencePass::findRequirement() {
  if (std::isnan(double(tolerance)) || std::isnan(double(sqnr)))
    return llvm::createStringError("tolerance and sqnr are numbers");
  Requirement requirement;
  if (tolerance >= 0)
    requirement.tolerance = tolerance;
  if (sqnr != 0)
    requirement.sqnr = sqnr;
  if (!requirement.tolerance && !requirement.sqnr && !isQuantized(getOperation()))
    requirement.tolerance = hasNarrowWeights(getOperation()) ? narrowTolerance : exactTolerance;
  return requirement;
}

static void print(llvm::raw_ostream &os, ArrayRef<OutputDifference> outputs) {
  os << llvm::format("\n  %-24s %10s %12s %14s %14s", "output", "SQNR dB", "cosine",
                     "max abs error", "relative");
  for (const OutputDifference &output : outputs)
    os << llvm::format("\n  %-24s %10.2f %12.8f %14.4g %14.4g", output.name.c_str(),
                       output.comparison.sqnr(), output.comparison.cosine(),
                       output.comparison.maxAbsError(), output.comparison.relativeMaxError());
}

/// Where the two part, as a line of the report.
static void print(llvm::raw_ostream &os, ArrayRef<LayerDifference> layers, double threshold) {
  auto number = [](double residual) { return llvm::format("%.3g", residual); };
  os << "\n  ";
  if (layers.empty()) {
    os << "no layer of the two can be compared: their names or widths differ";
    return;
  }
  size_t first = 0, worst = 0;
  while (first != layers.size() && layers[first].residual <= threshold)
    ++first;
  for (size_t i = 1; i != layers.size(); ++i)
    if (layers[i].residual > layers[worst].residual)
      worst = i;
  if (first == layers.size()) {
    os << "the inputs of all " << layers.size() << " layers agree (to "
       << number(layers[worst].residual) << "); they part after the last one, '"
       << layers.back().layer << "'";
    return;
  }
  os << "they part at the input of '" << layers[first].layer << "' (residual "
     << number(layers[first].residual) << ")";
  if (first == 0)
    os << ", the first layer";
  else
    os << "; the input of the layer before, '" << layers[first - 1].layer << "', agrees ("
       << number(layers[first - 1].residual) << ")";
  if (worst != first)
    os << "; furthest apart at '" << layers[worst].layer << "' (" << number(layers[worst].residual)
       << ")";
}

/// The worst sample and others, evenly spread.
static SmallVector<size_t> chooseSamples(size_t worst, size_t total) {
  SmallVector<size_t> chosen{worst};
  for (size_t i = 0; i != layerSamples && chosen.size() != layerSamples; ++i)
    if (size_t sample = i * total / layerSamples; !llvm::is_contained(chosen, sample))
      chosen.push_back(sample);
  return chosen;
}

llvm::Error VerifyEquivalencePass::verify() {
  ModuleOp module = getOperation();
  auto requirement = findRequirement();
  if (!requirement)
    return requirement.takeError();
  auto source = findSamples();
  if (!source)
    return source.takeError();
  std::unique_ptr<ReferenceModule> owner;
  auto referenceModule = findReference(owner);
  if (!referenceModule)
    return referenceModule.takeError();

  auto bind = [&](ModuleOp of, StringRef remedy) -> llvm::Expected<BoundFunction> {
    auto found = findFunction(of, source->function);
    if (!found)
      return found.takeError();
    for (unsigned i = 0; i < found->getNumArguments(); ++i)
      if (auto key = found->getArgAttrOfType<StringAttr>(i, kParameterAttr))
        return llvm::createStringError("parameter '" + key.getValue() +
                                       "' has no data: bind the weights with " + remedy);
    auto samples = loadSamples(*found, *source);
    if (!samples)
      return samples.takeError();
    return BoundFunction{*found, std::move(*samples)};
  };
  auto current =
      bind(module, "--load-parameters before, and save them with --save-parameters after");
  if (!current)
    return current.takeError();
  auto expected = bind(*referenceModule, "reference-parameters=F");
  if (!expected)
    return llvm::createStringError("the reference: " + toString(expected.takeError()));
  auto comparison = compareOutputs(*current, *expected);
  if (!comparison)
    return comparison.takeError();

  bool holds = llvm::all_of(comparison->outputs, [&](const OutputDifference &output) {
    return requirement->holds(output.comparison);
  });
  bool required = requirement->tolerance || requirement->sqnr;
  bool same = llvm::all_of(comparison->outputs, [&](const OutputDifference &output) {
    return output.comparison.relativeMaxError() <= exactTolerance;
  });
  std::string text;
  llvm::raw_string_ostream os(text);
  std::string other = owner ? "'" + reference + "'" : "the module as it was loaded";
  if (required)
    os << (holds ? "agrees with " : "does not agree with ") << other << " (";
  else
    os << "quantized, and nothing is required of it as neither tolerance nor sqnr is given; "
          "against "
       << other;
  if (requirement->tolerance)
    os << "tolerance " << llvm::format("%g", *requirement->tolerance);
  if (requirement->sqnr)
    os << (requirement->tolerance ? ", " : "") << "least SQNR "
       << llvm::format("%g", *requirement->sqnr) << " dB";
  os << (required ? ")" : "") << " on " << current->samples.size() << " samples of '"
     << source->data << "'";
  print(os, comparison->outputs);
  if (!holds || (!required && !same)) {
    auto layers = compareLayerInputs(
        *current, *expected, chooseSamples(comparison->worstSample, current->samples.size()));
    if (!layers)
      return layers.takeError();
    print(os, *layers, requirement->layerThreshold());
  }
  if (!holds)
    return llvm::createStringError(text);
  mlir::emitRemark(module.getLoc(), "verify-equivalence: " + text);
  return llvm::Error::success();
}

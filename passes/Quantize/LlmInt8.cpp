// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLM.int8() (Dettmers et al., 2022): all channels of a layer's input in 8-bit integers, but those
// in which a value of |x| >= threshold is met. The pass says which these are and marks the layers;
// rounding, and what becomes of them, is OutlierLayer's.
//
// Algebra: x·Wᵀ = Σ_{k in O} x_k·w_k + Σ_{k not in O} x_k·w_k, for any set O of channels. Nothing
// is required of the layer; a set from calibration is right for all inputs, and good for those that
// have their large values in the same channels.

#include "RoundingPass.h"

#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Execution/Tensor.h"
#include "ptq/Numerics/OutlierColumns.h"
#include "ptq/Quantize/LayerSelection.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/PendingPasses.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/Format.h"
#include <cmath>

namespace ptq {
#define GEN_PASS_DEF_LLMINT8
#include "ptq/Quantize/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct LlmInt8Pass : ptq::impl::LlmInt8Base<LlmInt8Pass> {
  using LlmInt8Base::LlmInt8Base;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = mark()) {
      mlir::emitError(getOperation().getLoc(), "llm-int8: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error mark();
  llvm::Error markLayer(LinearOp layer);

  /// Multiply-adds of a token, and those of them in floats.
  double products = 0, floatProducts = 0;
  int64_t columnsFound = 0, layersWithOutliers = 0;
};

} // namespace

/// The outlier columns that calibration met; empty if it did not see the layer.
static llvm::Expected<std::vector<int32_t>> observedColumns(LinearOp layer, double threshold) {
  if (!layer.getStatistics())
    return std::vector<int32_t>();
  auto absmax = execution::tensorFromAttribute(layer.getStatistics()->getAbsmax());
  if (!absmax)
    return absmax.takeError();
  return numerics::findOutlierColumns(absmax->as<float>(), threshold);
}

llvm::Error LlmInt8Pass::markLayer(LinearOp layer) {
  Builder b(&getContext());
  if (std::isinf(threshold)) {
    layer->setAttr(kKeepFloatAttr, b.getStringAttr("llm-int8: all its columns are in float with "
                                                   "threshold=inf"));
    return llvm::Error::success();
  }
  // What a transformation has marked stays as it is.
  if (!layer.getActivationScheme())
    layer.setActivationSchemeAttr(SchemeAttr::get(&getContext(), 8, /*symmetric=*/true,
                                                  Granularity::PerToken, 0, /*dynamic=*/true));
  if (!layer.getWeightScheme() || layer.getWeightScheme()->getBits() != 8)
    layer.setWeightSchemeAttr(SchemeAttr::get(&getContext(), 8, /*symmetric=*/true,
                                              Granularity::PerChannel, 0, /*dynamic=*/false));
  products += double(layer.getInFeatures()) * layer.getOutFeatures();
  if (threshold == 0)
    return llvm::Error::success();
  if (!dynamic && !layer.getStatistics())
    return llvm::createStringError(
        "layer '" + layer.getLayerName() +
        "' has no statistics; run --calibrate=\"data=F\" or --load-statistics=\"file=F\" before, "
        "or find outliers in each call with dynamic=true");
  llvm::Expected<std::vector<int32_t>> columns = observedColumns(layer, threshold);
  if (!columns)
    return columns.takeError();
  columnsFound += columns->size();
  layersWithOutliers += !columns->empty();
  floatProducts += double(columns->size()) * layer.getOutFeatures();
  if (!dynamic && static_cast<int64_t>(columns->size()) == layer.getInFeatures()) {
    layer->setAttr(kKeepFloatAttr, b.getStringAttr("llm-int8: all its columns are outliers"));
    return llvm::Error::success();
  }
  if (dynamic || !columns->empty())
    layer.setOutliersAttr(OutliersAttr::get(&getContext(), b.getF64FloatAttr(threshold), dynamic,
                                            outlierWeights == "dequantized",
                                            b.getDenseI32ArrayAttr(*columns)));
  return llvm::Error::success();
}

llvm::Error LlmInt8Pass::mark() {
  ModuleOp module = getOperation();
  if (!(threshold >= 0))
    return llvm::createStringError("threshold is 0, for no outliers, or more, inf for nothing but "
                                   "outliers; not " +
                                   std::to_string(threshold));
  if (outlierWeights != "original" && outlierWeights != "dequantized")
    return llvm::createStringError("outlier-weights is original or dequantized, not '" +
                                   outlierWeights + "'");
  if (llvm::Error error = ensureStatistics(module))
    return error;
  RoundingOptions options;
  options.bits = 8;
  options.groupSize = -1;
  options.symmetric = true;
  options.activations = "per-token";
  options.only = only;
  options.skip = skip;
  auto layers = selectLayers(module, options);
  if (!layers)
    return layers.takeError();
  for (const SelectedLayer &selected : *layers) {
    if (llvm::Error error = markLayer(selected.layer))
      return error;
    ++numMarked;
  }
  module->setAttr(kPendingRoundingAttr, UnitAttr::get(&getContext()));
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "llm-int8: " << layers->size() << " layers";
  if (threshold != 0 && !std::isinf(threshold))
    os << ", " << columnsFound << " outlier columns in " << layersWithOutliers << " of them"
       << (dynamic ? " as calibration has seen" : "")
       << llvm::format(", %.2f %% of the multiply-adds in float",
                       products ? 100 * floatProducts / products : 0.0);
  mlir::emitRemark(module.getLoc(), text);
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest; lib/Numerics/Rtn has the arithmetic.

#include "IntegerLayer.h"
#include "LayerParts.h"
#include "RoundingPass.h"

#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Support/Progress.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <chrono>

namespace ptq {
#define GEN_PASS_DEF_RTN
#include "ptq/Quantize/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct RtnPass : ptq::impl::RtnBase<RtnPass> {
  using RtnBase::RtnBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = round()) {
      mlir::emitError(getOperation().getLoc(), "rtn: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

  llvm::Error round() {
    // Rounding needs no statistics, but those that were asked for are of the float layers.
    if (llvm::Error error = ensureStatistics(getOperation()))
      return error;
    auto layers =
        selectLayers(getOperation(), makeRoundingOptions(bits, groupSize, granularity, symmetric,
                                                         mse, activations, only, skip));
    if (!layers)
      return layers.takeError();
    if (llvm::Error error = checkActivations(*layers, /*statisticsPending=*/false))
      return error;
    IntegerLayers integerLayers;
    Progress progress("rtn", layers->size());
    for (SelectedLayer &selected : *layers) {
      LinearOp layer = selected.layer;
      progress.begin(layer.getLayerName());
      auto start = std::chrono::steady_clock::now();
      auto named = [&](llvm::Error error) {
        return llvm::createStringError("layer '" + layer.getLayerName() +
                                       "': its weight: " + toString(std::move(error)));
      };
      llvm::Expected<WeightValue> weight = evaluateWeight(layer.getWeight());
      if (!weight)
        return named(weight.takeError());
      numerics::ConstMatrix matrix(weight->data.data(), layer.getOutFeatures(),
                                   layer.getInFeatures());
      llvm::Expected<LayerClip> clip = LayerClip::of(layer, selected.scheme);
      if (!clip)
        return named(clip.takeError());
      auto quantized = numerics::quantizeRtn(matrix, selected.scheme, clip->matrix());
      if (!quantized)
        return named(quantized.takeError());
      PackedWeight packed(std::move(*quantized),
                          /*bytes=*/selected.activation && selected.scheme.bits == 8);
      RoundingRecord record;
      record.method = "rtn";
      record.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (llvm::Error error = replaceLayer(selected, std::move(packed), record, integerLayers))
        return error;
      ++numRounded;
      progress.advance();
    }
    return llvm::Error::success();
  }
};

} // namespace

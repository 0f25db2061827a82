// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest; lib/Numerics/Rtn has the arithmetic.

#include "EmbeddingTables.h"
#include "LayerParts.h"
#include "LayerReplacer.h"
#include "OutlierLayer.h"
#include "RoundingPass.h"

#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Quantize/PackedLayer.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/PendingPasses.h"
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

struct RtnPass : RoundingPass<ptq::impl::RtnBase<RtnPass>> {
  using RoundingPass::RoundingPass;

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
    getOperation()->removeAttr(kPendingRoundingAttr);
    auto layers = selectLayers(getOperation(), roundingOptions());
    if (!layers)
      return layers.takeError();
    if (llvm::Error error = checkActivations(*layers, /*statisticsPending=*/false))
      return error;
    for (const SelectedLayer &selected : *layers)
      if (selected.method == "gptq")
        return llvm::createStringError("layer '" + LinearOp(selected.layer).getLayerName() +
                                       "' is to be rounded by gptq, as it is marked: run --gptq");
    if (llvm::Error error = checkEmbeddingBits(embeddings))
      return error;
    LayerReplacer replacer(fake);
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
      RoundedPart part(matrix, selected.outliers);
      auto quantized = numerics::quantizeRtn(part.matrix, selected.scheme, clip->matrix());
      if (!quantized)
        return named(quantized.takeError());
      PackedWeight packed = LayerReplacer::pack(selected, std::move(*quantized));
      RoundingRecord record;
      record.method = "rtn";
      if (selected.outliers)
        recordOutliers(record, layer.getInFeatures(), selected.outliers);
      record.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (llvm::Error error = replacer.replace(selected, std::move(packed), record))
        return error;
      ++numRounded;
      progress.advance();
    }
    return quantizeEmbeddings(getOperation(), embeddings, fake).takeError();
  }
};

} // namespace

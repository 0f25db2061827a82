// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// --calibrate remembers the samples; they are run when statistics are first needed, which may be
// here.

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/CollectStatistics.h"
#include "ptq/Calibrate/Passes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ptq {
#define GEN_PASS_DEF_CALIBRATE
#include "ptq/Calibrate/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct CalibratePass : ptq::impl::CalibrateBase<CalibratePass> {
  using CalibrateBase::CalibrateBase;

  void runOnOperation() override {
    if (llvm::Error error = calibrate()) {
      mlir::emitError(getOperation().getLoc(), "calibrate: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

  llvm::Error calibrate() {
    ModuleOp module = getOperation();
    if (data.empty())
      return llvm::createStringError(
          "it needs data=F, a safetensors file with samples of the model's inputs");
    if (maxSamples < 0)
      return llvm::createStringError("max-samples is a count, 0 for all, not " + Twine(maxSamples));
    if (!statistics && (gram || !save.empty()))
      return llvm::createStringError(
          "save and gram need the samples to be run: drop statistics=false");
    if (gram && save.empty())
      return llvm::createStringError(
          "gram=true needs save=F, the file that the Gram matrices go to");
    CalibrationSource source{data, function, maxSamples, /*pending=*/statistics && save.empty()};
    llvm::Expected<func::FuncOp> main = findFunction(module, function);
    if (!main)
      return main.takeError();
    if (failed(ensureRaised(module, getAnalysisManager())))
      return llvm::createStringError("there is nothing to calibrate");
    // A file that cannot serve is reported now, whenever it is run.
    auto samples = loadSamples(*main, source);
    if (!samples)
      return samples.takeError();
    source.attachTo(module);
    if (save.empty())
      return llvm::Error::success();
    return collectStatistics(*main, *samples, StatisticsDestination{save, gram});
  }
};

} // namespace

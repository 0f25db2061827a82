// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Raise/PendingPasses.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassRegistry.h"

namespace ptq {
#define GEN_PASS_DEF_RUNPENDING
#include "ptq/Raise/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

static LogicalResult runPasses(StringRef passes, PipelineRunner run) {
  OpPassManager pipeline(ModuleOp::getOperationName());
  if (failed(parsePassPipeline(passes, pipeline)))
    return failure();
  return run(pipeline);
}

LogicalResult ptq::runPendingRounding(ModuleOp module, PipelineRunner run) {
  if (!module->hasAttr(kPendingRoundingAttr))
    return success();
  return runPasses("rtn{marked-only=true}", run);
}

LogicalResult ptq::runPendingPasses(ModuleOp module, PipelineRunner run) {
  // Rounding collects pending statistics itself.
  if (failed(runPendingRounding(module, run)))
    return failure();
  auto calibration = module->getAttrOfType<DictionaryAttr>(kCalibrationAttr);
  if (!calibration || !calibration.contains("pending"))
    return success();
  return runPasses("collect-statistics", run);
}

namespace {

struct RunPendingPass : ptq::impl::RunPendingBase<RunPendingPass> {
  using RunPendingBase::RunPendingBase;

  void runOnOperation() override {
    if (failed(runPendingPasses(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      signalPassFailure();
  }
};

} // namespace

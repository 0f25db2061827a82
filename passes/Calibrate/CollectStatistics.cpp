// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/CollectStatistics.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/Passes.h"
#include "ptq/Calibrate/StatisticsCollector.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/Support/Progress.h"

namespace ptq {
#define GEN_PASS_DEF_COLLECTSTATISTICS
#include "ptq/Calibrate/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

class CollectingObserver : public execution::LinearObserver {
public:
  CollectingObserver(int64_t layers, bool gram) : collector(gram), progress("calibrate", layers) {}

  bool wants(Operation *op) override { return isa<LinearOp>(op); }

  llvm::Expected<std::optional<std::vector<float>>>
  observe(Operation *op, const execution::ObservedInput &input) override {
    auto layer = cast<LinearOp>(op);
    progress.begin(layer.getLayerName());
    if (llvm::Error error = collector.add(layer, input))
      return std::move(error);
    progress.advance();
    return std::nullopt;
  }

  StatisticsCollector collector;

private:
  Progress progress;
};

struct CollectStatisticsPass : ptq::impl::CollectStatisticsBase<CollectStatisticsPass> {
  using CollectStatisticsBase::CollectStatisticsBase;

  void runOnOperation() override {
    if (llvm::Error error = ensureStatistics(getOperation())) {
      mlir::emitError(getOperation().getLoc(), "calibrate: " + toString(std::move(error)));
      signalPassFailure();
    }
  }
};

} // namespace

llvm::Error ptq::collectStatistics(func::FuncOp function,
                                   ArrayRef<std::vector<execution::Tensor>> samples,
                                   const StatisticsDestination &destination) {
  int64_t layers = 0;
  function.walk([&](LinearOp) { ++layers; });
  if (layers == 0)
    return llvm::Error::success();
  CollectingObserver observer(layers, destination.gram);
  if (llvm::Error error = runSamples(function, samples, observer, InputsShown::OwnBlocks))
    return error;
  observer.collector.attach();
  if (destination.file.empty() || !distributed::Communicator::world().isRoot())
    return llvm::Error::success();
  return statistics::saveStatistics(destination.file, observer.collector.takeRecords());
}

llvm::Error ptq::ensureStatistics(ModuleOp module) {
  std::optional<CalibrationSource> source = CalibrationSource::of(module);
  if (!source || !source->pending)
    return llvm::Error::success();
  llvm::Expected<func::FuncOp> function = findFunction(module, source->function);
  if (!function)
    return function.takeError();
  // Where lowering has left no layer there is nothing to attach statistics to.
  bool hasLayers =
      function->walk([](LinearOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (hasLayers) {
    auto samples = loadSamples(*function, *source);
    if (!samples)
      return samples.takeError();
    if (llvm::Error error = collectStatistics(*function, *samples))
      return error;
  }
  source->pending = false;
  source->attachTo(module);
  return llvm::Error::success();
}

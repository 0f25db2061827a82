// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/Passes.h"
#include "ptq/Calibrate/StatisticsAttributes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/StatisticsFile.h"
#include "ptq/Support/Progress.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ptq {
#define GEN_PASS_DEF_CALIBRATE
#include "ptq/Calibrate/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// What is known of one input, and the layers that read it.
struct InputRecord {
  SmallVector<LinearOp> layers;
  statistics::StatisticsAccumulator accumulator;
  std::vector<float> gram; ///< [in, in], if asked for.
};

class StatisticsCollector : public execution::LinearObserver {
public:
  StatisticsCollector(func::FuncOp function, bool gram) : gram(gram), progress("calibrate", count(function)) {}

  bool wants(Operation *op) override { return isa<LinearOp>(op); }

  llvm::Expected<std::optional<std::vector<float>>> observe(Operation *op, numerics::ConstMatrix x) override {
    auto layer = cast<LinearOp>(op);
    progress.begin(layer.getLayerName());
    auto [it, inserted] = recordOfInput.try_emplace(sharedInput(layer.getX()), records.size());
    if (inserted) {
      InputRecord &record = records.emplace_back();
      if (llvm::Error error = record.accumulator.add(x.data, x.rows, x.columns, x.stride))
        return llvm::createStringError("layer '" + layer.getLayerName() + "': its input, " +
                                       toString(std::move(error)));
      if (gram) {
        record.gram.resize(x.columns * x.columns);
        numerics::MutableMatrix matrix(record.gram.data(), x.columns, x.columns);
        numerics::accumulateGram(x, matrix);
        numerics::symmetrize(matrix);
      }
    }
    records[it->second].layers.push_back(layer);
    progress.advance();
    return std::nullopt;
  }

  std::vector<InputRecord> records;

private:
  static int64_t count(func::FuncOp function) {
    int64_t layers = 0;
    function.walk([&](LinearOp) { ++layers; });
    return layers;
  }

  bool gram;
  Progress progress;
  llvm::DenseMap<Value, size_t> recordOfInput;
};

struct CalibratePass : ptq::impl::CalibrateBase<CalibratePass> {
  using CalibrateBase::CalibrateBase;

  void runOnOperation() override {
    if (llvm::Error error = calibrate()) {
      mlir::emitError(getOperation().getLoc(), "calibrate: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

  llvm::Error calibrate();
};

} // namespace

llvm::Error CalibratePass::calibrate() {
  ModuleOp module = getOperation();
  if (data.empty())
    return llvm::createStringError("it needs data=F, a safetensors file with samples of the model's inputs");
  if (maxSamples < 0)
    return llvm::createStringError("max-samples is a count, 0 for all, not " + Twine(maxSamples));
  if (!statistics && (gram || !save.empty()))
    return llvm::createStringError("save and gram need the samples to be run: drop statistics=false");
  if (gram && save.empty())
    return llvm::createStringError("gram=true needs save=F, the file that the Gram matrices go to");
  llvm::Expected<func::FuncOp> main = findFunction(module, function);
  if (!main)
    return main.takeError();
  if (failed(ensureRaised(module)))
    return llvm::createStringError("there is nothing to calibrate");
  CalibrationSource source{data, function, maxSamples};
  auto samples = loadSamples(*main, source);
  if (!samples)
    return samples.takeError();
  source.attachTo(module);
  if (!statistics)
    return llvm::Error::success();

  StatisticsCollector collector(*main, gram);
  if (llvm::Error error = runSamples(*main, *samples, collector))
    return error;
  std::vector<statistics::StatisticsRecord> toSave;
  for (InputRecord &record : collector.records) {
    statistics::ActivationStatistics values = record.accumulator.finish();
    StatisticsAttr attr = toAttribute(&getContext(), record.layers.front().getLayerName(), values);
    auto &saved = toSave.emplace_back();
    for (LinearOp layer : record.layers) {
      layer.setStatisticsAttr(attr);
      saved.layers.push_back(layer.getLayerName().str());
    }
    saved.statistics = std::move(values);
    saved.gram = std::move(record.gram);
  }
  return save.empty() ? llvm::Error::success() : statistics::saveStatistics(save, toSave);
}

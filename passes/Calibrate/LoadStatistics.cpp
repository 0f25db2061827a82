// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/Passes.h"
#include "ptq/Calibrate/StatisticsAttributes.h"
#include "ptq/Calibrate/StatisticsSource.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Statistics/StatisticsFile.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ptq {
#define GEN_PASS_DEF_LOADSTATISTICS
#include "ptq/Calibrate/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct LoadStatisticsPass : ptq::impl::LoadStatisticsBase<LoadStatisticsPass> {
  using LoadStatisticsBase::LoadStatisticsBase;

  void runOnOperation() override {
    if (llvm::Error error = load()) {
      mlir::emitError(getOperation().getLoc(), "load-statistics: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

  llvm::Error load() {
    ModuleOp module = getOperation();
    if (file.empty())
      return llvm::createStringError("it needs file=F, a file that --calibrate=\"save=F\" wrote");
    if (failed(ensureRaised(module, getAnalysisManager())))
      return llvm::createStringError("there is nothing to attach statistics to");
    auto loaded = statistics::StatisticsFile::load(file);
    if (!loaded)
      return loaded.takeError();
    // Layers that share a record share the attribute.
    llvm::DenseMap<const statistics::ActivationStatistics *, StatisticsAttr> attributes;
    std::vector<std::string> problems, zeroTokens;
    module.walk([&](LinearOp layer) {
      const statistics::ActivationStatistics *found = (*loaded)->find(layer.getLayerName());
      if (!found) {
        problems.push_back("'" + layer.getLayerName().str() + "' is not in the file");
      } else if (found->channels() != layer.getInFeatures()) {
        problems.push_back(
            "'" + layer.getLayerName().str() + "' has " + std::to_string(layer.getInFeatures()) +
            " input channels in the model, " + std::to_string(found->channels()) + " in the file");
      } else if (found->tokens == 0) {
        zeroTokens.push_back("'" + layer.getLayerName().str() + "'");
      } else {
        StatisticsAttr &attr = attributes[found];
        if (!attr)
          attr = toAttribute(&getContext(), layer.getLayerName(), *found);
        layer.setStatisticsAttr(attr);
      }
    });
    if (!problems.empty())
      return llvm::createStringError("'" + file + "' is of another model:\n  " +
                                     llvm::join(problems, "\n  ") +
                                     "\ncalibrate this one with --calibrate=\"data=… save=…\"");
    if (!zeroTokens.empty())
      return llvm::createStringError("'" + file + "': the token count is 0 for " +
                                     llvm::join(zeroTokens, ", ") +
                                     "; calibrate again with samples that reach every layer");
    attachStatisticsFile(module, file);
    return llvm::Error::success();
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/LayerTimes.h"

#include "ptq/IR/PTQ.h"

using namespace ptq;

static LayerTimes *timesOf(mlir::MLIRContext *context) {
  auto *dialect = context->getLoadedDialect<PTQDialect>();
  return dialect ? dialect->getRegisteredInterface<LayerTimes>() : nullptr;
}

void LayerTimes::record(mlir::MLIRContext *context, llvm::StringRef layer, double seconds) {
  if (LayerTimes *times = timesOf(context)) {
    std::lock_guard lock(times->mutex);
    times->seconds[layer] = seconds;
  }
}

std::optional<double> LayerTimes::lookup(mlir::MLIRContext *context, llvm::StringRef layer) {
  LayerTimes *times = timesOf(context);
  if (!times)
    return std::nullopt;
  std::lock_guard lock(times->mutex);
  auto it = times->seconds.find(layer);
  return it == times->seconds.end() ? std::nullopt : std::optional(it->second);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/StatisticsCollector.h"

#include "ptq/Calibrate/BlockedInput.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/StatisticsAttributes.h"
#include "ptq/Numerics/Gram.h"

using namespace mlir;
using namespace ptq;

llvm::Error StatisticsCollector::add(LinearOp layer, const execution::ObservedInput &observed) {
  auto [it, inserted] = inputOf.try_emplace(sharedInput(layer.getX()), inputs.size());
  if (inserted) {
    Input &input = inputs.emplace_back();
    auto accumulator = accumulateStatistics(observed);
    if (!accumulator)
      return llvm::createStringError("layer '" + layer.getLayerName() +
                                     "': its input: " + toString(accumulator.takeError()));
    input.accumulator = std::move(*accumulator);
    if (gram) {
      if (llvm::Error error = computeGram(observed, input.gram))
        return error;
      int64_t n = observed.x.columns;
      numerics::symmetrize(numerics::MutableMatrix(input.gram.data(), n, n));
    }
  }
  inputs[it->second].layers.push_back(layer);
  return llvm::Error::success();
}

void StatisticsCollector::attach() {
  for (Input &input : inputs) {
    LinearOp first = input.layers.front();
    StatisticsAttr attr =
        toAttribute(first.getContext(), first.getLayerName(), input.accumulator.finish());
    for (LinearOp layer : input.layers)
      layer.setStatisticsAttr(attr);
  }
}

std::vector<statistics::StatisticsRecord> StatisticsCollector::takeRecords() {
  std::vector<statistics::StatisticsRecord> records;
  for (Input &input : inputs) {
    statistics::StatisticsRecord &record = records.emplace_back();
    for (LinearOp layer : input.layers)
      record.layers.push_back(layer.getLayerName().str());
    record.statistics = input.accumulator.finish();
    record.gram = std::move(input.gram);
  }
  return records;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/StatisticsCollector.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Calibrate/StatisticsAttributes.h"
#include "ptq/Numerics/Gram.h"

using namespace mlir;
using namespace ptq;

llvm::Error StatisticsCollector::add(LinearOp layer, numerics::ConstMatrix x) {
  auto [it, inserted] = inputOf.try_emplace(sharedInput(layer.getX()), inputs.size());
  if (inserted) {
    Input &input = inputs.emplace_back();
    if (llvm::Error error = input.accumulator.add(x.data, x.rows, x.columns, x.stride))
      return llvm::createStringError("layer '" + layer.getLayerName() +
                                     "': its input: " + toString(std::move(error)));
    if (gram) {
      input.gram.resize(x.columns * x.columns);
      numerics::MutableMatrix matrix(input.gram.data(), x.columns, x.columns);
      numerics::accumulateGram(x, matrix);
      numerics::symmetrize(matrix);
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

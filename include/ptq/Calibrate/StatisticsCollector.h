// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics of linear layers' inputs, collected while the model runs.

#ifndef PTQ_CALIBRATE_STATISTICSCOLLECTOR_H
#define PTQ_CALIBRATE_STATISTICSCOLLECTOR_H

#include "ptq/Execution/Executor.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Statistics/StatisticsFile.h"

#include "llvm/ADT/DenseMap.h"
#include <vector>

namespace ptq {

/// Collects the statistics of each input once, however many layers share it.
class StatisticsCollector {
public:
  /// With `gram` the Gram matrices too, in² floats for each input.
  explicit StatisticsCollector(bool gram = false) : gram(gram) {}

  /// Takes in all of a layer's input. Collective (BlockedInput.h). Error: a NaN or infinity, with
  /// the layer's name.
  llvm::Error add(LinearOp layer, const execution::ObservedInput &input);

  /// Sets the `statistics` of all layers that were added.
  void attach();

  /// What was collected, for a file. The Gram matrices move into the result.
  std::vector<statistics::StatisticsRecord> takeRecords();

private:
  struct Input {
    llvm::SmallVector<LinearOp> layers;
    statistics::StatisticsAccumulator accumulator;
    std::vector<float> gram;
  };

  bool gram;
  std::vector<Input> inputs;
  llvm::DenseMap<mlir::Value, size_t> inputOf;
};

} // namespace ptq

#endif

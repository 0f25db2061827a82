// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shows an observer that needs whole inputs those of all processes.

#ifndef PTQ_PASSES_CALIBRATE_GATHERINGOBSERVER_H
#define PTQ_PASSES_CALIBRATE_GATHERINGOBSERVER_H

#include "ptq/Distributed/Communicator.h"
#include "ptq/Execution/Executor.h"

namespace ptq {

/// Each process's observer is shown the inputs of all, stacked in order of rank. That takes as much
/// memory as if the process had run all samples.
class GatheringObserver : public execution::LinearObserver {
public:
  GatheringObserver(execution::LinearObserver &observer, distributed::Communicator &world)
      : observer(observer), world(world) {}

  bool wants(mlir::Operation *op) override { return observer.wants(op); }
  llvm::Expected<std::optional<std::vector<float>>>
  observe(mlir::Operation *op, const execution::ObservedInput &input) override;

private:
  execution::LinearObserver &observer;
  distributed::Communicator &world;
};

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is evaluated, in which order, and how long values live.
//
#ifndef PTQ_LIB_EXECUTION_PLAN_H
#define PTQ_LIB_EXECUTION_PLAN_H

#include "KernelNode.h"
#include "LayerNodes.h"
#include "Node.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ptq::execution {

/// Nodes that run before the samples meet again.
struct Step {
  enum class Kind {
    Once,      ///< Independent of the sample: evaluated for the first frame, seen by all.
    PerSample, ///< Each sample on its own, in parallel.
    Together   ///< One node, all samples in one call.
  };
  Kind kind;
  std::vector<Node *> nodes;
  /// For each node, the values that nobody reads after it.
  std::vector<llvm::SmallVector<ValueId>> releases;
  /// Values that later steps read, in one buffer for all samples: PerSample only, static shapes.
  llvm::SmallVector<std::pair<ValueId, mlir::RankedTensorType>> batchOutputs;
};

struct PlanRequest {
  /// For each argument, whether it is the same for all samples.
  std::vector<bool> invariantArguments;
  /// Linears to be observed.
  llvm::DenseSet<mlir::Operation *> wanted;
  /// Evaluate only what the inputs of wanted linears depend on.
  bool stopAfterLastLinear = false;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<NodePtr> nodes;
  std::vector<KernelNode *> kernels;
  /// By ValueId.
  std::vector<char> invariant;
};

/// Plans a run of `function`. Errors name the operation that cannot be executed.
llvm::Expected<std::unique_ptr<Plan>> makePlan(mlir::func::FuncOp function,
                                               const PlanRequest &request, ValueTable &values,
                                               Observation &observation);

/// An error if some operation of `function` can never be executed.
llvm::Error checkExecutable(mlir::func::FuncOp function);

/// Joins kernels of one step whose operations can share loops.
void fuseKernels(Step &step);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_PLAN_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model to run: its module, its parameters, its samples and an executor.
//
#ifndef PTQ_TOOLS_QUANTRUN_MODEL_H
#define PTQ_TOOLS_QUANTRUN_MODEL_H

#include "ptq/Execution/Executor.h"
#include "ptq/Execution/Samples.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

/// Outputs of one chunk of samples: [sample][result].
using Outputs = std::vector<std::vector<ptq::execution::Tensor>>;

class Model {
public:
  /// Reads `path` (text or bytecode) and binds its function's arguments.
  static llvm::Expected<std::unique_ptr<Model>>
  open(mlir::MLIRContext &context, llvm::StringRef path, llvm::StringRef function,
       llvm::ArrayRef<std::string> parameterFiles,
       std::shared_ptr<const ptq::checkpoint::Checkpoint> inputs,
       std::shared_ptr<ptq::execution::KernelCache> kernels);

  const ptq::execution::SampleSet &samples() const { return *sampleSet; }
  std::vector<std::string> outputNames();
  llvm::ArrayRef<mlir::Type> outputTypes() { return function.getResultTypes(); }
  /// The position of the argument of that name, or nothing.
  std::optional<unsigned> findArgument(llvm::StringRef name);

  llvm::Expected<Outputs> run(int64_t first, int64_t count);

  const ptq::execution::ExecutorStatistics &statistics() const { return executor->statistics(); }

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  std::optional<ptq::execution::SampleSet> sampleSet;
  std::unique_ptr<ptq::execution::Executor> executor;
};

#endif // PTQ_TOOLS_QUANTRUN_MODEL_H

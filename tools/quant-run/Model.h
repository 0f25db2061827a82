// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model to run: its module, its parameters, its samples, and what runs it: the executor, or a
// device.
//
#ifndef PTQ_TOOLS_QUANTRUN_MODEL_H
#define PTQ_TOOLS_QUANTRUN_MODEL_H

#include "ptq/DeviceExecution/DeviceFunction.h"
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

  /// The same for a device (which has to outlive the model): parameters become constants, and the
  /// module is lowered to kernels for `chip`.
  static llvm::Expected<std::unique_ptr<Model>>
  openOnDevice(mlir::MLIRContext &context, llvm::StringRef path, llvm::StringRef function,
               llvm::ArrayRef<std::string> parameterFiles,
               std::shared_ptr<const ptq::checkpoint::Checkpoint> inputs,
               ptq::emulator::Device &device, llvm::StringRef chip);

  const ptq::execution::SampleSet &samples() const { return *sampleSet; }
  llvm::ArrayRef<std::string> outputNames() const { return resultNames; }
  llvm::ArrayRef<mlir::Type> outputTypes() const { return resultTypes; }
  /// The position of the argument of that name, or nothing.
  std::optional<unsigned> findArgument(llvm::StringRef name) const;

  llvm::Expected<Outputs> run(int64_t first, int64_t count);

  /// Of the executor; null on a device.
  const ptq::execution::ExecutorStatistics *statistics() const {
    return executor ? &executor->statistics() : nullptr;
  }
  /// Of the device; null on the CPU.
  const ptq::execution::DeviceStatistics *deviceStatistics() const {
    return deviceFunction ? &deviceFunction->statistics() : nullptr;
  }

private:
  llvm::Error read(mlir::MLIRContext &context, llvm::StringRef path, llvm::StringRef function);
  /// Takes the samples, and the names that files know arguments and results by.
  llvm::Error bind(std::shared_ptr<const ptq::checkpoint::Checkpoint> parameters,
                   std::shared_ptr<const ptq::checkpoint::Checkpoint> inputs);

  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  std::optional<ptq::execution::SampleSet> sampleSet;
  std::vector<std::string> argumentNames, resultNames;
  std::vector<mlir::Type> resultTypes;
  std::unique_ptr<ptq::execution::Executor> executor;
  std::unique_ptr<ptq::execution::DeviceFunction> deviceFunction;
};

#endif // PTQ_TOOLS_QUANTRUN_MODEL_H

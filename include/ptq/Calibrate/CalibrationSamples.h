// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The calibration samples a module remembers, and running them.

#ifndef PTQ_CALIBRATE_CALIBRATIONSAMPLES_H
#define PTQ_CALIBRATE_CALIBRATIONSAMPLES_H

#include "ptq/Execution/Executor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace ptq {

/// Which samples a module was calibrated on. Kept on the module as the attribute
/// `ptq.calibration = {data = "file", function = "main", max_samples = 0 : i64}`.
struct CalibrationSource {
  std::string data;       ///< The file, as the user named it.
  std::string function;   ///< The function the samples are inputs of.
  int64_t maxSamples = 0; ///< How many of them; 0 is all.
  bool pending = false;   ///< They are still to be run for statistics: `pending` in the attribute.

  static std::optional<CalibrationSource> of(mlir::ModuleOp module);
  void attachTo(mlir::ModuleOp module) const;
};

/// The function of that name. Error if there is none, or it has no body.
llvm::Expected<mlir::func::FuncOp> findFunction(mlir::ModuleOp module, llvm::StringRef name);

/// The samples as arguments of the function: [sample][argument]. Errors: an unreadable file, an
/// input that is missing or has the wrong shape or type, a parameter that is still an argument, no
/// samples.
llvm::Expected<std::vector<std::vector<execution::Tensor>>>
loadSamples(mlir::func::FuncOp function, const CalibrationSource &source);

/// Compiled kernels that all passes of the process share.
std::shared_ptr<execution::KernelCache> sharedKernels();

/// What an observer is shown where several processes share a run.
enum class InputsShown {
  Whole,     ///< The inputs on all samples, on every process.
  OwnBlocks, ///< Those of the process's own blocks, which the observer sums up (BlockedInput.h).
};

/// Runs the samples up to the last linear layer that `observer` wants. It is not shown tokens that
/// are padding: those where an integer or boolean input named `mask` or `attention_mask` is 0.
/// Where there are several processes each runs its share of the blocks of samples; all must call
/// this, with the same samples.
llvm::Error runSamples(mlir::func::FuncOp function,
                       llvm::ArrayRef<std::vector<execution::Tensor>> samples,
                       execution::LinearObserver &observer, InputsShown shown = InputsShown::Whole);

/// The value a layer's input is a reshape of: layers with the same one share their input. Reshapes
/// that keep the last dimension are looked through.
mlir::Value sharedInput(mlir::Value x);

} // namespace ptq

#endif

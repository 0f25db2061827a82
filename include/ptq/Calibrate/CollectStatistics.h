// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running the samples for their statistics.

#ifndef PTQ_CALIBRATE_COLLECTSTATISTICS_H
#define PTQ_CALIBRATE_COLLECTSTATISTICS_H

#include "ptq/Execution/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// A file for statistics, besides the IR.
struct StatisticsDestination {
  std::string file;  ///< Empty: none.
  bool gram = false; ///< With the Gram matrices.
};

/// Runs the samples and attaches statistics to each linear layer of the function.
llvm::Error collectStatistics(mlir::func::FuncOp function,
                              llvm::ArrayRef<std::vector<execution::Tensor>> samples,
                              const StatisticsDestination &destination = {});

/// Runs the samples that --calibrate remembered, if no pass has yet. Passes that read statistics
/// call this.
llvm::Error ensureStatistics(mlir::ModuleOp module);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The outputs of two functions on the same samples.

#ifndef PTQ_VERIFY_OUTPUTCOMPARISON_H
#define PTQ_VERIFY_OUTPUTCOMPARISON_H

#include "ptq/Execution/Metrics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <string>
#include <vector>

namespace ptq {

/// A function and its arguments: samples[sample][argument].
struct BoundFunction {
  mlir::func::FuncOp function;
  std::vector<std::vector<execution::Tensor>> samples;
};

/// How far one output is off, over all samples.
struct OutputDifference {
  std::string name;
  execution::Comparison comparison;
};

struct OutputComparison {
  std::vector<OutputDifference> outputs;
  size_t worstSample = 0; ///< The one with the greatest relative error in an output.
};

/// Runs both on all samples, some at a time, so that memory holds the outputs of these only.
/// Outputs are matched by position. Errors: the functions differ in their number of outputs, or in
/// an output's shape; whatever the executor reports.
llvm::Expected<OutputComparison> compareOutputs(const BoundFunction &current,
                                                const BoundFunction &reference);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef PTQ_LOWER_LINALGTOTHREADS_H
#define PTQ_LOWER_LINALGTOTHREADS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ptq {

/// Turns the linalg operations and copies of a function on buffers into parallel loops of one
/// dimension, an iteration for each point of the result; reductions are loops inside of it. An
/// error if one has no form as loops.
mlir::LogicalResult lowerLinalgToThreads(mlir::func::FuncOp function);

} // namespace ptq

#endif // PTQ_LOWER_LINALGTOTHREADS_H

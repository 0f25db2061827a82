// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scalar part of a kernel: an operation's body at one point of its loops.
//
#ifndef PTQ_LIB_EXECUTION_KERNELBODY_H
#define PTQ_LIB_EXECUTION_KERNELBODY_H

#include "LoopOp.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace ptq::execution {

/// Emits the body of `loops` for the scalars of its inputs and inits, and returns what it yields.
/// Checks become branch-free of aborts: what fails stores its number to `failure` and goes on with
/// harmless values: an assertion does nothing else, an index out of range is clamped, a division
/// that would trap divides by 1. `memrefOf` maps a captured tensor to its memory.
mlir::FailureOr<llvm::SmallVector<mlir::Value>>
inlineBody(mlir::OpBuilder &builder, const LoopOp &loops, llvm::ArrayRef<mlir::Value> scalars,
           llvm::ArrayRef<mlir::Value> inductionVariables, const mlir::IRMapping &outer,
           mlir::Value failure, llvm::function_ref<mlir::Value(mlir::Value)> memrefOf);

/// If `value` adds to or multiplies `accumulator` in f32 or f64, allows the sum or product to be
/// reordered, so that it can be vectorized.
void relaxReduction(mlir::Value value, mlir::Value accumulator);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELBODY_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a kernel's text to loops.
//
// The text is a func.func on tensors (KernelExtraction.h): arguments are the tensors that are read,
// then captured scalars; results are the tensors that are written. It becomes two functions:
//
//   @name(buffers, scalars, failure)      the KernelFunction: unpacks, calls the other
//   @name_loops(pointer…, i64…, failure)  the loops; the pointers do not alias
//
#ifndef PTQ_LIB_EXECUTION_KERNELEMITTER_H
#define PTQ_LIB_EXECUTION_KERNELEMITTER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace ptq::execution {

/// Dialects that emitted kernels use.
void loadKernelDialects(mlir::MLIRContext &context);

/// Emits the loops of `source` into `module` as `name`. Emits a diagnostic on failure.
mlir::LogicalResult emitKernel(mlir::func::FuncOp source, mlir::ModuleOp module,
                               llvm::StringRef name);

/// The name of the integer attribute that numbers an operation's checks (1, 2, …) in a kernel's
/// text.
inline constexpr llvm::StringLiteral checkAttribute = "ptq_check";

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELEMITTER_H

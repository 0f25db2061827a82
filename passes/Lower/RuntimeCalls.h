// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls of the CPU runtime's functions (include/ptq/Runtime/Runtime.h) on tensors.

#ifndef PTQ_PASSES_LOWER_RUNTIMECALLS_H
#define PTQ_PASSES_LOWER_RUNTIMECALLS_H

#include "ptq/IR/PTQ.h"
#include "ptq/Runtime/Function.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace ptq {

/// Declares functions of the runtime in a module and calls them.
class RuntimeCalls {
public:
  explicit RuntimeCalls(mlir::ModuleOp module) : symbols(module) {}

  /// The results of function `name`, of dynamic shape. Operands are cast to its types; a null one
  /// is passed as a tensor without elements.
  mlir::ValueRange call(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name,
                        mlir::ValueRange operands);

private:
  mlir::func::FuncOp declare(const runtime::Function &function, mlir::Location loc);

  mlir::SymbolTable symbols;
};

/// Replaces `op` by a call; false where the runtime has nothing for its types or granularity.
bool lowerToCall(mlir::RewriterBase &b, RuntimeCalls &calls, mlir::Operation *op);

} // namespace ptq

#endif

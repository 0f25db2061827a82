// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A copy of a module in which the input of every layer can be observed as floats.

#ifndef PTQ_VERIFY_OBSERVABLECOPY_H
#define PTQ_VERIFY_OBSERVABLECOPY_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace ptq {

/// Copies the module of `function`. If the function has no layers, because nothing was raised yet
/// or because they were lowered, the copy is raised. In front of each `ptq.integer_linear` stands a
/// float layer of the same name that reads what its integers were made of; nobody reads its
/// result, so that it is observed and not evaluated.
mlir::OwningOpRef<mlir::ModuleOp> makeObservableCopy(mlir::func::FuncOp function);

/// Whether `op` is a layer whose input the executor shows as the floats it computes with.
bool isObservable(mlir::Operation *op);

} // namespace ptq

#endif

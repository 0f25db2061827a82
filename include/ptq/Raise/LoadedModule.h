// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The module as it was loaded, kept through a pipeline for --verify-equivalence.

#ifndef PTQ_RAISE_LOADEDMODULE_H
#define PTQ_RAISE_LOADEDMODULE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/AnalysisManager.h"

namespace ptq {

/// A copy of the module at the time when the analysis was first asked for. --load-parameters asks
/// at its end and every pass that raises at its beginning, so that the copy is the model as it was
/// before anything changed it. No pass invalidates it: it lives as long as the analysis manager,
/// which is one run of a PassManager. It is as large as the IR without its parameters: attributes,
/// and so resources' data, are shared.
class LoadedModule {
public:
  explicit LoadedModule(mlir::Operation *module)
      : copy(mlir::cast<mlir::ModuleOp>(module).clone()) {}

  mlir::ModuleOp getModule() const { return *copy; }

  bool isInvalidated(const mlir::AnalysisManager::PreservedAnalyses &) const { return false; }

private:
  mutable mlir::OwningOpRef<mlir::ModuleOp> copy;
};

} // namespace ptq

MLIR_DECLARE_EXPLICIT_TYPE_ID(ptq::LoadedModule)

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module from a file, to compare with.

#ifndef PTQ_VERIFY_REFERENCEMODULE_H
#define PTQ_VERIFY_REFERENCEMODULE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// A module in a context of its own: a pass must not load dialects into the one it runs in.
class ReferenceModule {
public:
  /// Reads the file, with the dialects of `like`'s registry, and binds its parameters if
  /// `parameters` has files. Error: the first one of the parser or of --load-parameters.
  static llvm::Expected<std::unique_ptr<ReferenceModule>>
  open(llvm::StringRef path, llvm::ArrayRef<std::string> parameters, mlir::MLIRContext &like);

  mlir::ModuleOp getModule() { return *module; }

private:
  explicit ReferenceModule(mlir::MLIRContext &like);

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace ptq

#endif

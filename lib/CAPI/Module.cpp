// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq-c/Module.h"

#include "Messages.h"

#include "ptq/Checkpoint/AtomicFile.h"

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

using namespace ptq;

MlirModule ptqModuleRead(MlirContext context, MlirStringRef file, PtqMessageHandler messages) {
  capi::DiagnosticForwarding forwarding(unwrap(context), messages);
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceFile<mlir::ModuleOp>(unwrap(file), unwrap(context));
  if (!module && !forwarding.hasErrors())
    (void)capi::reportError(messages, unwrap(file) + ": is no module");
  return wrap(module.release());
}

MlirLogicalResult ptqModuleWrite(MlirModule module, MlirStringRef file,
                                 PtqMessageHandler messages) {
  llvm::Error error =
      checkpoint::writeFileAtomically(unwrap(file), [&](llvm::raw_pwrite_stream &os) {
        unwrap(module)->print(os);
        os << '\n';
        return llvm::Error::success();
      });
  if (error)
    return capi::reportError(messages, toString(std::move(error)));
  return mlirLogicalResultSuccess();
}

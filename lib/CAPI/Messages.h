// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's diagnostics and plain errors, handed to a C callback.

#ifndef PTQ_LIB_CAPI_MESSAGES_H
#define PTQ_LIB_CAPI_MESSAGES_H

#include "ptq-c/Message.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/Twine.h"
#include <optional>

namespace ptq::capi {

/// Gives an error without a location to the handler. Returns failure.
MlirLogicalResult reportError(PtqMessageHandler handler, const llvm::Twine &message);

/// While it lives, a context's diagnostics go to the handler, notes after what they belong to.
class DiagnosticForwarding {
public:
  DiagnosticForwarding(mlir::MLIRContext *context, PtqMessageHandler handler);

  /// Whether an error has been forwarded.
  bool hasErrors() const { return errors; }

private:
  bool errors = false;
  std::optional<mlir::ScopedDiagnosticHandler> scope;
};

} // namespace ptq::capi

#endif

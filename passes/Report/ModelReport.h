// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module's layers and what was done to them, as JSON.

#ifndef PTQ_PASSES_REPORT_MODELREPORT_H
#define PTQ_PASSES_REPORT_MODELREPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace ptq {

/// The report that --write-report documents. All strings are UTF-8.
llvm::json::Object describeModel(mlir::ModuleOp module);

} // namespace ptq

#endif

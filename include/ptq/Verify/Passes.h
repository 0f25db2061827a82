// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of the stage Verify; passes/Verify/Passes.td documents them.

#ifndef PTQ_VERIFY_PASSES_H
#define PTQ_VERIFY_PASSES_H

#include "mlir/Pass/Pass.h"

namespace ptq {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ptq/Verify/Passes.h.inc"

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of the stage Lower; passes/Lower/Passes.td documents them.

#ifndef PTQ_LOWER_PASSES_H
#define PTQ_LOWER_PASSES_H

#include "mlir/Pass/Pass.h"

namespace ptq {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ptq/Lower/Passes.h.inc"

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of the stage Transform; passes/Transform/Passes.td documents them.

#ifndef PTQ_TRANSFORM_PASSES_H
#define PTQ_TRANSFORM_PASSES_H

#include "mlir/Pass/Pass.h"

namespace ptq {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ptq/Transform/Passes.h.inc"

} // namespace ptq

#endif

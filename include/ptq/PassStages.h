// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which passes are this project's, by stage: for help, completion and whatever lists them among
// upstream's.

#ifndef PTQ_PASSSTAGES_H
#define PTQ_PASSSTAGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace ptq {

/// A stage's name ("Quantize") and its passes' arguments ("rtn", "gptq", …), in the order of its
/// Passes.td. Each is found by mlir::PassInfo::lookup once registerAllPasses has run.
struct PassStage {
  llvm::StringRef name;
  llvm::ArrayRef<llvm::StringLiteral> passes;
};

/// All stages, in the order in which they usually run.
llvm::ArrayRef<PassStage> passStages();

} // namespace ptq

#endif

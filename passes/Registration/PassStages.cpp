// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/PassStages.h"

// For each stage an array of its passes' arguments, and a table of them all; CMakeLists.txt reads
// them from the Passes.td files.
#include "PassStages.inc"

llvm::ArrayRef<ptq::PassStage> ptq::passStages() { return kStages; }

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All passes of the project: constructors, options and registration. The stages are described in
// passes/README.md.

#ifndef PTQ_PASSES_H
#define PTQ_PASSES_H

#include "ptq/Calibrate/Passes.h"
#include "ptq/Interchange/Passes.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/Passes.h"
#include "ptq/Report/Passes.h"
#include "ptq/Transform/Passes.h"
#include "ptq/Verify/Passes.h"

namespace ptq {

/// Registers all passes with MLIR's global registry, for textual pipelines.
inline void registerPasses() {
  registerPTQRaisePasses();
  registerPTQCalibratePasses();
  registerPTQTransformPasses();
  registerPTQQuantizePasses();
  registerPTQLowerPasses();
  registerPTQReportPasses();
  registerPTQInterchangePasses();
  registerPTQVerifyPasses();
}

} // namespace ptq

#endif

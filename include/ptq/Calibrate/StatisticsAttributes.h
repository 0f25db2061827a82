// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics as attributes of the IR.

#ifndef PTQ_CALIBRATE_STATISTICSATTRIBUTES_H
#define PTQ_CALIBRATE_STATISTICSATTRIBUTES_H

#include "ptq/IR/PTQ.h"
#include "ptq/Statistics/ActivationStatistics.h"

namespace ptq {

/// The attribute for statistics. The vectors become resources named after `layer`.
StatisticsAttr toAttribute(mlir::MLIRContext *context, llvm::StringRef layer,
                           const statistics::ActivationStatistics &statistics);

} // namespace ptq

#endif

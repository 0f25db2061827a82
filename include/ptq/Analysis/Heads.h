// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which linear layers are heads.

#ifndef PTQ_ANALYSIS_HEADS_H
#define PTQ_ANALYSIS_HEADS_H

#include "mlir/IR/Value.h"

namespace ptq {

/// True if `value` reaches a function's result through shape operations and casts only, on at least
/// one path: the layer that computes it is a head, which rounding leaves float unless it is named.
bool isReturnedAsIs(mlir::Value value);

} // namespace ptq

#endif

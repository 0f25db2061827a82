// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's element types and a checkpoint's.

#ifndef PTQ_ANALYSIS_ELEMENTTYPES_H
#define PTQ_ANALYSIS_ELEMENTTYPES_H

#include "ptq/Checkpoint/DType.h"

#include "mlir/IR/Types.h"
#include <optional>

namespace ptq {

/// The checkpoint's type for an MLIR element type; nothing if checkpoints have none. Signless and
/// signed integers are the checkpoint's signed ones, i1 is its boolean.
std::optional<checkpoint::DType> toDType(mlir::Type elementType);

/// True if tensors of `dtype` can stand for `elementType`: the same float type, or an integer of
/// the same width whatever its sign.
bool matches(checkpoint::DType dtype, mlir::Type elementType);

} // namespace ptq

#endif

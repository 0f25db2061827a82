// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that only rearrange elements, as maps from the result's indices to the source's.
//
#ifndef PTQ_LIB_EXECUTION_TENSORVIEW_H
#define PTQ_LIB_EXECUTION_TENSORVIEW_H

#include "LoopOp.h"

namespace ptq::execution {

/// The source of a reshape (collapse_shape, expand_shape, reshape, cast, ptq.observe): the same
/// data in the same order. Null for any other operation.
mlir::Value getReshapeSource(mlir::Operation *op);

/// If every element of the result of `op` is one of its source (reshapes, slices, transposes,
/// broadcasts, of static shape): the source, and the map from the result's indices.
std::optional<TensorAccess> getViewSource(mlir::Operation *op);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_TENSORVIEW_H

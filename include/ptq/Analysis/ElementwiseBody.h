// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the body of a linalg operation computes, where it is one of the few things that matter here.

#ifndef PTQ_ANALYSIS_ELEMENTWISEBODY_H
#define PTQ_ANALYSIS_ELEMENTWISEBODY_H

#include "mlir/IR/Block.h"

namespace ptq {

/// True if the block yields its argument `index`, through float casts or none.
bool yieldsCastOfArgument(mlir::Block *body, unsigned index);

/// True if the block yields the sum of its arguments 0 and 1, in either order and without casts.
bool yieldsSumOfArguments(mlir::Block *body);

/// True if the block yields c + a·b (in any order) of arguments 0, 1 and 2, a and b perhaps cast
/// first.
bool yieldsMultiplyAdd(mlir::Block *body);

} // namespace ptq

#endif

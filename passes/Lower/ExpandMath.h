// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef PTQ_PASSES_LOWER_EXPANDMATH_H
#define PTQ_PASSES_LOWER_EXPANDMATH_H

#include "mlir/IR/PatternMatch.h"

namespace ptq {

/// Patterns for simple functions (LLVM's intrinsics), math.sin and math.cos of f32 (to 1e-7 for |x|
/// < 10⁵) and math.fpowi with a constant exponent up to ±64, preferred to upstream's.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_EXPANDMATH_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef PTQ_MATH_EXPANDMATH_H
#define PTQ_MATH_EXPANDMATH_H

#include "mlir/IR/PatternMatch.h"

namespace ptq {

/// math.sin and math.cos of f32 as arithmetic, the same on every processor: to 1 ulp for |x| < 2⁴⁰;
/// beyond, a number between -1 and 1. NaN for infinities and NaN.
void populateTrigonometricPatterns(mlir::RewritePatternSet &patterns);

/// These, simple functions (LLVM's intrinsics) and math.fpowi with a constant exponent up to ±64,
/// preferred to upstream's.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns);

} // namespace ptq

#endif // PTQ_MATH_EXPANDMATH_H

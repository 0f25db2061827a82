// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference lowering as patterns and functions.

#ifndef PTQ_LOWER_LOWER_H
#define PTQ_LOWER_LOWER_H

#include "ptq/IR/PTQ.h"

#include "mlir/IR/PatternMatch.h"

namespace ptq {

/// Patterns that lower each ptq operation to upstream dialects.
void populatePTQToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateLinearToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateWeightOnlyLinearToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateQuantizeToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateActivationToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateIntegerToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateColumnsToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateLookupToLinalgPatterns(mlir::RewritePatternSet &patterns);
void populateExpandGroupsToLinalgPatterns(mlir::RewritePatternSet &patterns);

/// y = x·Wᵀ + b in linalg, accumulated in float32 or, for float64 operands, float64, and rounded
/// once to `resultType`. x is […, in], weight is [out, in], bias is [out] or null.
mlir::Value buildLinear(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value weight,
                        mlir::Value bias, mlir::RankedTensorType resultType);

/// `value` converted to another float type; itself if it has that type.
mlir::Value convertFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                         mlir::Type type);

} // namespace ptq

#endif

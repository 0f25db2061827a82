// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pieces that the lowerings to linalg share.

#ifndef PTQ_PASSES_LOWER_LINALGBUILDERS_H
#define PTQ_PASSES_LOWER_LINALGBUILDERS_H

#include "ptq/Lower/Lower.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace ptq {

/// x with the dimensions but the last one merged, [tokens, in]; a vector or a matrix as it is.
mlir::Value collapseLeading(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// The way back: y [tokens, out], or [out] for a vector, as `resultType`, with x's leading
/// dimensions.
mlir::Value expandLeading(mlir::OpBuilder &b, mlir::Location loc, mlir::Value y, mlir::Value x,
                          mlir::RankedTensorType resultType);

/// [tokens, in]·[out, in]ᵀ, or [out, in]·[in] for a vector, from zero, in the type `accumulator`.
mlir::Value contract(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value weight,
                     mlir::Type accumulator);

/// [..., in] as [..., in / g, g].
mlir::Value expandGroups(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                         int64_t groupSize);

/// The signed code at (n, k) of packed 32-bit words [out, words], as i32.
mlir::Value unpackCode(mlir::OpBuilder &b, mlir::Location loc, mlir::Value words, unsigned bits,
                       mlir::Value n, mlir::Value k);

/// An elementwise linalg.generic over the dimensions `sizes`; one map for each input.
mlir::Value buildElementwise(
    mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<mlir::OpFoldResult> sizes,
    mlir::ValueRange inputs, llvm::ArrayRef<mlir::AffineMap> maps, mlir::Type elementType,
    llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)> body);

/// The integers of x·c with scales, and zero points if not null, that have the shape of the scheme.
/// channelScales may be null.
mlir::Value buildQuantize(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value scales,
                          mlir::Value zeroPoints, mlir::Value channelScales, SchemeAttr scheme,
                          mlir::RankedTensorType resultType);

/// The threshold as a number of `type`, float32 or float64: the least that is not below it, so that
/// numbers of that type and narrower ones compare with it as with the threshold itself.
mlir::FloatAttr outlierThreshold(OutlierColumnsOp op, mlir::FloatType type);

/// `value` times its channel's scale (null: 1) in `type`, within a body.
mlir::Value scaleChannel(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                         mlir::Value channelScale, mlir::Type type);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the verifiers, folders and shape functions of the operations share.

#ifndef PTQ_DIALECTS_PTQ_IR_OPSUPPORT_H
#define PTQ_DIALECTS_PTQ_IR_OPSUPPORT_H

#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"

namespace ptq {

/// Sizes that can be equal at run time.
bool compatible(int64_t a, int64_t b);
bool compatible(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// Statistics are of the last dimension of the value they describe.
llvm::LogicalResult verifyStatistics(mlir::Operation *op, std::optional<StatisticsAttr> statistics,
                                     int64_t channels);

/// What every linear layer requires of its activation, result and bias.
llvm::LogicalResult verifyLayer(LayerOpInterface op, mlir::RankedTensorType result);

/// The shape of a layer's result: that of `x` with the last dimension replaced by the weight's
/// rows.
llvm::LogicalResult reifyLayer(mlir::OpBuilder &b, LayerOpInterface op,
                               mlir::RankedTensorType result,
                               mlir::ReifiedRankedShapedTypeDims &dims);
llvm::LogicalResult reifySameShape(mlir::OpBuilder &b, mlir::Location loc, mlir::Value operand,
                                   mlir::ReifiedRankedShapedTypeDims &dims);

/// A splat constant of zeros, which adds nothing as a bias and shifts nothing as a zero point.
bool isZeroConstant(mlir::Value value);

/// The shape of the scales that a scheme needs for a tensor of shape `shape`.
llvm::SmallVector<int64_t> scaleShape(SchemeAttr scheme, llvm::ArrayRef<int64_t> shape);

/// `type` is of shape `expected`; `what` names it in the message ("scales", say).
llvm::LogicalResult verifyShape(mlir::Operation *op, llvm::StringRef what,
                                mlir::RankedTensorType type, llvm::ArrayRef<int64_t> expected);

/// The types of an operation between floats `real` and the integers of `scheme`.
llvm::LogicalResult verifyQuantization(mlir::Operation *op, mlir::RankedTensorType real,
                                       mlir::RankedTensorType integer,
                                       mlir::RankedTensorType scales, mlir::Value zeroPoints,
                                       SchemeAttr scheme);

/// One scale for each channel of the last dimension; null scales are right for any tensor.
llvm::LogicalResult verifyChannelScales(mlir::Operation *op, mlir::Value channelScales,
                                        mlir::RankedTensorType x);

/// x·c quantized is x quantized with the channel scales c: takes them over from the
/// ptq.scale_channels that makes `x`. Returns whether it did.
bool absorbChannelScales(mlir::OpOperand &x, mlir::MutableOperandRange channelScales);

} // namespace ptq

#endif

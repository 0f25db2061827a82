// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights in the weight-only kernel's order (ptq/Kernels/WeightLayout.h) in a module: a constant
// vector of words, and a linalg.generic, marked with the order's name, that makes of it the packed
// weight that the layer has by definition. Everything runs such a module as any other; who wants
// the words as they are looks through the mark.

#ifndef PTQ_PASSES_LOWER_SHUFFLEDWEIGHT_H
#define PTQ_PASSES_LOWER_SHUFFLEDWEIGHT_H

#include "ptq/IR/PTQ.h"
#include "ptq/Kernels/WeightOnlyLinear.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// On the linalg.generic: the name of the order that it undoes.
inline constexpr llvm::StringLiteral kWeightLayoutAttr = "ptq.weight_layout";

/// Shapes and types of the kernel for a layer whose floats are float16 or, if so said, bfloat16
/// where its activations are float32. An error says why there is no such kernel.
llvm::Expected<kernels::WeightOnlyLinearSpec> weightOnlyLinearSpec(WeightOnlyLinearOp op,
                                                                   mlir::Type forFloat32);

/// The constant weight of a layer in the kernel's order, as a constant. An error if it is none.
llvm::Expected<mlir::Value> createShuffledWeight(mlir::OpBuilder &b, WeightOnlyLinearOp op,
                                                 const kernels::WeightLayout &layout);

/// The packed weight, `type`, [n, words], from words in the kernel's order, marked.
mlir::Value createRestoredWeight(mlir::OpBuilder &b, mlir::Location loc, mlir::Value words,
                                 const kernels::WeightLayout &layout, mlir::RankedTensorType type);

/// What createRestoredWeight made `weight` of; null if it did not. An error if the order is one
/// that the kernels here do not have.
llvm::Expected<mlir::Value> findShuffledWeight(mlir::Value weight,
                                               const kernels::WeightLayout &layout);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_SHUFFLEDWEIGHT_H

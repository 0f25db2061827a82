// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structured operations that are sums of products, as problems for BLAS.
//
#ifndef PTQ_LIB_EXECUTION_CONTRACTION_H
#define PTQ_LIB_EXECUTION_CONTRACTION_H

#include "Gemm.h"
#include "LoopOp.h"

namespace ptq::execution {

/// C[…] (+)= Σ A[…]·B[…] over float tensors, in any loop order.
struct Contraction {
  mlir::Operation *op;
  llvm::SmallVector<mlir::utils::IteratorType> iterators;
  /// The operands, each with its map from the loops. Those of a static operation may have been
  /// replaced by what views (transposes, broadcasts, slices, reshapes) were taken of, with the
  /// views composed into the maps.
  TensorAccess a, b;
  mlir::AffineMap mapC;
  /// Null if the initial values are known to be zero.
  mlir::Value init;
  /// A tensor of the result's shape.
  mlir::Value shapeSource;
  /// Of each loop, where static.
  llvm::SmallVector<int64_t> bounds;
};

/// Matches `op`: its body is yield(out + a·b), operands extended at most.
std::optional<Contraction> matchContraction(mlir::Operation *op);

/// The problem for operands of the given shapes, without its pointers and kinds. Nothing if the
/// shapes contradict each other.
std::optional<GemmProblem> makeProblem(const Contraction &contraction,
                                       llvm::ArrayRef<int64_t> shapeA,
                                       llvm::ArrayRef<int64_t> shapeB,
                                       llvm::ArrayRef<int64_t> shapeC);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_CONTRACTION_H

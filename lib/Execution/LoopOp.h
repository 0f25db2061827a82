// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An operation seen as a loop nest: bounds, and how each tensor is indexed.
//
#ifndef PTQ_LIB_EXECUTION_LOOPOP_H
#define PTQ_LIB_EXECUTION_LOOPOP_H

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Operation.h"

#include <optional>

namespace ptq::execution {

/// A tensor and the map from loops to its indices.
struct TensorAccess {
  mlir::Value tensor;
  mlir::AffineMap map;
};

/// A structured (linalg) operation, or an elementwise one on tensors: at each point of the loop
/// nest, scalars of the inputs go through the body and are written to the results.
struct LoopOp {
  mlir::Operation *op;
  /// Of each loop; dynamic where no operand's type says.
  llvm::SmallVector<int64_t> bounds;
  llvm::SmallVector<mlir::utils::IteratorType> iterators;
  llvm::SmallVector<TensorAccess> inputs;
  /// One for each result: the tensor whose values the body reads (null if it does not), the
  /// result's map in either case.
  llvm::SmallVector<TensorAccess> inits;
  /// Takes the scalars of inputs, then inits. Null: the operation itself, on scalars.
  mlir::Block *body = nullptr;

  bool isReduction(unsigned loop) const {
    return iterators[loop] == mlir::utils::IteratorType::reduction;
  }
  bool isParallel() const {
    return llvm::all_of(iterators,
                        [](auto type) { return type == mlir::utils::IteratorType::parallel; });
  }
};

/// The loop nest of `op`, if it is one.
std::optional<LoopOp> getLoopOp(mlir::Operation *op);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_LOOPOP_H

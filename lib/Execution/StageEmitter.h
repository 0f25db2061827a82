// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loops of a kernel's stages.
//
#ifndef PTQ_LIB_EXECUTION_STAGEEMITTER_H
#define PTQ_LIB_EXECUTION_STAGEEMITTER_H

#include "KernelGraph.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace ptq::execution {

/// Where a tensor's elements are.
struct Storage {
  mlir::Value memref;
  /// Instead of a memref: the value of all elements.
  mlir::TypedAttr splat;
  /// Leading indices that the memref does not have: it holds one point of the outer loops.
  unsigned droppedIndices = 0;
};

/// Emits all stages of a graph at the builder's insertion point: inside the loops that they share,
/// consecutive stages with the same loops are run together point by point, their values passed on
/// in registers. Reductions over the innermost loops accumulate in registers, others in the result.
class StageEmitter {
public:
  /// `scalars` maps the graph's scalars to those of the function that is emitted.
  StageEmitter(mlir::OpBuilder &builder, mlir::Location loc,
               llvm::DenseMap<mlir::Value, Storage> storage, const mlir::IRMapping &scalars,
               mlir::Value failure)
      : builder(builder), loc(loc), storage(std::move(storage)), scalars(scalars),
        failure(failure) {}

  mlir::LogicalResult emit(const KernelGraph &graph);

private:
  using Values = llvm::SmallVector<mlir::Value>;
  using NestBody = llvm::function_ref<Values(mlir::ValueRange carried)>;
  using Group = llvm::ArrayRef<const KernelStage *>;

  void allocateTemporaries(const KernelGraph &graph);
  mlir::LogicalResult emitGroup(Group group);
  mlir::LogicalResult emitAccumulation(const KernelStage &stage, Values bounds);
  mlir::FailureOr<Values> emitPoint(Group group, mlir::ValueRange running);
  mlir::FailureOr<Values> emitBody(const KernelStage &stage,
                                   llvm::ArrayRef<mlir::Value> accumulators);
  Values emitNest(unsigned loop, unsigned end, llvm::ArrayRef<mlir::Value> bounds,
                  mlir::ValueRange carried, NestBody body);

  Values getBounds(const KernelStage &stage);
  mlir::Value load(TensorAccess access);
  void store(mlir::Value value, mlir::Value tensor, mlir::AffineMap map);
  mlir::Value constant(int64_t value);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  llvm::DenseMap<mlir::Value, Storage> storage;
  const mlir::IRMapping &scalars;
  mlir::Value failure;
  /// Of all loops that are open.
  Values inductionVariables;
  unsigned outerLoops = 0;
  /// Values that the stages of the innermost body have just computed.
  llvm::DenseMap<std::pair<mlir::Value, mlir::AffineMap>, mlir::Value> forwarded;
};

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_STAGEEMITTER_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a plan is made of: one operation, or several that are evaluated as one.
//
#ifndef PTQ_LIB_EXECUTION_NODE_H
#define PTQ_LIB_EXECUTION_NODE_H

#include "Frame.h"

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace ptq::execution {

/// Numbers the values of a function.
class ValueTable {
public:
  ValueId id(mlir::Value value) {
    auto [it, inserted] = ids.try_emplace(value, values.size());
    if (inserted)
      values.push_back(value);
    return it->second;
  }
  mlir::Value value(ValueId id) const { return values[id]; }
  size_t size() const { return values.size(); }

private:
  llvm::DenseMap<mlir::Value, ValueId> ids;
  std::vector<mlir::Value> values;
};

class Node {
public:
  explicit Node(mlir::Operation *op) : op(op) {}
  virtual ~Node() = default;

  /// Evaluates the operation for `frames`: one of them, unless runsTogether().
  virtual llvm::Error run(llvm::ArrayRef<Frame *> frames) = 0;

  /// Says which values are the same for all samples; called before the node is scheduled.
  virtual void setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) {}

  /// Whether all samples are evaluated in one call.
  virtual bool runsTogether() const { return false; }

  /// What a profile calls it.
  virtual std::string name() const { return op->getName().getStringRef().str(); }

  mlir::Operation *op;
  llvm::SmallVector<ValueId> reads;
  llvm::SmallVector<ValueId> writes;
};

using NodePtr = std::unique_ptr<Node>;

/// The static type of `type` with the dynamic extents taken from `shape`.
inline mlir::RankedTensorType withShape(mlir::Type type, llvm::ArrayRef<int64_t> shape) {
  auto ranked = llvm::cast<mlir::RankedTensorType>(type);
  if (ranked.getShape() == shape)
    return ranked;
  return mlir::RankedTensorType::get(shape, ranked.getElementType());
}

/// The scalar as 8 bytes, as kernels take it.
int64_t scalarBits(mlir::Attribute scalar);

/// Nodes for operations of one kind each; null where `op` is none of that kind. They register their
/// operands and results in `values`.
NodePtr makeConstantNode(mlir::Operation *op, ValueTable &values);
NodePtr makeScalarNode(mlir::Operation *op, ValueTable &values);
NodePtr makeReshapeNode(mlir::Operation *op, ValueTable &values);
NodePtr makeCopyNode(mlir::Operation *op, ValueTable &values);
NodePtr makeSoftmaxNode(mlir::Operation *op, ValueTable &values);
NodePtr makeRuntimeCallNode(mlir::Operation *op, ValueTable &values);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_NODE_H

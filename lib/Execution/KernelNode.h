// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates operations that are loops, by a compiled kernel.
//
#ifndef PTQ_LIB_EXECUTION_KERNELNODE_H
#define PTQ_LIB_EXECUTION_KERNELNODE_H

#include "KernelExtraction.h"
#include "LoopOp.h"
#include "Node.h"
#include "ptq/Execution/KernelCache.h"

namespace ptq::execution {

/// First a list of operations, which may be joined with others'; then, once extracted, a kernel.
class KernelNode : public Node {
public:
  /// Null if `op` has no loops. Views that it reads are taken in, where that costs no speed.
  static std::unique_ptr<KernelNode> make(mlir::Operation *op, ValueTable &values);

  /// All operations, in program order, and those of them that are not just views of the kernel's
  /// own.
  llvm::SmallVector<mlir::Operation *> operations, evaluated;

  /// Takes another node's operations in, in program order.
  void join(KernelNode &other);

  /// Fixes the kernel; `isWanted` says which results somebody outside reads.
  void extract(llvm::function_ref<bool(mlir::Value)> isWanted);
  llvm::StringRef text() const { return kernel.text; }
  void setFunction(KernelFunction compiled) { function = compiled; }

  llvm::Error run(llvm::ArrayRef<Frame *> frames) override;
  std::string name() const override;

  /// Recomputes reads and writes: all tensors and scalars that come from outside and are no inline
  /// constants.
  void findReads();

private:
  using Node::Node;
  llvm::Error findShapes(Frame &frame, llvm::SmallVectorImpl<mlir::RankedTensorType> &types);
  llvm::Error checkLoops(Frame &frame, llvm::ArrayRef<mlir::RankedTensorType> outputTypes);

  ValueTable *values = nullptr;
  ExtractedKernel kernel;
  llvm::SmallVector<ValueId> inputs, scalars;
  /// For each output of dynamic shape, the value that has its shape.
  llvm::SmallVector<ValueId> shapeSources;
  std::optional<LoopOp> dynamicLoops;
  KernelFunction function = nullptr;
};

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELNODE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates ptq.linear and ptq.weight_only_linear, and shows their inputs to the observer.
//
#ifndef PTQ_LIB_EXECUTION_LAYERNODES_H
#define PTQ_LIB_EXECUTION_LAYERNODES_H

#include "Node.h"
#include "ptq/Execution/Executor.h"

namespace ptq::execution {

/// Who watches the current run.
struct Observation {
  LinearObserver *observer = nullptr;
  const SampleBlocks *blocks = nullptr; ///< With ends.
  double seconds = 0;
};

class LayerNode : public Node {
public:
  LayerNode(mlir::Operation *op, ValueTable &values);

  /// Set by the plan: whether the observer wants to see the layer, and whether anybody needs its
  /// result.
  bool isObserved = false, isEvaluated = true;
  Observation *observation = nullptr;

  void setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) override;
  bool runsTogether() const override { return together; }
  llvm::Error run(llvm::ArrayRef<Frame *> frames) override;

private:
  llvm::Error observe(llvm::ArrayRef<Frame *> frames,
                      std::optional<std::vector<float>> &replacement);
  llvm::Error evaluate(llvm::ArrayRef<Frame *> frames,
                       std::optional<std::vector<float>> replacement);
  /// The weight as it is stored, or dequantized.
  llvm::Expected<Tensor> getWeight(Frame &frame);

  bool together = true, sharesWeight = true, isSameForAll = false;
  int64_t in, out;
  std::optional<unsigned> biasRead;
};

/// Room for a layer's results, `declared` with the leading extents of its input `from` and `out`
/// channels: one buffer for all frames if their inputs have one shape, which is returned.
bool allocateLayerResults(llvm::ArrayRef<Frame *> frames, ValueId from, ValueId to,
                          mlir::RankedTensorType declared, int64_t out);

std::unique_ptr<LayerNode> makeLayerNode(mlir::Operation *op, ValueTable &values);

/// Nodes for other ptq operations; null where `op` is none of those named. (ptq.observe is a
/// reshape to its own shape.) ptq.quantize and ptq.dequantize:
NodePtr makeQuantizeNode(mlir::Operation *op, ValueTable &values);
/// ptq.scale_channels and ptq.dynamic_quantize:
NodePtr makeActivationNode(mlir::Operation *op, ValueTable &values);
/// ptq.integer_linear and ptq.integer_batch_matmul:
NodePtr makeIntegerNode(mlir::Operation *op, ValueTable &values);
/// ptq.outlier_columns, ptq.select_columns, ptq.drop_columns and ptq.clear_columns:
NodePtr makeColumnNode(mlir::Operation *op, ValueTable &values);
/// ptq.lookup_dequantize:
NodePtr makeLookupNode(mlir::Operation *op, ValueTable &values);
/// ptq.expand_groups:
NodePtr makeExpandGroupsNode(mlir::Operation *op, ValueTable &values);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_LAYERNODES_H

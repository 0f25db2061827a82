// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates a contraction: with a weight for all samples in one GEMM, else sample by sample.
//
#ifndef PTQ_LIB_EXECUTION_CONTRACTIONNODE_H
#define PTQ_LIB_EXECUTION_CONTRACTIONNODE_H

#include "Contraction.h"
#include "Node.h"

namespace ptq::execution {

class ContractionNode : public Node {
public:
  ContractionNode(Contraction contraction, ValueTable &values);

  /// With exactly one operand the same for all samples, the samples are one more loop of the GEMM.
  void setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) override;

  bool runsTogether() const override { return sampleOperand != None; }
  llvm::Error run(llvm::ArrayRef<Frame *> frames) override;

private:
  llvm::Error runOn(llvm::ArrayRef<Frame *> frames, int64_t sampleStride);
  std::optional<GemmProblem> makeProblem(mlir::RankedTensorType a, mlir::RankedTensorType b,
                                         mlir::RankedTensorType c);

  Contraction contraction;
  enum { None, A, B } sampleOperand = None;
  /// Of static operands, without pointers.
  std::optional<GemmProblem> staticProblem;
};

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_CONTRACTIONNODE_H

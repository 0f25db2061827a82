// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ContractionNode.h"
#include "KernelExtraction.h"

using namespace mlir;

namespace ptq::execution {

ContractionNode::ContractionNode(Contraction contraction, ValueTable &values)
    : Node(contraction.op), contraction(std::move(contraction)) {
  reads = {values.id(this->contraction.a.tensor), values.id(this->contraction.b.tensor)};
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (this->contraction.init)
    reads.push_back(values.id(this->contraction.init));
  else if (!type.hasStaticShape())
    reads.push_back(values.id(this->contraction.shapeSource));
  writes = {values.id(op->getResult(0))};
  auto isStatic = [](Value value) {
    return cast<RankedTensorType>(value.getType()).hasStaticShape();
  };
  if (!llvm::all_of(op->getOperands(), isStatic))
    return;
  auto typeA = cast<RankedTensorType>(this->contraction.a.tensor.getType());
  auto typeB = cast<RankedTensorType>(this->contraction.b.tensor.getType());
  staticProblem = makeProblem(typeA, typeB, type);
}

std::optional<GemmProblem> ContractionNode::makeProblem(RankedTensorType a, RankedTensorType b,
                                                        RankedTensorType c) {
  auto problem = execution::makeProblem(contraction, a.getShape(), b.getShape(), c.getShape());
  if (!problem)
    return std::nullopt;
  problem->kindA = *getFloatKind(a.getElementType());
  problem->kindB = *getFloatKind(b.getElementType());
  problem->kindC = *getFloatKind(c.getElementType());
  problem->accumulate = static_cast<bool>(contraction.init);
  return problem;
}

void ContractionNode::setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) {
  bool a = isInvariant(reads[0]), b = isInvariant(reads[1]);
  sampleOperand = a == b ? None : a ? B : A;
}

/// The distance in elements between consecutive samples' tensors, if it is the same for all.
static std::optional<int64_t> getSampleStride(ArrayRef<Frame *> frames, ValueId id) {
  const Tensor &first = frames[0]->tensor(id);
  int64_t width = *elementBytes(first.type.getElementType());
  if (frames.size() == 1)
    return 0;
  int64_t stride = frames[1]->tensor(id).data - first.data;
  for (size_t i = 1; i != frames.size(); ++i) {
    const Tensor &tensor = frames[i]->tensor(id);
    if (tensor.data - first.data != static_cast<int64_t>(i) * stride || tensor.type != first.type)
      return std::nullopt;
  }
  return stride % width == 0 ? std::optional(stride / width) : std::nullopt;
}

llvm::Error ContractionNode::runOn(ArrayRef<Frame *> frames, int64_t sampleStride) {
  Frame &frame = *frames.front();
  Tensor a = frame.written(reads[0]), b = frame.written(reads[1]);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (!type.hasStaticShape())
    type = withShape(type, frame.tensor(reads[2]).type.getShape());
  std::optional<GemmProblem> problem = staticProblem;
  if (!problem) {
    problem = makeProblem(a.type, b.type, type);
    if (!problem)
      return errorAt(op, "the operands' sizes do not agree");
  }
  if (frames.size() > 1) {
    allocateTogether(frames, writes[0], type);
    auto &loops = sampleOperand == A ? problem->m : problem->n;
    loops.insert(loops.begin(),
                 {static_cast<int64_t>(frames.size()), sampleStride, type.getNumElements()});
  } else {
    frame.allocate(writes[0], type);
  }
  for (Frame *each : frames) {
    if (!contraction.init)
      break;
    Tensor init = each->written(reads[2]);
    if (init.type != type)
      return errorAt(op, "the operands' sizes do not agree");
    memcpy(const_cast<char *>(each->tensor(writes[0]).data), init.data, init.numBytes());
  }
  problem->a = a.data;
  problem->b = b.data;
  problem->c = const_cast<char *>(frame.tensor(writes[0]).data);
  if (type.getNumElements() != 0)
    runGemm(std::move(*problem));
  return llvm::Error::success();
}

llvm::Error ContractionNode::run(ArrayRef<Frame *> frames) {
  if (frames.size() > 1) {
    if (staticProblem)
      if (auto stride = getSampleStride(frames, reads[sampleOperand == A ? 0 : 1]))
        return runOn(frames, *stride);
  }
  for (Frame *frame : frames)
    if (llvm::Error error = runOn(frame, 0))
      return error;
  return llvm::Error::success();
}

} // namespace ptq::execution

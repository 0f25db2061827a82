// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.expand_groups: codes in progressive groups to 8-bit integers. Constant weights are the same
// for all samples and are expanded once in a run.

#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/ProgressiveGroups.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class ExpandGroupsNode : public Node {
public:
  ExpandGroupsNode(ExpandGroupsOp op, ValueTable &values) : Node(op) {
    for (Value operand : op->getOperands())
      reads.push_back(values.id(operand));
    writes = {values.id(op.getY())};
  }

  llvm::Error run(ArrayRef<Frame *> frames) override {
    auto expand = cast<ExpandGroupsOp>(op);
    Frame &frame = *frames.front();
    RankedTensorType type = expand.getY().getType();
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    const Tensor &words = frame.written(reads[0]);
    if (int64_t needed = rows * numerics::packedWords(columns, expand.getBits());
        words.numElements() != needed)
      return errorAt(op, "needs " + Twine(needed) + " words, has " + Twine(words.numElements()));
    std::vector<int8_t> codes =
        numerics::unpackCodes(words.as<uint32_t>(), rows, columns, expand.getBits());
    std::vector<int8_t> integers =
        numerics::expandGroups(codes, frame.written(reads[1]).as<int8_t>(),
                               frame.written(reads[2]).as<int8_t>(), expand.getGroupSize());
    llvm::copy(integers, reinterpret_cast<int8_t *>(frame.allocate(writes[0], type)));
    return llvm::Error::success();
  }
};
} // namespace

NodePtr makeExpandGroupsNode(Operation *op, ValueTable &values) {
  if (auto expand = dyn_cast<ExpandGroupsOp>(op))
    return std::make_unique<ExpandGroupsNode>(expand, values);
  return nullptr;
}

} // namespace ptq::execution

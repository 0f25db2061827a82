// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.lookup_dequantize: codes to floats through a table, in float32, or float64 where the result
// is. Constant weights are the same for all samples and are looked up once in a run.
//
#include "Elements.h"
#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/LookupDequantize.h"
#include "ptq/Numerics/Packing.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class LookupNode : public Node {
public:
  LookupNode(LookupDequantizeOp op, ValueTable &values) : Node(op) {
    for (Value operand : op->getOperands())
      reads.push_back(values.id(operand));
    writes = {values.id(op.getY())};
  }

  llvm::Error run(ArrayRef<Frame *> frames) override {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Frame &frame = *frames.front();
    if (llvm::Error error = check(frame, type))
      return error;
    if (type.getElementType().isF64())
      lookUp<double>(frame, type, readDoubles);
    else
      lookUp<float>(frame, type, readFloats);
    return llvm::Error::success();
  }

private:
  /// Operands may have dynamic shapes.
  llvm::Error check(Frame &frame, RankedTensorType type) {
    auto lookup = cast<LookupDequantizeOp>(op);
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1), bits = lookup.getBits();
    const int64_t needed[] = {rows * numerics::packedWords(columns, bits), int64_t(1) << bits,
                              rows * int64_t(llvm::divideCeil(columns, lookup.getGroupSize())), 1};
    const char *const names[] = {"words", "entries", "scales", "offsets"};
    for (auto [i, id] : llvm::enumerate(reads))
      if (int64_t given = frame.written(id).numElements(); given != needed[i])
        return errorAt(op, "needs " + Twine(needed[i]) + " " + names[i] + ", has " + Twine(given));
    return llvm::Error::success();
  }

  template <typename T>
  void lookUp(Frame &frame, RankedTensorType type, std::vector<T> (*read)(const Tensor &)) {
    auto lookup = cast<LookupDequantizeOp>(op);
    std::vector<T> table = read(frame.written(reads[1])), scales = read(frame.written(reads[2]));
    numerics::LookupWeight<T> weight;
    weight.bits = lookup.getBits();
    weight.groupSize = lookup.getGroupSize();
    weight.words = frame.written(reads[0]).as<uint32_t>();
    weight.table = table;
    weight.scales = scales;
    if (lookup.getOffset())
      weight.offset = read(frame.written(reads[3])).front();
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    std::vector<T> storage;
    char *to = frame.allocate(writes[0], type);
    bool direct = type.getElementTypeBitWidth() == 8 * sizeof(T);
    if (!direct)
      storage.resize(rows * columns);
    numerics::dequantize(
        weight,
        numerics::MatrixRef<T>(direct ? reinterpret_cast<T *>(to) : storage.data(), rows, columns));
    if (!direct)
      writeFloats(storage, type.getElementType(), to);
  }
};
} // namespace

NodePtr makeLookupNode(Operation *op, ValueTable &values) {
  if (auto lookup = dyn_cast<LookupDequantizeOp>(op))
    return std::make_unique<LookupNode>(lookup, values);
  return nullptr;
}

} // namespace ptq::execution

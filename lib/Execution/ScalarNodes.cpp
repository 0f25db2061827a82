// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalars at function level: sizes, positions, conditions. They are few, so each operation's own
// folder evaluates them.
//
#include "KernelExtraction.h"
#include "Node.h"
#include "StridedCopy.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace ptq::execution {

int64_t scalarBits(Attribute scalar) {
  if (auto number = dyn_cast<IntegerAttr>(scalar))
    return number.getValue().getZExtValue();
  return cast<FloatAttr>(scalar).getValue().bitcastToAPInt().getZExtValue();
}

/// The scalar of `type` whose first bytes in memory are at `data`.
static Attribute scalarFromMemory(Type type, const char *data) {
  uint64_t bits = 0;
  memcpy(&bits, data, *elementBytes(type));
  if (auto floating = dyn_cast<FloatType>(type))
    return FloatAttr::get(type,
                          APFloat(floating.getFloatSemantics(), APInt(floating.getWidth(), bits)));
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  return IntegerAttr::get(type, APInt(width, bits, /*isSigned=*/false, /*implicitTrunc=*/true));
}

namespace {
/// Any pure operation on scalars.
class FoldNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    SmallVector<Attribute> operands;
    for (ValueId id : reads)
      operands.push_back(frame.scalar(id));
    SmallVector<OpFoldResult> results;
    if (failed(op->fold(operands, results)) || results.size() != writes.size())
      return errorAt(op, "cannot be evaluated on these operands (a division by zero, or an "
                         "operation without a folder)");
    for (auto [id, result] : llvm::zip(writes, results)) {
      Attribute value = dyn_cast<Attribute>(result);
      if (!value)
        value = operands[llvm::find(op->getOperands(), cast<Value>(result)) - op->operand_begin()];
      if (!isa<IntegerAttr, FloatAttr>(value))
        return errorAt(op, "does not fold to a number");
      frame.setScalar(id, value);
    }
    return llvm::Error::success();
  }
};

class DimNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    ArrayRef<int64_t> shape = frame.tensor(reads[0]).type.getShape();
    int64_t dim = cast<IntegerAttr>(frame.scalar(reads[1])).getInt();
    if (dim < 0 || dim >= static_cast<int64_t>(shape.size()))
      return errorAt(op, "dimension " + Twine(dim) + " of a tensor of rank " + Twine(shape.size()));
    frame.setScalar(writes[0], IntegerAttr::get(IndexType::get(op->getContext()), shape[dim]));
    return llvm::Error::success();
  }
};

class ExtractNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    const Tensor &tensor = frame.written(reads[0]);
    int64_t offset = 0;
    for (auto [size, id] : llvm::zip(tensor.type.getShape(), ArrayRef(reads).drop_front())) {
      int64_t index = cast<IntegerAttr>(frame.scalar(id)).getInt();
      if (index < 0 || index >= size)
        return errorAt(op, "index " + Twine(index) + " out of range of a dimension of size " +
                               Twine(size));
      offset = offset * size + index;
    }
    Type type = tensor.type.getElementType();
    frame.setScalar(writes[0], scalarFromMemory(type, tensor.data + offset * *elementBytes(type)));
    return llvm::Error::success();
  }
};

/// tensor.from_elements, and tensor.splat.
class FromElementsNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t width = *elementBytes(type.getElementType());
    char *to = frame.allocate(writes[0], type);
    for (int64_t i = 0, count = type.getNumElements(); i != count; ++i) {
      int64_t bits = scalarBits(frame.scalar(reads[reads.size() == 1 ? 0 : i]));
      memcpy(to + i * width, &bits, width);
    }
    return llvm::Error::success();
  }
};

class AssertNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    if (!cast<IntegerAttr>(frames.front()->scalar(reads[0])).getValue().isZero())
      return llvm::Error::success();
    return errorAt(op, "assertion failed: " + cast<cf::AssertOp>(op).getMsg());
  }
};
} // namespace

NodePtr makeScalarNode(Operation *op, ValueTable &values) {
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat() && elementBytes(type); };
  NodePtr node;
  if (isa<tensor::DimOp>(op))
    node = std::make_unique<DimNode>(op);
  else if (isa<tensor::ExtractOp>(op))
    node = std::make_unique<ExtractNode>(op);
  else if (isa<tensor::FromElementsOp>(op) ||
           (isa<tensor::SplatOp>(op) &&
            cast<RankedTensorType>(op->getResult(0).getType()).hasStaticShape()))
    node = std::make_unique<FromElementsNode>(op);
  else if (isa<cf::AssertOp>(op))
    node = std::make_unique<AssertNode>(op);
  else if (op->getNumRegions() == 0 && op->getNumResults() > 0 &&
           llvm::all_of(op->getResultTypes(), isScalar) &&
           llvm::all_of(op->getOperandTypes(), isScalar) && isMemoryEffectFree(op))
    node = std::make_unique<FoldNode>(op);
  else
    return nullptr;
  for (Value operand : op->getOperands())
    node->reads.push_back(values.id(operand));
  for (Value result : op->getResults())
    node->writes.push_back(values.id(result));
  return node;
}

} // namespace ptq::execution

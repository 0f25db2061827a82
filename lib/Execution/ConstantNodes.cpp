// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values that are there from the start: constants, globals, tensors without values.
//
#include "KernelExtraction.h"
#include "Node.h"

#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class ConstantNode : public Node {
public:
  ConstantNode(Operation *op, Attribute attribute) : Node(op), attribute(attribute) {}
  llvm::Error run(ArrayRef<Frame *> frames) override {
    auto elements = dyn_cast<ElementsAttr>(attribute);
    if (!elements) {
      if (!isa<IntegerAttr, FloatAttr>(attribute))
        return errorAt(op, "holds a constant that is neither a number nor a tensor");
      frames.front()->setScalar(writes[0], attribute);
      return llvm::Error::success();
    }
    auto tensor = tensorFromAttribute(elements);
    if (!tensor)
      return errorAt(op, llvm::toString(tensor.takeError()));
    frames.front()->setTensor(writes[0], std::move(*tensor));
    return llvm::Error::success();
  }

private:
  Attribute attribute;
};

class GlobalNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    auto load = cast<ml_program::GlobalLoadConstOp>(op);
    ml_program::GlobalOp global = load.getGlobalOp(symbols);
    StringRef name = load.getGlobal().getLeafReference();
    if (!global)
      return errorAt(op, "the global '" + name + "' does not exist");
    auto elements = dyn_cast_or_null<ElementsAttr>(global.getValue().value_or(Attribute()));
    if (!elements)
      return errorAt(op, "the global '" + name +
                             "' has no value here (it is extern); load the parameters from their "
                             "checkpoint first");
    auto tensor = tensorFromAttribute(elements);
    if (!tensor)
      return errorAt(op, llvm::toString(tensor.takeError()));
    frames.front()->setTensor(writes[0], std::move(*tensor));
    return llvm::Error::success();
  }

private:
  SymbolTableCollection symbols;
};

class EmptyNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    auto shape = llvm::to_vector(type.getShape());
    const ValueId *next = reads.begin();
    for (int64_t &size : shape)
      if (ShapedType::isDynamic(size)) {
        size = cast<IntegerAttr>(frame.scalar(*next++)).getInt();
        if (size < 0)
          return errorAt(op, "a dimension of negative size " + Twine(size));
      }
    frame.setTensor(writes[0], {withShape(type, shape), nullptr, nullptr});
    return llvm::Error::success();
  }
};
} // namespace

NodePtr makeConstantNode(Operation *op, ValueTable &values) {
  NodePtr node;
  Attribute attribute;
  if (isa<ml_program::GlobalLoadConstOp>(op)) {
    node = std::make_unique<GlobalNode>(op);
  } else if (isa<tensor::EmptyOp>(op)) {
    node = std::make_unique<EmptyNode>(op);
    for (Value operand : op->getOperands())
      node->reads.push_back(values.id(operand));
  } else if (op->getNumResults() == 1 && matchPattern(op, m_Constant(&attribute))) {
    node = std::make_unique<ConstantNode>(op, attribute);
  } else {
    return nullptr;
  }
  node->writes.push_back(values.id(op->getResult(0)));
  return node;
}

} // namespace ptq::execution

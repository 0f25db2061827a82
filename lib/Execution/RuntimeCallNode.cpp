// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls of the CPU runtime's functions, which --ptq-to-cpu leaves: the same code that a compiled
// module calls, without the descriptors.
//
#include "KernelExtraction.h"
#include "Node.h"
#include "ptq/Runtime/Function.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class RuntimeCallNode : public Node {
public:
  RuntimeCallNode(func::CallOp call, const runtime::Function &function, ValueTable &values)
      : Node(call), function(function) {
    for (Value operand : call.getOperands())
      reads.push_back(values.id(operand));
    for (Value result : call.getResults())
      writes.push_back(values.id(result));
  }

  std::string name() const override { return function.name.str(); }

  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    std::vector<runtime::Argument> arguments;
    for (auto [type, id] : llvm::zip(function.operands, reads)) {
      runtime::Argument &argument = arguments.emplace_back();
      if (type.rank == 0) {
        argument.scalar = static_cast<int32_t>(cast<IntegerAttr>(frame.scalar(id)).getInt());
        continue;
      }
      const Tensor &tensor = frame.written(id);
      argument.data = tensor.data;
      argument.shape.assign(tensor.type.getShape().begin(), tensor.type.getShape().end());
    }
    auto allocate = [&](unsigned result, ArrayRef<int64_t> shape) -> void * {
      return frame.allocate(writes[result], withShape(op->getResult(result).getType(), shape));
    };
    if (llvm::Error error = function.call(arguments, allocate))
      return errorAt(op, toString(std::move(error)));
    return llvm::Error::success();
  }

private:
  const runtime::Function &function;
};
} // namespace

static bool isOfType(Type type, runtime::Type wanted) {
  Type element = getElementTypeOrSelf(type);
  auto tensor = dyn_cast<RankedTensorType>(type);
  unsigned rank = tensor ? tensor.getRank() : 0;
  switch (wanted.element) {
  case runtime::Element::F32:
    return element.isF32() && rank == wanted.rank;
  case runtime::Element::I8:
    return element.isInteger(8) && rank == wanted.rank;
  case runtime::Element::I32:
    return element.isInteger(32) && rank == wanted.rank;
  }
  llvm_unreachable("not an element type");
}

NodePtr makeRuntimeCallNode(Operation *op, ValueTable &values) {
  auto call = dyn_cast<func::CallOp>(op);
  const runtime::Function *function = call ? runtime::findFunction(call.getCallee()) : nullptr;
  if (!function)
    return nullptr;
  auto match = [](TypeRange types, ArrayRef<runtime::Type> wanted) {
    return types.size() == wanted.size() && llvm::all_of(llvm::zip(types, wanted), [](auto pair) {
             return isOfType(std::get<0>(pair), std::get<1>(pair));
           });
  };
  if (!match(call.getOperandTypes(), function->operands) ||
      !match(call.getResultTypes(), function->results))
    return nullptr;
  return std::make_unique<RuntimeCallNode>(call, *function, values);
}

} // namespace ptq::execution

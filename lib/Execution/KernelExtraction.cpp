// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelExtraction.h"
#include "KernelEmitter.h"
#include "LoopOp.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ptq::execution {

std::string describe(Location location) {
  if (auto file = location->findInstanceOf<FileLineColLoc>())
    return (file.getFilename().getValue() + ":" + Twine(file.getLine()) + ":" +
            Twine(file.getColumn()) + ": ")
        .str();
  if (auto named = location->findInstanceOf<NameLoc>())
    return (named.getName().getValue() + ": ").str();
  return "";
}

llvm::Error errorAt(Operation *op, const Twine &message) {
  return llvm::createStringError(describe(op->getLoc()) + "'" + op->getName().getStringRef() +
                                 "': " + message);
}

TypedAttr getSplatConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
    if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
      return cast<TypedAttr>(splat.getSplatValue<Attribute>());
    return {};
  }
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op)) {
    TypedAttr attribute;
    if (cast<RankedTensorType>(value.getType()).hasStaticShape() &&
        matchPattern(fill.value(), m_Constant(&attribute)))
      return attribute;
  }
  return {};
}

namespace {
class Extractor {
public:
  Extractor(ArrayRef<Operation *> ops, ArrayRef<Value> outputs) : ops(ops), outputs(outputs) {}
  ExtractedKernel extract();

private:
  void use(Value value, bool isIndexed);
  void collect(Operation *op);
  Value placeholder(OpBuilder &builder, RankedTensorType type);
  void number(Operation *original, Operation *clone);

  ArrayRef<Operation *> ops;
  ArrayRef<Value> outputs;
  llvm::DenseSet<Value> internal;
  llvm::SetVector<Value> tensors, scalars, constants;
  llvm::DenseSet<OpOperand *> unread;
  ExtractedKernel kernel;
};
} // namespace

/// `isIndexed`: the tensor is read by the operation's own maps, so that a splat needs no memory.
void Extractor::use(Value value, bool isIndexed) {
  if (internal.contains(value))
    return;
  if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
    if (isIndexed && type.hasStaticShape() && getSplatConstant(value))
      constants.insert(value);
    else
      tensors.insert(value);
  } else if (matchPattern(value, m_Constant())) {
    constants.insert(value);
  } else {
    scalars.insert(value);
  }
}

/// Notes all values that `op` takes from outside.
void Extractor::collect(Operation *op) {
  if (auto structured = dyn_cast<linalg::LinalgOp>(op))
    for (OpOperand &init : structured.getDpsInitsMutable())
      if (!structured.payloadUsesValueFromOperand(&init))
        unread.insert(&init);
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands()) {
      Operation *owner = operand.get().getParentBlock()->getParentOp();
      if (!unread.contains(&operand) && !op->isAncestor(owner))
        use(operand.get(), inner == op);
    }
  });
}

/// A tensor whose values nobody reads.
Value Extractor::placeholder(OpBuilder &builder, RankedTensorType type) {
  SmallVector<Value> sizes;
  for (int64_t i = 0; i != int64_t(type.getNumDynamicDims()); ++i)
    sizes.push_back(arith::ConstantIndexOp::create(builder, builder.getUnknownLoc(), 0));
  return tensor::EmptyOp::create(builder, builder.getUnknownLoc(), type, sizes);
}

/// Numbers the checks of a clone, and keeps what they say.
void Extractor::number(Operation *original, Operation *clone) {
  SmallVector<Operation *> originals;
  original->walk([&](Operation *inner) { originals.push_back(inner); });
  size_t next = 0;
  clone->walk([&](Operation *inner) {
    Operation *from = originals[next++];
    inner->setDiscardableAttrs(ArrayRef<NamedAttribute>());
    std::string message;
    if (auto assertion = dyn_cast<cf::AssertOp>(from)) {
      message = ("assertion failed: " + assertion.getMsg()).str();
      // The message is not part of the structure.
      cast<cf::AssertOp>(inner).setMsg("");
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(from)) {
      llvm::raw_string_ostream(message)
          << "index out of range of " << extract.getTensor().getType();
    } else if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
                   arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(from)) {
      message = "integer division by zero or overflow";
    } else {
      return;
    }
    kernel.checks.push_back(describe(from->getLoc()) + "'" + from->getName().getStringRef().str() +
                            "': " + message);
    inner->setAttr(checkAttribute, IntegerAttr::get(IntegerType::get(inner->getContext(), 32),
                                                    kernel.checks.size()));
  });
}

ExtractedKernel Extractor::extract() {
  for (Operation *op : ops)
    internal.insert(op->result_begin(), op->result_end());
  for (Operation *op : ops)
    collect(op);

  SmallVector<Type> arguments;
  for (Value value : tensors)
    arguments.push_back(value.getType());
  for (Value value : scalars)
    arguments.push_back(value.getType());
  MLIRContext *context = ops.front()->getContext();
  OpBuilder builder(context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<func::FuncOp> function = func::FuncOp::create(
      loc, "kernel", builder.getFunctionType(arguments, ValueRange(outputs).getTypes()));
  Block *block = function->addEntryBlock();
  builder.setInsertionPointToStart(block);
  IRMapping mapping;
  mapping.map(tensors.getArrayRef(), block->getArguments().take_front(tensors.size()));
  mapping.map(scalars.getArrayRef(), block->getArguments().drop_front(tensors.size()));
  for (Value value : constants) {
    TypedAttr attribute;
    if (auto type = dyn_cast<RankedTensorType>(value.getType()))
      attribute = SplatElementsAttr::get(type, Attribute(getSplatConstant(value)));
    else
      matchPattern(value, m_Constant(&attribute));
    mapping.map(value, arith::ConstantOp::create(builder, loc, attribute).getResult());
  }
  for (Operation *op : ops) {
    IRMapping own = mapping;
    for (OpOperand &operand : op->getOpOperands())
      if (unread.contains(&operand) && !own.contains(operand.get()))
        own.map(operand.get(),
                placeholder(builder, cast<RankedTensorType>(operand.get().getType())));
    Operation *clone = builder.clone(*op, own);
    number(op, clone);
    mapping.map(op->getResults(), clone->getResults());
  }
  SmallVector<Value> returned;
  for (Value output : outputs)
    returned.push_back(mapping.lookup(output));
  func::ReturnOp::create(builder, loc, returned);

  llvm::raw_string_ostream stream(kernel.text);
  function->print(stream, OpPrintingFlags().printGenericOpForm().useLocalScope());
  kernel.inputs.assign(tensors.begin(), tensors.end());
  kernel.scalars.assign(scalars.begin(), scalars.end());
  kernel.outputs.assign(outputs.begin(), outputs.end());
  return std::move(kernel);
}

ExtractedKernel extractKernel(ArrayRef<Operation *> ops, ArrayRef<Value> outputs) {
  return Extractor(ops, outputs).extract();
}

} // namespace ptq::execution

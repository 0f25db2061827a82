// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeCalls.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

static mlir::Type typeOf(MLIRContext *context, runtime::Type type) {
  mlir::Type element = type.element == runtime::Element::F32 ? mlir::Type(Float32Type::get(context))
                       : type.element == runtime::Element::I8 ? IntegerType::get(context, 8)
                                                              : IntegerType::get(context, 32);
  if (type.rank == 0)
    return element;
  return RankedTensorType::get(SmallVector<int64_t>(type.rank, ShapedType::kDynamic), element);
}

func::FuncOp RuntimeCalls::declare(const runtime::Function &function, Location loc) {
  if (auto known = symbols.lookup<func::FuncOp>(function.name))
    return known;
  MLIRContext *context = loc.getContext();
  auto types = [&](ArrayRef<runtime::Type> of) {
    return llvm::map_to_vector(of, [&](runtime::Type type) { return typeOf(context, type); });
  };
  auto type = FunctionType::get(context, types(function.operands), types(function.results));
  OpBuilder b(context);
  auto declaration = func::FuncOp::create(b, symbols.getOp()->getLoc(), function.name, type);
  declaration.setPrivate();
  declaration->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(), b.getUnitAttr());
  // For one-shot bufferization: no operand is written, so none is copied.
  for (auto [i, operand] : llvm::enumerate(function.operands))
    if (operand.rank > 0)
      declaration.setArgAttr(i, bufferization::BufferizationDialect::kBufferAccessAttrName,
                             b.getStringAttr("read"));
  symbols.insert(declaration, cast<ModuleOp>(symbols.getOp()).getBody()->begin());
  return declaration;
}

ValueRange RuntimeCalls::call(OpBuilder &b, Location loc, StringRef name, ValueRange operands) {
  const runtime::Function *function = runtime::findFunction(name);
  func::FuncOp callee = declare(*function, loc);
  SmallVector<Value> converted;
  for (auto [operand, wanted] : llvm::zip_equal(operands, callee.getArgumentTypes())) {
    if (!operand) {
      auto type = cast<RankedTensorType>(wanted);
      auto empty = type.clone(SmallVector<int64_t>(type.getRank(), 0));
      operand =
          arith::ConstantOp::create(b, loc, DenseElementsAttr::get(empty, ArrayRef<Attribute>()));
    }
    converted.push_back(operand.getType() == wanted
                            ? operand
                            : tensor::CastOp::create(b, loc, wanted, operand).getResult());
  }
  return func::CallOp::create(b, loc, callee, converted).getResults();
}

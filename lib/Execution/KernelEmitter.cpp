// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelEmitter.h"
#include "StageEmitter.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ptq::execution {

namespace {
class Emitter {
public:
  Emitter(func::FuncOp source, ModuleOp module, StringRef name)
      : source(source), module(module), name(name), builder(module.getContext()),
        loc(source.getLoc()), converter(module.getContext()) {}

  LogicalResult emit();

private:
  func::FuncOp emitSignature();
  void emitEntry(func::FuncOp loops);
  Value emitMemRef(RankedTensorType type, Value pointer);
  Value emitScalarArgument(Type type, Value bits);
  void emitConstants();
  void emitArguments(func::FuncOp loops);

  func::FuncOp source;
  ModuleOp module;
  StringRef name;
  OpBuilder builder;
  Location loc;
  LLVMTypeConverter converter;

  SmallVector<Value> nextScalars; ///< i64 arguments not yet taken, first one last.
  IRMapping scalars;              ///< From the source's scalars to the loops'.
  llvm::DenseMap<Value, Storage> storage;
};
} // namespace

void loadKernelDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                      memref::MemRefDialect, scf::SCFDialect, affine::AffineDialect>();
}

func::FuncOp Emitter::emitSignature() {
  SmallVector<Type> types;
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  unsigned pointers = 0, scalars = 0;
  auto count = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type)) {
      ++pointers;
      scalars += tensor.getNumDynamicDims();
    } else {
      ++scalars;
    }
  };
  llvm::for_each(source.getArgumentTypes(), count);
  llvm::for_each(source.getResultTypes(), count);
  types.append(pointers, pointer);
  types.append(scalars, builder.getI64Type());
  types.push_back(pointer);

  builder.setInsertionPointToEnd(module.getBody());
  auto loops = func::FuncOp::create(builder, loc, (name + "_loops").str(),
                                    builder.getFunctionType(types, {}));
  loops.setPrivate();
  loops->setAttr("passthrough", builder.getStrArrayAttr({"noinline"}));
  for (unsigned i = 0; i != pointers; ++i)
    loops.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
  loops.setArgAttr(types.size() - 1, "llvm.noalias", builder.getUnitAttr());
  return loops;
}

/// The function with the uniform signature.
void Emitter::emitEntry(func::FuncOp loops) {
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  Type i64 = builder.getI64Type();
  builder.setInsertionPointToEnd(module.getBody());
  auto entry = func::FuncOp::create(builder, loc, name,
                                    builder.getFunctionType({pointer, pointer, pointer}, {}));
  Block *block = entry.addEntryBlock();
  builder.setInsertionPointToStart(block);
  SmallVector<Value> operands;
  int32_t pointers = 0, scalars = 0;
  for (Type type : loops.getArgumentTypes().drop_back()) {
    bool isPointer = isa<LLVM::LLVMPointerType>(type);
    int32_t index = isPointer ? pointers++ : scalars++;
    Value address =
        LLVM::GEPOp::create(builder, loc, pointer, isPointer ? pointer : i64,
                            block->getArgument(isPointer ? 0 : 1), ArrayRef<LLVM::GEPArg>{index});
    operands.push_back(LLVM::LoadOp::create(builder, loc, type, address));
  }
  operands.push_back(block->getArgument(2));
  func::CallOp::create(builder, loc, loops, operands);
  func::ReturnOp::create(builder, loc);
}

/// A memref of the identity layout over `pointer`; sizes that the type does not know are the next
/// scalars.
Value Emitter::emitMemRef(RankedTensorType type, Value pointer) {
  auto memrefType = MemRefType::get(type.getShape(), type.getElementType());
  auto descriptor = MemRefDescriptor::poison(builder, loc, converter.convertType(memrefType));
  descriptor.setAllocatedPtr(builder, loc, pointer);
  descriptor.setAlignedPtr(builder, loc, pointer);
  descriptor.setConstantOffset(builder, loc, 0);
  SmallVector<Value> sizes;
  for (int64_t size : type.getShape())
    if (ShapedType::isDynamic(size))
      sizes.push_back(nextScalars.pop_back_val());
    else
      sizes.push_back(LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), size));
  Value stride = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), 1);
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    descriptor.setSize(builder, loc, dim, sizes[dim]);
    descriptor.setStride(builder, loc, dim, stride);
    if (dim > 0)
      stride = LLVM::MulOp::create(builder, loc, stride, sizes[dim]);
  }
  return UnrealizedConversionCastOp::create(builder, loc, memrefType, Value(descriptor))
      .getResult(0);
}

Value Emitter::emitScalarArgument(Type type, Value bits) {
  if (type.isIndex())
    return arith::IndexCastOp::create(builder, loc, type, bits);
  unsigned width = type.getIntOrFloatBitWidth();
  Value narrow = width == 64
                     ? bits
                     : arith::TruncIOp::create(builder, loc, builder.getIntegerType(width), bits);
  return isa<FloatType>(type) ? arith::BitcastOp::create(builder, loc, type, narrow) : narrow;
}

void Emitter::emitConstants() {
  for (auto constant : source.front().getOps<arith::ConstantOp>())
    if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
      storage[constant] = {Value(), cast<TypedAttr>(splat.getSplatValue<Attribute>()), 0};
    else
      builder.clone(*constant, scalars);
}

/// Makes memrefs and scalars of the arguments of `loops`.
void Emitter::emitArguments(func::FuncOp loops) {
  auto isPointer = [](Value value) { return isa<LLVM::LLVMPointerType>(value.getType()); };
  ArrayRef<BlockArgument> arguments = loops.getArguments().drop_back();
  ArrayRef<BlockArgument> pointers = arguments.take_while(isPointer);
  ArrayRef<BlockArgument> numbers = arguments.drop_front(pointers.size());
  nextScalars.assign(numbers.begin(), numbers.end());
  std::reverse(nextScalars.begin(), nextScalars.end());
  auto addTensor = [&](Value tensor) {
    storage[tensor] = {emitMemRef(cast<RankedTensorType>(tensor.getType()), pointers.front()),
                       TypedAttr(), 0};
    pointers = pointers.drop_front();
  };
  for (BlockArgument argument : source.getArguments())
    if (isa<RankedTensorType>(argument.getType()))
      addTensor(argument);
  for (Value output : source.front().getTerminator()->getOperands())
    addTensor(output);
  for (BlockArgument argument : source.getArguments())
    if (!isa<RankedTensorType>(argument.getType()))
      scalars.map(argument, emitScalarArgument(argument.getType(), nextScalars.pop_back_val()));
}

LogicalResult Emitter::emit() {
  Operation *terminator = source.front().getTerminator();
  llvm::DenseSet<Value> outputs(terminator->operand_begin(), terminator->operand_end());
  SmallVector<Operation *> operations;
  for (Operation &op : source.front().without_terminator())
    if (!isa<arith::ConstantOp, tensor::EmptyOp>(op))
      operations.push_back(&op);
  auto graph = buildKernelGraph(operations, [&](Value value) { return outputs.contains(value); });
  if (!graph || !graph->isExecutable())
    return emitError(loc, "has no form as loops");

  func::FuncOp loops = emitSignature();
  builder.setInsertionPointToStart(loops.addEntryBlock());
  emitArguments(loops);
  emitConstants();
  StageEmitter stages(builder, loc, std::move(storage), scalars, loops.getArguments().back());
  if (failed(stages.emit(*graph)))
    return failure();
  func::ReturnOp::create(builder, loc);
  emitEntry(loops);
  return success();
}

LogicalResult emitKernel(func::FuncOp source, ModuleOp module, StringRef name) {
  return Emitter(source, module, name).emit();
}

} // namespace ptq::execution

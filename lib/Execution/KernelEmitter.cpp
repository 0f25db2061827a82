// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelEmitter.h"
#include "KernelBody.h"
#include "KernelGraph.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ptq::execution {

namespace {
/// Where a tensor's elements are, for the stages.
struct Storage {
  Value memref;
  TypedAttr splat;
  /// Leading indices that the memref does not have: it holds one point of the outer loops.
  unsigned droppedIndices = 0;
};

class Emitter {
public:
  Emitter(func::FuncOp source, ModuleOp module, StringRef name)
      : source(source), module(module), name(name), builder(module.getContext()), loc(source.getLoc()),
        converter(module.getContext()) {}

  LogicalResult emit();

private:
  using Indices = SmallVector<Value>;
  using NestBody = llvm::function_ref<SmallVector<Value>(ValueRange)>;

  func::FuncOp emitSignature();
  void emitEntry(func::FuncOp loops);
  Value emitMemRef(RankedTensorType type, Value pointer);
  Value emitScalarArgument(Type type, Value bits);
  LogicalResult findStorage();
  LogicalResult allocateTemporaries(const KernelGraph &graph);

  LogicalResult emitGroup(ArrayRef<const KernelStage *> group);
  LogicalResult emitAccumulation(const KernelStage &stage, ArrayRef<Value> bounds);
  SmallVector<Value> emitNest(unsigned loop, unsigned end, ArrayRef<Value> bounds, ValueRange carried, NestBody body);
  FailureOr<SmallVector<Value>> emitBody(const KernelStage &stage, ArrayRef<Value> accumulators);

  SmallVector<Value> getBounds(const KernelStage &stage);
  Value load(TensorAccess access);
  void store(Value value, Value tensor, AffineMap map);
  Value constant(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

  func::FuncOp source;
  ModuleOp module;
  StringRef name;
  OpBuilder builder;
  Location loc;
  LLVMTypeConverter converter;

  SmallVector<Value> nextScalars; ///< i64 arguments not yet taken, first one last.
  Value failure;
  IRMapping mapping; ///< From the source's scalars to the loops'.
  llvm::DenseMap<Value, Storage> storage;
  Indices ivs; ///< Of all loops that are open.
  unsigned outerLoops = 0;
  /// Values that the stages of the innermost body have just computed.
  llvm::DenseMap<std::pair<Value, AffineMap>, Value> forwarded;
};
} // namespace

void loadKernelDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, memref::MemRefDialect,
                      scf::SCFDialect, affine::AffineDialect>();
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
  auto loops = func::FuncOp::create(builder, loc, (name + "_loops").str(), builder.getFunctionType(types, {}));
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
  auto entry = func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer, pointer, pointer}, {}));
  Block *block = entry.addEntryBlock();
  builder.setInsertionPointToStart(block);
  SmallVector<Value> operands;
  int32_t pointers = 0, scalars = 0;
  for (Type type : loops.getArgumentTypes().drop_back()) {
    bool isPointer = isa<LLVM::LLVMPointerType>(type);
    int32_t index = isPointer ? pointers++ : scalars++;
    Value address = LLVM::GEPOp::create(builder, loc, pointer, isPointer ? pointer : i64,
                                        block->getArgument(isPointer ? 0 : 1), ArrayRef<LLVM::GEPArg>{index});
    operands.push_back(LLVM::LoadOp::create(builder, loc, type, address));
  }
  operands.push_back(block->getArgument(2));
  func::CallOp::create(builder, loc, loops, operands);
  func::ReturnOp::create(builder, loc);
}

/// A memref of the identity layout over `pointer`; sizes that the type does not know are the next scalars.
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
  return UnrealizedConversionCastOp::create(builder, loc, memrefType, Value(descriptor)).getResult(0);
}

Value Emitter::emitScalarArgument(Type type, Value bits) {
  if (type.isIndex())
    return arith::IndexCastOp::create(builder, loc, type, bits);
  unsigned width = type.getIntOrFloatBitWidth();
  Value narrow = width == 64 ? bits : arith::TruncIOp::create(builder, loc, builder.getIntegerType(width), bits);
  return isa<FloatType>(type) ? arith::BitcastOp::create(builder, loc, type, narrow) : narrow;
}

/// Constants in the text, and the operations on them that stay outside the loops.
LogicalResult Emitter::findStorage() {
  for (Operation &op : source.front().without_terminator()) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (!constant)
      continue;
    if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
      storage[constant] = {Value(), cast<TypedAttr>(splat.getSplatValue<Attribute>()), 0};
    else
      builder.clone(op, mapping);
  }
  return success();
}

LogicalResult Emitter::allocateTemporaries(const KernelGraph &graph) {
  for (Value value : graph.temporaries) {
    auto type = cast<RankedTensorType>(value.getType());
    ArrayRef<int64_t> shape = type.getShape().drop_front(graph.outerLoops);
    Value memref = memref::AllocaOp::create(builder, loc, MemRefType::get(shape, type.getElementType()),
                                            builder.getI64IntegerAttr(64));
    storage[value] = {memref, TypedAttr(), graph.outerLoops};
  }
  return success();
}

SmallVector<Value> Emitter::getBounds(const KernelStage &stage) {
  SmallVector<Value> bounds(stage.bounds.size());
  for (auto [loop, bound] : llvm::enumerate(stage.bounds))
    if (!ShapedType::isDynamic(bound))
      bounds[loop] = constant(bound);
  auto take = [&](Value tensor, AffineMap map) {
    auto it = storage.find(tensor);
    if (it == storage.end() || !it->second.memref || it->second.droppedIndices)
      return;
    for (auto [dim, expression] : llvm::enumerate(map.getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expression); loop && !bounds[loop.getPosition()])
        bounds[loop.getPosition()] = memref::DimOp::create(builder, loc, it->second.memref, dim);
  };
  for (const TensorAccess &input : stage.inputs)
    take(input.tensor, input.map);
  for (auto [result, init] : llvm::zip(stage.results, stage.inits))
    take(result, init.map);
  return bounds;
}

SmallVector<Value> Emitter::emitNest(unsigned loop, unsigned end, ArrayRef<Value> bounds, ValueRange carried,
                                     NestBody body) {
  if (loop == end)
    return body(carried);
  if (getConstantIntValue(bounds[loop]) == 1) {
    ivs.push_back(constant(0));
    SmallVector<Value> results = emitNest(loop + 1, end, bounds, carried, body);
    ivs.pop_back();
    return results;
  }
  auto nest = scf::ForOp::create(builder, loc, constant(0), bounds[loop], constant(1), carried,
                                 [](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(nest.getBody());
  ivs.push_back(nest.getInductionVar());
  SmallVector<Value> results = emitNest(loop + 1, end, bounds, nest.getRegionIterArgs(), body);
  ivs.pop_back();
  scf::YieldOp::create(builder, loc, results);
  return SmallVector<Value>(nest.getResults());
}

Value Emitter::load(TensorAccess access) {
  if (!isa<RankedTensorType>(access.tensor.getType()))
    return mapping.lookupOrDefault(access.tensor);
  if (Value value = forwarded.lookup({access.tensor, access.map}))
    return value;
  const Storage &from = storage.at(access.tensor);
  if (from.splat)
    return arith::ConstantOp::create(builder, loc, from.splat);
  auto indices = affine::expandAffineMap(builder, loc, access.map, ivs);
  Value value = memref::LoadOp::create(builder, loc, from.memref, ArrayRef(*indices).drop_front(from.droppedIndices));
  return value;
}

void Emitter::store(Value value, Value tensor, AffineMap map) {
  const Storage &to = storage.at(tensor);
  auto indices = affine::expandAffineMap(builder, loc, map, ivs);
  memref::StoreOp::create(builder, loc, value, to.memref, ArrayRef(*indices).drop_front(to.droppedIndices));
}

FailureOr<SmallVector<Value>> Emitter::emitBody(const KernelStage &stage, ArrayRef<Value> accumulators) {
  SmallVector<Value> scalars;
  for (const TensorAccess &input : stage.inputs)
    scalars.push_back(load(input));
  if (isa<tensor::ConcatOp>(stage.op))
    return scalars;
  for (auto [i, init] : llvm::enumerate(stage.inits)) {
    if (!accumulators.empty() && accumulators[i])
      scalars.push_back(accumulators[i]);
    else
      scalars.push_back(init.tensor ? load(init) : Value());
  }
  return inlineBody(builder, stage, scalars, ivs, mapping, failure,
                    [&](Value tensor) { return storage.lookup(tensor).memref; });
}

/// A reduction whose loops are not the innermost: the result is initialized, then accumulated in memory.
LogicalResult Emitter::emitAccumulation(const KernelStage &stage, ArrayRef<Value> bounds) {
  auto parallelBounds = llvm::to_vector(bounds);
  for (unsigned loop = 0; loop != bounds.size(); ++loop)
    if (stage.isReduction(loop))
      parallelBounds[loop] = constant(1);
  emitNest(outerLoops, bounds.size(), parallelBounds, {}, [&](ValueRange) {
    for (auto [result, init] : llvm::zip(stage.results, stage.inits))
      if (result && init.tensor)
        store(load(init), result, init.map);
    return SmallVector<Value>();
  });
  bool failed = false;
  emitNest(outerLoops, bounds.size(), bounds, {}, [&](ValueRange) {
    SmallVector<Value> accumulators;
    for (auto [result, init] : llvm::zip(stage.results, stage.inits)) {
      Value from = result ? result : init.tensor;
      accumulators.push_back(init.tensor ? load({from, init.map}) : Value());
    }
    auto values = emitBody(stage, accumulators);
    failed |= mlir::failed(values);
    if (!failed)
      for (auto [value, result, init] : llvm::zip(*values, stage.results, stage.inits))
        if (result)
          store(value, result, init.map);
    return SmallVector<Value>();
  });
  return failed ? mlir::failure() : success();
}

/// Stages with the same loops, run together point by point: parallel ones, and reductions over the innermost loops.
LogicalResult Emitter::emitGroup(ArrayRef<const KernelStage *> group) {
  forwarded.clear();
  const KernelStage &first = *group.front();
  unsigned loops = first.bounds.size();
  SmallVector<Value> bounds = getBounds(first);
  if (llvm::any_of(bounds, [](Value bound) { return !bound; }))
    return emitError(first.op->getLoc(), "a loop's bound is no dimension of any operand");

  unsigned reductionStart = loops;
  for (const KernelStage *stage : group)
    for (unsigned loop = 0; loop != loops; ++loop)
      if (stage->isReduction(loop))
        reductionStart = std::min(reductionStart, loop);
  if (group.size() == 1)
    for (unsigned loop = reductionStart; loop != loops; ++loop)
      if (!first.isReduction(loop))
        return emitAccumulation(first, bounds);

  bool failed = false;
  auto isAccumulated = [&](const KernelStage &stage) { return !stage.isParallel(); };
  emitNest(outerLoops, reductionStart, bounds, {}, [&](ValueRange) {
    SmallVector<Value> carried;
    for (const KernelStage *stage : group)
      if (isAccumulated(*stage))
        for (const TensorAccess &init : stage->inits)
          if (init.tensor)
            carried.push_back(load(init));
    auto totals = emitNest(reductionStart, loops, bounds, carried, [&](ValueRange running) {
      SmallVector<Value> next;
      for (const KernelStage *stage : group) {
        SmallVector<Value> accumulators(stage->inits.size());
        if (isAccumulated(*stage))
          for (auto [accumulator, init] : llvm::zip(accumulators, stage->inits))
            if (init.tensor) {
              accumulator = running.front();
              running = running.drop_front();
            }
        auto values = emitBody(*stage, accumulators);
        if (mlir::failed(values)) {
          failed = true;
          return SmallVector<Value>(carried);
        }
        for (auto [value, result, init] : llvm::zip(*values, stage->results, stage->inits)) {
          if (isAccumulated(*stage) && init.tensor) {
            relaxReduction(value, accumulators[&init - stage->inits.begin()]);
            next.push_back(value);
          } else if (result) {
            store(value, result, init.map);
            forwarded[{result, init.map}] = value;
          }
        }
      }
      return next;
    });
    forwarded.clear();
    ArrayRef<Value> remaining = totals;
    for (const KernelStage *stage : group)
      if (isAccumulated(*stage))
        for (auto [result, init] : llvm::zip(stage->results, stage->inits))
          if (init.tensor) {
            if (result)
              store(remaining.front(), result, init.map);
            remaining = remaining.drop_front();
          }
    return SmallVector<Value>();
  });
  return failed ? mlir::failure() : success();
}

/// Whether `stage` can run in the same loops as `group`.
static bool joinsGroup(ArrayRef<const KernelStage *> group, const KernelStage &stage) {
  const KernelStage &first = *group.front();
  if (stage.bounds != first.bounds || llvm::any_of(stage.bounds, ShapedType::isDynamic))
    return false;
  // All reductions go over the same, innermost loops.
  for (const KernelStage *other : group)
    if (!other->isParallel() && !stage.isParallel() && other->iterators != stage.iterators)
      return false;
  for (const KernelStage *member : {&first, &stage})
    if (!member->isParallel()) {
      unsigned loop = 0;
      while (!member->isReduction(loop))
        ++loop;
      for (; loop != member->bounds.size(); ++loop)
        if (!member->isReduction(loop))
          return false;
    }
  // What it reads of the group is at the very point that was just written, and complete.
  for (const KernelStage *other : group)
    for (auto [result, written] : llvm::zip(other->results, other->inits)) {
      if (!result)
        continue;
      for (const TensorAccess &input : stage.inputs)
        if (input.tensor == result && (input.map != written.map || !other->isParallel()))
          return false;
      for (auto [own, init] : llvm::zip(stage.results, stage.inits))
        if (init.tensor == result || own == result)
          return false;
    }
  return true;
}

LogicalResult Emitter::emit() {
  auto returned = cast<func::ReturnOp>(source.front().getTerminator());
  llvm::DenseSet<Value> outputs(returned.getOperands().begin(), returned.getOperands().end());
  SmallVector<Operation *> ops;
  for (Operation &op : source.front().without_terminator())
    if (!isa<arith::ConstantOp, tensor::EmptyOp>(op))
      ops.push_back(&op);
  auto graph = buildKernelGraph(ops, [&](Value value) { return outputs.contains(value); });
  if (!graph || !graph->isExecutable())
    return emitError(loc, "has no form as loops");

  func::FuncOp loops = emitSignature();
  Block *block = loops.addEntryBlock();
  builder.setInsertionPointToStart(block);
  failure = block->getArguments().back();
  unsigned pointers = 0;
  for (Value argument : block->getArguments().drop_back())
    if (isa<LLVM::LLVMPointerType>(argument.getType()))
      ++pointers;
  nextScalars.assign(block->args_begin() + pointers, block->args_end() - 1);
  std::reverse(nextScalars.begin(), nextScalars.end());

  unsigned pointer = 0;
  for (BlockArgument argument : source.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      storage[argument] = {emitMemRef(type, block->getArgument(pointer++)), TypedAttr(), 0};
  for (Value output : returned.getOperands())
    storage[output] = {emitMemRef(cast<RankedTensorType>(output.getType()), block->getArgument(pointer++)),
                       TypedAttr(), 0};
  for (BlockArgument argument : source.getArguments())
    if (!isa<RankedTensorType>(argument.getType()))
      mapping.map(argument, emitScalarArgument(argument.getType(), nextScalars.pop_back_val()));
  if (mlir::failed(findStorage()) || mlir::failed(allocateTemporaries(*graph)))
    return mlir::failure();

  bool failed = false;
  auto emitStages = [&](ValueRange) {
    SmallVector<const KernelStage *> group;
    for (const KernelStage &stage : graph->stages) {
      if (!group.empty() && !joinsGroup(group, stage)) {
        failed |= mlir::failed(emitGroup(group));
        group.clear();
      }
      group.push_back(&stage);
    }
    if (!group.empty())
      failed |= mlir::failed(emitGroup(group));
    return SmallVector<Value>();
  };
  SmallVector<Value> outerBounds;
  for (unsigned loop = 0; loop != graph->outerLoops; ++loop)
    outerBounds.push_back(constant(graph->stages.front().bounds[loop]));
  outerLoops = graph->outerLoops;
  emitNest(0, outerLoops, outerBounds, {}, emitStages);
  if (failed)
    return mlir::failure();
  func::ReturnOp::create(builder, loc);
  emitEntry(loops);
  return success();
}

LogicalResult emitKernel(func::FuncOp source, ModuleOp module, StringRef name) {
  return Emitter(source, module, name).emit();
}

} // namespace ptq::execution

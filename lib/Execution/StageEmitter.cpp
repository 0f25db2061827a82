// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StageEmitter.h"
#include "KernelBody.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ptq::execution {

static unsigned firstReduction(const KernelStage &stage) {
  unsigned loop = 0;
  while (loop != stage.bounds.size() && !stage.isReduction(loop))
    ++loop;
  return loop;
}

/// Whether all loops from the first reduction on are reductions.
static bool reducesInnermost(const KernelStage &stage) {
  for (unsigned loop = firstReduction(stage); loop != stage.bounds.size(); ++loop)
    if (!stage.isReduction(loop))
      return false;
  return true;
}

static bool isAccumulated(const KernelStage &stage) { return !stage.isParallel(); }

Value StageEmitter::constant(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

void StageEmitter::allocateTemporaries(const KernelGraph &graph) {
  for (Value value : graph.temporaries) {
    auto type = cast<RankedTensorType>(value.getType());
    ArrayRef<int64_t> shape = type.getShape().drop_front(graph.outerLoops);
    Value memref = memref::AllocaOp::create(
        builder, loc, MemRefType::get(shape, type.getElementType()), builder.getI64IntegerAttr(64));
    storage[value] = {memref, TypedAttr(), graph.outerLoops};
  }
}

SmallVector<Value> StageEmitter::getBounds(const KernelStage &stage) {
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

SmallVector<Value> StageEmitter::emitNest(unsigned loop, unsigned end, ArrayRef<Value> bounds,
                                          ValueRange carried, NestBody body) {
  if (loop == end)
    return body(carried);
  if (getConstantIntValue(bounds[loop]) == 1) {
    inductionVariables.push_back(constant(0));
    SmallVector<Value> results = emitNest(loop + 1, end, bounds, carried, body);
    inductionVariables.pop_back();
    return results;
  }
  auto nest = scf::ForOp::create(builder, loc, constant(0), bounds[loop], constant(1), carried,
                                 [](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(nest.getBody());
  inductionVariables.push_back(nest.getInductionVar());
  SmallVector<Value> results = emitNest(loop + 1, end, bounds, nest.getRegionIterArgs(), body);
  inductionVariables.pop_back();
  scf::YieldOp::create(builder, loc, results);
  return SmallVector<Value>(nest.getResults());
}

Value StageEmitter::load(TensorAccess access) {
  if (!isa<RankedTensorType>(access.tensor.getType()))
    return scalars.lookupOrDefault(access.tensor);
  if (Value value = forwarded.lookup({access.tensor, access.map}))
    return value;
  const Storage &from = storage.at(access.tensor);
  if (from.splat)
    return arith::ConstantOp::create(builder, loc, from.splat);
  auto indices = affine::expandAffineMap(builder, loc, access.map, inductionVariables);
  Value value = memref::LoadOp::create(builder, loc, from.memref,
                                       ArrayRef(*indices).drop_front(from.droppedIndices));
  return value;
}

void StageEmitter::store(Value value, Value tensor, AffineMap map) {
  const Storage &to = storage.at(tensor);
  auto indices = affine::expandAffineMap(builder, loc, map, inductionVariables);
  memref::StoreOp::create(builder, loc, value, to.memref,
                          ArrayRef(*indices).drop_front(to.droppedIndices));
}

FailureOr<SmallVector<Value>> StageEmitter::emitBody(const KernelStage &stage,
                                                     ArrayRef<Value> accumulators) {
  SmallVector<Value> operands;
  for (const TensorAccess &input : stage.inputs)
    operands.push_back(load(input));
  if (isa<tensor::ConcatOp>(stage.op))
    return operands;
  for (auto [i, init] : llvm::enumerate(stage.inits)) {
    if (!accumulators.empty() && accumulators[i])
      operands.push_back(accumulators[i]);
    else
      operands.push_back(init.tensor ? load(init) : Value());
  }
  return inlineBody(builder, stage, operands, inductionVariables, scalars, failure,
                    [&](Value tensor) { return storage.lookup(tensor).memref; });
}

/// A reduction whose loops are not the innermost: the result is initialized, then accumulated in
/// memory.
LogicalResult StageEmitter::emitAccumulation(const KernelStage &stage, Values bounds) {
  Values parallelBounds = bounds;
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

/// Whether result `i` is a sum of float32. It is accumulated in float64 and rounded once: the order
/// of the terms, which is the vectorizer's, hardly ever shows.
static bool isFloatSum(const KernelStage &stage, unsigned i) {
  if (!stage.body)
    return false;
  Value accumulator = stage.body->getArgument(stage.inputs.size() + i);
  auto add = stage.body->getTerminator()->getOperand(i).getDefiningOp<arith::AddFOp>();
  return add && add.getType().isF32() && add->hasOneUse() && accumulator.hasOneUse() &&
         *accumulator.user_begin() == add;
}

/// What becomes of a float64 accumulator where the body adds to `narrow`, the same in float32.
static Value addWide(OpBuilder &builder, Value value, Value narrow, Value wide) {
  auto add = value.getDefiningOp<arith::AddFOp>();
  Value term = add.getLhs() == narrow ? add.getRhs() : add.getLhs();
  Value extended = arith::ExtFOp::create(builder, add.getLoc(), wide.getType(), term);
  return arith::AddFOp::create(builder, add.getLoc(), wide, extended);
}

/// One point of all loops: returns the accumulators' next values.
FailureOr<SmallVector<Value>> StageEmitter::emitPoint(Group group, ValueRange running) {
  Values next;
  for (const KernelStage *stage : group) {
    Values accumulators(stage->inits.size()), wide(stage->inits.size());
    if (isAccumulated(*stage))
      for (auto [i, init] : llvm::enumerate(stage->inits))
        if (init.tensor) {
          accumulators[i] = running.front();
          running = running.drop_front();
          if (isFloatSum(*stage, i)) {
            wide[i] = accumulators[i];
            accumulators[i] = arith::TruncFOp::create(builder, loc, builder.getF32Type(), wide[i]);
          }
        }
    auto values = emitBody(*stage, accumulators);
    if (failed(values))
      return mlir::failure();
    for (auto [value, accumulator, wideAccumulator, result, init] :
         llvm::zip(*values, accumulators, wide, stage->results, stage->inits))
      if (accumulator) {
        if (wideAccumulator) {
          value = addWide(builder, value, accumulator, wideAccumulator);
          accumulator = wideAccumulator;
        }
        relaxReduction(value, accumulator);
        next.push_back(value);
      } else if (result) {
        store(value, result, init.map);
        forwarded[{result, init.map}] = value;
      }
  }
  return next;
}

LogicalResult StageEmitter::emitGroup(Group group) {
  const KernelStage &first = *group.front();
  unsigned loops = first.bounds.size();
  Values bounds = getBounds(first);
  if (llvm::any_of(bounds, [](Value bound) { return !bound; }))
    return emitError(first.op->getLoc(), "a loop's bound is no dimension of any operand");

  unsigned reductionStart = loops;
  for (const KernelStage *stage : group)
    reductionStart = std::min(reductionStart, firstReduction(*stage));
  if (group.size() == 1 && !reducesInnermost(first))
    return emitAccumulation(first, bounds);

  bool failed = false;
  emitNest(outerLoops, reductionStart, bounds, {}, [&](ValueRange) {
    Values carried;
    for (const KernelStage *stage : group)
      if (isAccumulated(*stage))
        for (auto [i, init] : llvm::enumerate(stage->inits))
          if (init.tensor) {
            Value value = load(init);
            if (isFloatSum(*stage, i))
              value = arith::ExtFOp::create(builder, loc, builder.getF64Type(), value);
            carried.push_back(value);
          }
    Values totals = emitNest(reductionStart, loops, bounds, carried, [&](ValueRange running) {
      auto next = emitPoint(group, running);
      failed |= mlir::failed(next);
      return mlir::failed(next) ? Values(running) : *next;
    });
    forwarded.clear();
    ArrayRef<Value> remaining = totals;
    for (const KernelStage *stage : group)
      if (isAccumulated(*stage))
        for (auto [i, result, init] : llvm::enumerate(stage->results, stage->inits))
          if (init.tensor) {
            Value total = remaining.front();
            if (result && isFloatSum(*stage, i))
              total = arith::TruncFOp::create(builder, loc, builder.getF32Type(), total);
            if (result)
              store(total, result, init.map);
            remaining = remaining.drop_front();
          }
    return Values();
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
  if (!reducesInnermost(first) || !reducesInnermost(stage))
    return false;
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

LogicalResult StageEmitter::emit(const KernelGraph &graph) {
  allocateTemporaries(graph);
  outerLoops = graph.outerLoops;
  Values outerBounds;
  for (unsigned loop = 0; loop != outerLoops; ++loop)
    outerBounds.push_back(constant(graph.stages.front().bounds[loop]));
  bool failed = false;
  emitNest(0, outerLoops, outerBounds, {}, [&](ValueRange) {
    SmallVector<const KernelStage *> group;
    auto flush = [&] {
      failed = failed || (!group.empty() && mlir::failed(emitGroup(group)));
      group.clear();
    };
    for (const KernelStage &stage : graph.stages) {
      if (!group.empty() && !joinsGroup(group, stage))
        flush();
      group.push_back(&stage);
    }
    flush();
    return Values();
  });
  return mlir::failure(failed);
}

} // namespace ptq::execution

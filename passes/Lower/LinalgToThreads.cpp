// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A linalg operation on buffers becomes one parallel loop over the points of its result.
//
// Reductions accumulate in registers. Sums are the CPU executor's, bit for bit where that is
// possible:
//
//   Σ a·b, a and b different (a contraction)  a chain of fma in float32, in the loops' order, as
//                                             BLAS has it within a block of k; 16-bit results are
//                                             rounded once
//   any other Σ t of float32                  in float64, rounded once: the order of the terms
//                                             hardly ever shows
//
// Where int8 layers follow, the last bit decides whether an activation's integer is the same.

#include "LinalgToThreads.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

#include <numeric>

using namespace mlir;

namespace {
/// The loops of one operation.
class ThreadEmitter {
public:
  ThreadEmitter(RewriterBase &rewriter, linalg::GenericOp op)
      : b(rewriter), loc(op.getLoc()), op(op), inputs(op.getNumDpsInputs()) {}

  /// Whether no result depends on a reduction's loop.
  bool isPossible();
  void emit();

private:
  using Values = SmallVector<Value>;

  Value accumulatorOf(unsigned i) { return op.getBody()->getArgument(inputs + i); }
  arith::AddFOp sumOf(unsigned i);
  Value termOf(unsigned i);
  arith::MulFOp productOf(unsigned i);
  Type registerTypeOf(unsigned i);

  Values indicesOf(OpOperand &operand) {
    return *affine::expandAffineMap(b, loc, op.getMatchingIndexingMap(&operand), loops);
  }
  Value load(OpOperand &operand) {
    Value value = operand.get();
    return isa<MemRefType>(value.getType())
               ? memref::LoadOp::create(b, loc, value, indicesOf(operand)).getResult()
               : value;
  }
  Value nextSum(unsigned i, Value running, const IRMapping &mapping);
  Values emitPoint(ValueRange running);
  Values emitReductions(ArrayRef<unsigned> dims, ArrayRef<Range> ranges, Values running);
  void emitThread(ArrayRef<unsigned> reductions, ArrayRef<Range> ranges);

  RewriterBase &b;
  Location loc;
  linalg::GenericOp op;
  unsigned inputs;
  Values loops; ///< The index of each loop; 0 of those that are not open.
};
} // namespace

bool ThreadEmitter::isPossible() {
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  return llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    return llvm::none_of(reductions, [&](unsigned dim) { return map.isFunctionOfDim(dim); });
  });
}

/// The addition that makes result `i`, if that is a sum of floats over a reduction's loops.
arith::AddFOp ThreadEmitter::sumOf(unsigned i) {
  Value accumulator = accumulatorOf(i);
  auto add = op.getBody()->getTerminator()->getOperand(i).getDefiningOp<arith::AddFOp>();
  bool isSum = op.getNumReductionLoops() && add && add->hasOneUse() && accumulator.hasOneUse() &&
               *accumulator.user_begin() == add;
  return isSum ? add : arith::AddFOp();
}

/// What is summed.
Value ThreadEmitter::termOf(unsigned i) {
  arith::AddFOp add = sumOf(i);
  return add.getLhs() == accumulatorOf(i) ? add.getRhs() : add.getLhs();
}

/// The product that is summed, if it is of two values.
arith::MulFOp ThreadEmitter::productOf(unsigned i) {
  auto product = termOf(i).getDefiningOp<arith::MulFOp>();
  bool isOfTwo = product && product->hasOneUse() && product.getLhs() != product.getRhs();
  return isOfTwo ? product : arith::MulFOp();
}

/// What accumulates result `i`: at least its own type.
Type ThreadEmitter::registerTypeOf(unsigned i) {
  Type type = accumulatorOf(i).getType();
  if (!sumOf(i))
    return type;
  if (productOf(i))
    return type.getIntOrFloatBitWidth() < 32 ? b.getF32Type() : type;
  return type.isF32() ? b.getF64Type() : type;
}

Value ThreadEmitter::nextSum(unsigned i, Value running, const IRMapping &mapping) {
  auto take = [&](Value value) {
    value = mapping.lookupOrDefault(value);
    return value.getType() == running.getType()
               ? value
               : arith::ExtFOp::create(b, loc, running.getType(), value).getResult();
  };
  if (arith::MulFOp product = productOf(i))
    return math::FmaOp::create(b, loc, take(product.getLhs()), take(product.getRhs()), running);
  return arith::AddFOp::create(b, loc, running, take(termOf(i)));
}

/// One point of all loops: what the accumulators become.
SmallVector<Value> ThreadEmitter::emitPoint(ValueRange running) {
  Block *body = op.getBody();
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands())
    if (op.payloadUsesValueFromOperand(input))
      mapping.map(op.getMatchingBlockArgument(input), load(*input));
  llvm::SmallDenseMap<Operation *, unsigned> sums;
  for (auto [i, value] : llvm::enumerate(running)) {
    mapping.map(accumulatorOf(i), value);
    if (arith::AddFOp add = sumOf(i))
      sums[add] = i;
  }
  for (Operation &each : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(each))
      mapping.map(index.getResult(), loops[index.getDim()]);
    else if (auto sum = sums.find(&each); sum != sums.end())
      mapping.map(each.getResult(0), nextSum(sum->second, running[sum->second], mapping));
    else
      b.clone(each, mapping);
  }
  return llvm::map_to_vector(body->getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

/// Loops over the `dims`, whose results are the totals.
SmallVector<Value> ThreadEmitter::emitReductions(ArrayRef<unsigned> dims, ArrayRef<Range> ranges,
                                                 Values running) {
  if (dims.empty())
    return emitPoint(running);
  const Range &range = ranges[dims.front()];
  auto loop = scf::ForOp::create(b, loc, getValueOrCreateConstantIndexOp(b, loc, range.offset),
                                 getValueOrCreateConstantIndexOp(b, loc, range.size),
                                 getValueOrCreateConstantIndexOp(b, loc, range.stride), running,
                                 [](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value closed = std::exchange(loops[dims.front()], loop.getInductionVar());
  Values next = emitReductions(dims.drop_front(), ranges,
                               llvm::to_vector_of<Value>(loop.getRegionIterArgs()));
  scf::YieldOp::create(b, loc, next);
  loops[dims.front()] = closed;
  return llvm::to_vector_of<Value>(loop.getResults());
}

/// What is one thread's: a point of the parallel loops.
void ThreadEmitter::emitThread(ArrayRef<unsigned> reductions, ArrayRef<Range> ranges) {
  Values running;
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    Type type = accumulatorOf(i).getType();
    Value value;
    if (op.payloadUsesValueFromOperand(&init))
      value = load(init);
    else
      value = arith::ConstantOp::create(b, loc, b.getZeroAttr(type)); // Nobody reads it.
    if (Type wide = registerTypeOf(i); wide != type)
      value = arith::ExtFOp::create(b, loc, wide, value);
    running.push_back(value);
  }
  Values totals = emitReductions(reductions, ranges, running);
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    Value total = totals[i];
    if (Type type = accumulatorOf(i).getType(); total.getType() != type)
      total = arith::TruncFOp::create(b, loc, type, total);
    memref::StoreOp::create(b, loc, total, init.get(), indicesOf(init));
  }
}

void ThreadEmitter::emit() {
  SmallVector<Range> ranges = cast<linalg::LinalgOp>(op.getOperation()).createLoopRanges(b, loc);
  SmallVector<unsigned> parallel, reductions;
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Values lower, upper, steps;
  for (unsigned dim : parallel) {
    lower.push_back(getValueOrCreateConstantIndexOp(b, loc, ranges[dim].offset));
    upper.push_back(getValueOrCreateConstantIndexOp(b, loc, ranges[dim].size));
    steps.push_back(getValueOrCreateConstantIndexOp(b, loc, ranges[dim].stride));
  }
  if (parallel.empty()) {
    lower.push_back(zero);
    upper.push_back(one);
    steps.push_back(one);
  }
  auto threads = scf::ParallelOp::create(b, loc, lower, upper, steps);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(threads.getBody());
  loops.assign(ranges.size(), zero);
  for (auto [dim, index] : llvm::zip(parallel, threads.getInductionVars()))
    loops[dim] = index;
  emitThread(reductions, ranges);
}

static LogicalResult lowerToThreads(IRRewriter &rewriter, linalg::LinalgOp op) {
  rewriter.setInsertionPoint(op);
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic) {
    FailureOr<linalg::GenericOp> made = linalg::generalizeNamedOp(rewriter, op);
    if (failed(made))
      return emitError(op.getLoc(), "'") << op->getName() << "' has no form as linalg.generic";
    generic = *made;
  }
  ThreadEmitter emitter(rewriter, generic);
  if (!emitter.isPossible())
    return emitError(generic.getLoc(), "a result of a linalg operation depends on a reduction's "
                                       "index, so its points are no threads of their own");
  rewriter.setInsertionPoint(generic);
  emitter.emit();
  rewriter.eraseOp(generic);
  return success();
}

/// One loop over all points.
static void collapse(IRRewriter &rewriter, scf::ParallelOp loop) {
  if (loop.getNumLoops() == 1)
    return;
  std::vector<unsigned> all(loop.getNumLoops());
  std::iota(all.begin(), all.end(), 0);
  rewriter.setInsertionPoint(loop);
  collapseParallelLoops(rewriter, loop, {all});
}

/// A thread whose assertion fails ends the launch.
static void trapWhereAssertionFails(IRRewriter &rewriter, cf::AssertOp op) {
  rewriter.setInsertionPoint(op);
  Value yes = arith::ConstantIntOp::create(rewriter, op.getLoc(), 1, 1);
  Value fails = arith::XOrIOp::create(rewriter, op.getLoc(), op.getArg(), yes);
  auto branch = scf::IfOp::create(rewriter, op.getLoc(), fails, /*withElseRegion=*/false);
  rewriter.setInsertionPointToStart(branch.thenBlock());
  LLVM::Trap::create(rewriter, op.getLoc());
  rewriter.eraseOp(op);
}

LogicalResult ptq::lowerLinalgToThreads(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  SmallVector<memref::CopyOp> copies;
  function.walk([&](memref::CopyOp op) { copies.push_back(op); });
  for (memref::CopyOp op : copies) {
    rewriter.setInsertionPoint(op);
    linalg::makeMemRefCopyOp(rewriter, op.getLoc(), op.getSource(), op.getTarget());
    rewriter.eraseOp(op);
  }
  SmallVector<linalg::LinalgOp> ops;
  function.walk([&](linalg::LinalgOp op) { ops.push_back(op); });
  for (linalg::LinalgOp op : ops)
    if (failed(lowerToThreads(rewriter, op)))
      return failure();
  for (Block &block : function.getBody())
    for (auto loop : llvm::make_early_inc_range(block.getOps<scf::ParallelOp>()))
      collapse(rewriter, loop);
  SmallVector<cf::AssertOp> assertions;
  function.walk([&](cf::AssertOp op) {
    if (op->getParentOfType<scf::ParallelOp>())
      assertions.push_back(op);
  });
  for (cf::AssertOp op : assertions)
    trapWhereAssertionFails(rewriter, op);
  return success();
}

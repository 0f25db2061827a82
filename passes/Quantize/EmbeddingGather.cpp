// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "EmbeddingGather.h"

#include "LayerParts.h"
#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace ptq;

namespace {

/// What a value in the body of a linalg operation is computed from.
struct Slice {
  llvm::SetVector<Operation *> ops; ///< In the body.
  llvm::SmallBitVector loops;       ///< Directly, and through the inputs that are read.
  bool readsData = false;           ///< Elements of a tensor.
  bool isSimple = true;             ///< No initial value, nothing with regions or effects.

  explicit Slice(linalg::GenericOp op) : loops(op.getNumLoops()) {}
  Slice(linalg::GenericOp op, Value value) : Slice(op) { add(op, value); }

  void add(linalg::GenericOp op, Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() != op.getBody())
        return;
      unsigned number = argument.getArgNumber();
      if (number >= op.getInputs().size())
        isSimple = false;
      AffineMap map = op.getIndexingMapsArray()[number];
      for (unsigned loop = 0; loop != op.getNumLoops(); ++loop)
        if (map.isFunctionOfDim(loop))
          loops.set(loop);
      readsData = true;
      return;
    }
    Operation *producer = value.getDefiningOp();
    if (producer->getBlock() != op.getBody() || !ops.insert(producer))
      return;
    if (auto index = dyn_cast<linalg::IndexOp>(producer))
      loops.set(index.getDim());
    isSimple &= isPure(producer) && producer->getNumRegions() == 0;
    readsData |= isa<tensor::ExtractOp>(producer);
    for (Value operand : producer->getOperands())
      add(op, operand);
  }
};

} // namespace

bool ptq::movesElements(Operation *op) {
  return isa<linalg::TransposeOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, arith::TruncFOp,
             arith::ExtFOp>(op);
}

Value ptq::storedTable(Value table) {
  while (Operation *op = table.getDefiningOp()) {
    if (isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
      return table;
    if (!movesElements(op))
      return {};
    table = op->getOperand(0);
  }
  return isLeafParameter(table) || isUnmarkedArgument(table) ? table : Value();
}

std::optional<EmbeddingGather> ptq::matchEmbedding(tensor::ExtractOp extract, std::string &reason) {
  reason.clear();
  auto op = dyn_cast<linalg::GenericOp>(extract->getParentOp());
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  if (!op || !op.hasPureTensorSemantics() || !isa<FloatType>(type.getElementType()) ||
      type.getRank() < 2 || op.getRegion().isAncestor(extract.getTensor().getParentRegion()))
    return std::nullopt;
  if (extract.getTensor().getDefiningOp<DequantizeOp>())
    return std::nullopt; // Rounded already.
  SmallVector<Slice> slices;
  for (Value index : extract.getIndices())
    slices.emplace_back(op, index);
  if (llvm::none_of(slices, [](const Slice &slice) { return slice.readsData; }))
    return std::nullopt;
  auto decline = [&](const Twine &why) {
    reason = why.str();
    return std::nullopt;
  };

  if (!storedTable(extract.getTensor()) || !type.hasStaticShape())
    return decline("it is computed, not stored");
  SmallVector<unsigned> dims;
  for (unsigned dim = 0; dim != type.getRank(); ++dim)
    if (type.getRank() == 2 || type.getDimSize(dim) != 1)
      dims.push_back(dim);
  if (dims.size() != 2)
    return decline("it has " + Twine(type.getRank()) +
                   " dimensions, and only rows of a matrix are "
                   "rounded");
  if (slices[dims[0]].readsData && slices[dims[1]].readsData)
    return decline("single elements of it are read, not rows");
  EmbeddingGather gather{extract};
  gather.rowDim = dims[slices[dims[0]].readsData ? 0 : 1];
  gather.columnDim = dims[slices[dims[0]].readsData ? 1 : 0];
  const Slice &row = slices[gather.rowDim], &column = slices[gather.columnDim];
  if (!row.readsData)
    return decline("its rows are not what the data choose");
  if (column.loops.count() != 1 || row.loops.test(column.loops.find_first()))
    return decline("its rows are not read as they are");
  if (!row.isSimple || !column.isSimple)
    return decline("its indices are computed by more than plain arithmetic on inputs");
  for (unsigned loop : row.loops.set_bits())
    gather.rowLoops.push_back(loop);
  gather.columnLoop = column.loops.find_first();
  return gather;
}

namespace {

/// Clones what computes indices into the body of another operation.
class IndexCloner {
public:
  IndexCloner(const EmbeddingGather &gather, ArrayRef<unsigned> loops)
      : op(gather.op()), loops(loops), needed(op) {
    needed.add(op, gather.row());
    if (llvm::is_contained(loops, gather.columnLoop))
      needed.add(op, gather.column());
    // What the model checks of the row holds for whoever reads it.
    for (auto check : op.getBody()->getOps<cf::AssertOp>()) {
      Slice slice(op, check.getArg());
      if (!slice.isSimple || slice.loops.anyCommon(allBut(loops)))
        continue;
      needed.add(op, check.getArg());
      needed.ops.insert(check);
    }
    for (OpOperand *input : op.getDpsInputOperands())
      if (llvm::any_of(op.getMatchingBlockArgument(input).getUsers(),
                       [&](Operation *user) { return needed.ops.contains(user); }) ||
          op.getMatchingBlockArgument(input) == gather.row())
        inputs.push_back(input);
  }

  SmallVector<Value> values() {
    return llvm::map_to_vector(inputs, [](OpOperand *input) { return input->get(); });
  }

  /// The maps of the inputs from `loops` as they are numbered in the new operation.
  SmallVector<AffineMap> maps(Builder &b) {
    SmallVector<AffineExpr> dims(op.getNumLoops(), b.getAffineConstantExpr(0));
    for (auto [position, loop] : llvm::enumerate(loops))
      dims[loop] = b.getAffineDimExpr(position);
    return llvm::map_to_vector(inputs, [&](OpOperand *input) {
      return op.getMatchingIndexingMap(input).replaceDimsAndSymbols(dims, {}, loops.size(), 0);
    });
  }

  IRMapping clone(OpBuilder &b, ValueRange arguments) {
    IRMapping mapping;
    for (auto [input, argument] : llvm::zip(inputs, arguments))
      mapping.map(op.getMatchingBlockArgument(input), argument);
    for (Operation &inner : *op.getBody()) {
      if (!needed.ops.contains(&inner))
        continue;
      Operation *copy = b.clone(inner, mapping);
      if (auto index = dyn_cast<linalg::IndexOp>(copy))
        index.setDim(llvm::find(loops, index.getDim()) - loops.begin());
    }
    return mapping;
  }

private:
  llvm::SmallBitVector allBut(ArrayRef<unsigned> kept) {
    llvm::SmallBitVector result(op.getNumLoops(), true);
    for (unsigned loop : kept)
      result.reset(loop);
    return result;
  }

  linalg::GenericOp op;
  ArrayRef<unsigned> loops;
  Slice needed;
  SmallVector<OpOperand *> inputs;
};

} // namespace

Value ptq::buildRead(OpBuilder &b, const EmbeddingGather &gather, bool alongRow, Type elementType,
                     function_ref<Value(OpBuilder &, Location, Value, Value)> read) {
  linalg::GenericOp op = gather.op();
  Location loc = op.getLoc();
  SmallVector<unsigned> loops(gather.rowLoops);
  if (alongRow)
    loops.push_back(gather.columnLoop);
  SmallVector<Range> ranges = cast<linalg::LinalgOp>(op.getOperation()).createLoopRanges(b, loc);
  auto sizes = llvm::map_to_vector(loops, [&](unsigned loop) { return ranges[loop].size; });
  Value empty = tensor::EmptyOp::create(b, loc, sizes, elementType);
  for (const Range &range : ranges)
    if (auto size = dyn_cast<Value>(range.size))
      eraseIfUnused(size);
  IndexCloner cloner(gather, loops);
  SmallVector<AffineMap> maps = cloner.maps(b);
  maps.push_back(b.getMultiDimIdentityMap(loops.size()));
  SmallVector<utils::IteratorType> iterators(loops.size(), utils::IteratorType::parallel);
  auto result = linalg::GenericOp::create(
      b, loc, empty.getType(), cloner.values(), empty, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange arguments) {
        IRMapping mapping = cloner.clone(b, arguments);
        Value value = read(b, loc, mapping.lookupOrDefault(gather.row()),
                           alongRow ? mapping.lookupOrDefault(gather.column()) : Value());
        linalg::YieldOp::create(b, loc, value);
      });
  return result.getResult(0);
}

void ptq::replaceRead(const EmbeddingGather &gather, Value rows) {
  linalg::GenericOp op = gather.op();
  tensor::ExtractOp extract = gather.extract;
  OpBuilder b(op);
  SmallVector<AffineExpr> dims;
  for (unsigned loop : gather.rowLoops)
    dims.push_back(b.getAffineDimExpr(loop));
  dims.push_back(b.getAffineDimExpr(gather.columnLoop));
  AffineMap map = AffineMap::get(op.getNumLoops(), 0, dims, b.getContext());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  auto yield = cast<linalg::YieldOp>(op.getBody()->getTerminator());
  if (op.getNumResults() == 1 && yield.getOperand(0) == extract.getResult() &&
      dims.size() == op.getNumLoops() && maps.back() == map) {
    if (rows.getType() != op->getResult(0).getType())
      rows = tensor::CastOp::create(b, op.getLoc(), op->getResult(0).getType(), rows);
    op->getResult(0).replaceAllUsesWith(rows);
    op.erase();
    return;
  }
  SmallVector<Value> inputs(op.getInputs());
  unsigned position = inputs.size();
  inputs.push_back(rows);
  maps.insert(maps.begin() + position, map);
  auto result = linalg::GenericOp::create(b, op.getLoc(), op->getResultTypes(), inputs,
                                          op.getOutputs(), maps, op.getIteratorTypesArray());
  result->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  result.getRegion().takeBody(op.getRegion());
  Value element =
      result.getBody()->insertArgument(position, extract.getResult().getType(), extract.getLoc());
  SmallVector<Value> indices(extract.getIndices());
  extract.getResult().replaceAllUsesWith(element);
  extract.erase();
  llvm::for_each(indices, eraseIfUnused);
  op->replaceAllUsesWith(result);
  op.erase();
}

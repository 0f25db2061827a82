// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelGraph.h"
#include "TensorView.h"
#include "ptq/Execution/Tensor.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ptq::execution {

/// At most this much lives on the stack of a kernel.
static constexpr int64_t scratchLimit = 128 << 10;

namespace {
class GraphBuilder {
public:
  GraphBuilder(llvm::function_ref<bool(Value)> escapes) : escapes(escapes) {}

  bool add(Operation *op);
  KernelGraph finish();

private:
  TensorAccess resolve(TensorAccess access) const;
  bool addConcat(tensor::ConcatOp op);
  bool addLoops(LoopOp loops);
  bool sharesLoop(unsigned loop) const;
  void read(Value value) {
    if (written.contains(value))
      passed.insert(value);
  }

  llvm::function_ref<bool(Value)> escapes;
  llvm::DenseMap<Value, TensorAccess> views;
  /// Values that stages write, and those of them that other stages read.
  llvm::SetVector<Value> written;
  llvm::DenseSet<Value> passed;
  KernelGraph graph;
};
} // namespace

TensorAccess GraphBuilder::resolve(TensorAccess access) const {
  for (auto it = views.find(access.tensor); it != views.end(); it = views.find(access.tensor))
    access = {it->second.tensor, it->second.map.compose(access.map)};
  return access;
}

/// Loops of one iteration are written as the constant 0, so that equal accesses have equal maps.
static AffineMap dropUnitLoops(AffineMap map, ArrayRef<int64_t> bounds) {
  SmallVector<AffineExpr> dims;
  for (auto [loop, bound] : llvm::enumerate(bounds))
    dims.push_back(bound == 1 ? getAffineConstantExpr(0, map.getContext())
                              : getAffineDimExpr(loop, map.getContext()));
  return map.replaceDimsAndSymbols(dims, {}, bounds.size(), 0);
}

/// Whether anything but the stages' own indexing reads a tensor: then its whole value must exist.
static bool readsWhole(Operation *op, llvm::function_ref<bool(Value)> isInternal) {
  bool found = false;
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        found |= isa<TensorType>(operand.getType()) && isInternal(operand);
    });
  return found;
}

bool GraphBuilder::addLoops(LoopOp loops) {
  KernelStage stage{std::move(loops), {}};
  if (readsWhole(stage.op,
                 [&](Value value) { return written.contains(value) || views.count(value); }))
    return false;
  for (TensorAccess &input : stage.inputs) {
    if (isa<RankedTensorType>(input.tensor.getType()))
      input = resolve(input);
    read(input.tensor);
    input.map = dropUnitLoops(input.map, stage.bounds);
  }
  for (auto [result, init] : llvm::zip(stage.op->getResults(), stage.inits)) {
    AffineMap map = init.map;
    if (init.tensor)
      init = resolve(init);
    // A result's map must be that of its own tensor; only a read of the init may go through a view.
    if (init.tensor && init.map != map)
      return false;
    read(init.tensor);
    init.map = dropUnitLoops(map, stage.bounds);
    bool used = !result.use_empty() || escapes(result);
    stage.results.push_back(used ? result : Value());
    if (used)
      written.insert(result);
  }
  graph.stages.push_back(std::move(stage));
  return true;
}

bool GraphBuilder::addConcat(tensor::ConcatOp op) {
  auto type = op.getResultType();
  if (!type.hasStaticShape())
    return false;
  MLIRContext *context = op.getContext();
  int64_t offset = 0;
  for (Value part : op.getInputs()) {
    auto partType = dyn_cast<RankedTensorType>(part.getType());
    if (!partType.hasStaticShape())
      return false;
    KernelStage stage;
    stage.op = op;
    stage.bounds.assign(partType.getShape().begin(), partType.getShape().end());
    stage.iterators.assign(partType.getRank(), utils::IteratorType::parallel);
    AffineMap identity = AffineMap::getMultiDimIdentityMap(partType.getRank(), context);
    SmallVector<AffineExpr> indices(identity.getResults());
    indices[op.getDim()] = indices[op.getDim()] + offset;
    TensorAccess input = resolve({part, identity});
    read(input.tensor);
    stage.inputs.push_back({input.tensor, dropUnitLoops(input.map, stage.bounds)});
    stage.inits.push_back(
        {Value(),
         dropUnitLoops(AffineMap::get(partType.getRank(), 0, indices, context), stage.bounds)});
    stage.results.push_back(op.getResult());
    offset += partType.getDimSize(op.getDim());
    graph.stages.push_back(std::move(stage));
  }
  written.insert(op.getResult());
  return true;
}

bool GraphBuilder::add(Operation *op) {
  // Whatever only rearranges becomes part of its readers' maps, unless its own value is wanted.
  if (op->getNumResults() == 1 && !escapes(op->getResult(0)))
    if (auto source = getViewSource(op)) {
      views[op->getResult(0)] = *source;
      return true;
    }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return addConcat(concat);
  if (auto loops = getLoopOp(op))
    return addLoops(std::move(*loops));
  return false;
}

static bool isLoop(AffineExpr expression, unsigned loop, int64_t bound) {
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return dim.getPosition() == loop;
  auto constant = dyn_cast<AffineConstantExpr>(expression);
  return constant && constant.getValue() == 0 && bound == 1;
}

/// Whether loop `loop` may be shared, given that all before it are.
bool GraphBuilder::sharesLoop(unsigned loop) const {
  size_t deepest = 0;
  for (const KernelStage &stage : graph.stages)
    deepest = std::max(deepest, stage.bounds.size());
  // Some stage keeps a loop of its own: that is the one to vectorize.
  if (deepest < loop + 2 || graph.stages.front().bounds.size() <= loop)
    return false;
  int64_t bound = graph.stages.front().bounds[loop];
  for (const KernelStage &stage : graph.stages) {
    if (stage.bounds.size() <= loop || stage.bounds[loop] != bound ||
        ShapedType::isDynamic(bound) || stage.isReduction(loop))
      return false;
    auto fits = [&](Value value, AffineMap map) {
      return !passed.contains(value) ||
             (map.getNumResults() > loop && isLoop(map.getResult(loop), loop, bound));
    };
    for (const TensorAccess &input : stage.inputs)
      if (!fits(input.tensor, input.map))
        return false;
    for (auto [result, init] : llvm::zip(stage.results, stage.inits))
      if (!fits(init.tensor, init.map) || !fits(result, init.map))
        return false;
  }
  return true;
}

KernelGraph GraphBuilder::finish() {
  if (graph.stages.size() > 1)
    while (sharesLoop(graph.outerLoops))
      ++graph.outerLoops;
  for (Value value : written)
    if (!escapes(value))
      graph.temporaries.push_back(value);
  return std::move(graph);
}

int64_t KernelGraph::scratchBytes() const {
  int64_t bytes = 0;
  for (Value value : temporaries) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.hasStaticShape())
      return INT64_MAX;
    int64_t size = elementBytes(type.getElementType()).value_or(8);
    for (int64_t extent : type.getShape().drop_front(outerLoops))
      size *= extent;
    bytes += size;
  }
  return bytes;
}

bool KernelGraph::isExecutable() const {
  return stages.size() == 1 || temporaries.empty() ||
         (outerLoops > 0 && scratchBytes() <= scratchLimit);
}

std::optional<KernelGraph> buildKernelGraph(ArrayRef<Operation *> ops,
                                            llvm::function_ref<bool(Value)> escapes) {
  GraphBuilder builder(escapes);
  for (Operation *op : ops)
    if (!builder.add(op))
      return std::nullopt;
  return builder.finish();
}

} // namespace ptq::execution

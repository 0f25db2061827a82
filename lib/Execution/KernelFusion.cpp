// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which kernels of a step become one.
//
// Two kernels may be joined if nothing between them depends on the first and is needed by the
// second, and if their operations share outer loops (KernelGraph.h). They are if they have
// something to gain: one reads what the other writes, or both read the same tensor.
//
#include "KernelGraph.h"
#include "Plan.h"

using namespace mlir;

namespace ptq::execution {

/// More stages make the kernel slow to compile, and gain nothing.
static constexpr size_t stageLimit = 24;

namespace {
class Fusion {
public:
  explicit Fusion(Step &step) : step(step) {}
  void run();

private:
  bool tryJoin(KernelNode &kernel, size_t earliest);
  bool canJoin(const KernelNode &unit, const KernelNode &kernel) const;

  Step &step;
  std::vector<Node *> units;
  llvm::DenseMap<ValueId, size_t> producedBy; ///< Index into units.
  llvm::DenseMap<Operation *, Node *> unitOf;
};
} // namespace

bool Fusion::canJoin(const KernelNode &unit, const KernelNode &kernel) const {
  bool related = llvm::any_of(kernel.reads, [&](ValueId id) {
    return llvm::is_contained(unit.reads, id) || llvm::is_contained(unit.writes, id);
  });
  if (!related)
    return false;
  SmallVector<Operation *> operations(unit.operations);
  for (Operation *op : kernel.operations)
    if (!llvm::is_contained(operations, op))
      operations.push_back(op);
  llvm::sort(operations, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  auto isDynamic = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && !type.hasStaticShape();
  };
  for (Operation *op : operations)
    if (llvm::any_of(op->getOperands(), isDynamic) || llvm::any_of(op->getResults(), isDynamic))
      return false;
  llvm::DenseSet<Operation *> members(operations.begin(), operations.end());
  auto graph = buildKernelGraph(operations, [&](Value value) {
    // Views that were taken in are wanted by nobody: their other readers have them from a node of
    // their own.
    Operation *op = value.getDefiningOp();
    if (!unitOf.lookup(op) && op != kernel.op)
      return false;
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      while (user && user->getBlock() != op->getBlock())
        user = user->getParentOp();
      return !user || !members.contains(user);
    });
  });
  return graph && graph->stages.size() <= stageLimit && graph->outerLoops > 0 &&
         graph->isExecutable();
}

bool Fusion::tryJoin(KernelNode &kernel, size_t earliest) {
  for (size_t index = earliest; index != units.size(); ++index) {
    auto *unit = dynamic_cast<KernelNode *>(units[index]);
    if (!unit || !canJoin(*unit, kernel))
      continue;
    unit->join(kernel);
    for (ValueId id : kernel.writes)
      producedBy[id] = index;
    unitOf[kernel.op] = unit;
    return true;
  }
  return false;
}

void Fusion::run() {
  for (Node *node : step.nodes) {
    size_t earliest = 0;
    for (ValueId id : node->reads)
      if (auto it = producedBy.find(id); it != producedBy.end())
        earliest = std::max(earliest, it->second);
    auto *kernel = dynamic_cast<KernelNode *>(node);
    if (kernel && tryJoin(*kernel, earliest))
      continue;
    for (ValueId id : node->writes)
      producedBy[id] = units.size();
    units.push_back(node);
    if (kernel)
      unitOf[kernel->op] = kernel;
  }
  step.nodes = std::move(units);
}

void fuseKernels(Step &step) { Fusion(step).run(); }

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Plan.h"
#include "ContractionNode.h"
#include "KernelExtraction.h"
#include "TensorView.h"

#include "ptq/IR/PTQ.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ptq::execution {

/// The node of any operation that can be executed, or null.
static NodePtr makeNode(Operation *op, ValueTable &values) {
  for (Type type : llvm::concat<const Type>(op->getOperandTypes(), op->getResultTypes())) {
    if (auto shaped = dyn_cast<ShapedType>(type))
      if (!isa<RankedTensorType>(type) || !elementBytes(shaped.getElementType()))
        return nullptr;
  }
  if (NodePtr node = makeConstantNode(op, values))
    return node;
  if (NodePtr node = makeScalarNode(op, values))
    return node;
  if (NodePtr node = makeReshapeNode(op, values))
    return node;
  if (NodePtr node = makeLayerNode(op, values))
    return node;
  if (NodePtr node = makeQuantizeNode(op, values))
    return node;
  if (NodePtr node = makeActivationNode(op, values))
    return node;
  if (NodePtr node = makeIntegerNode(op, values))
    return node;
  if (NodePtr node = makeColumnNode(op, values))
    return node;
  if (NodePtr node = makeLookupNode(op, values))
    return node;
  if (NodePtr node = makeExpandGroupsNode(op, values))
    return node;
  if (NodePtr node = makeSoftmaxNode(op, values))
    return node;
  if (NodePtr node = makeRuntimeCallNode(op, values))
    return node;
  if (isa<tensor::ConcatOp>(op))
    if (NodePtr node = KernelNode::make(op, values))
      return node;
  if (NodePtr node = makeCopyNode(op, values))
    return node;
  if (auto contraction = matchContraction(op))
    return std::make_unique<ContractionNode>(std::move(*contraction), values);
  return KernelNode::make(op, values);
}

static llvm::Error notExecutable(Operation *op) {
  std::string reason = "cannot be executed";
  if (op->getNumRegions() > 0 && !isa<linalg::LinalgOp>(op))
    reason = "control flow is not executed at function level";
  else if (isa<CallOpInterface>(op))
    reason = "calls are not executed; inline the function first (--inline)";
  return errorAt(op, reason);
}

llvm::Error checkExecutable(func::FuncOp function) {
  if (function.isDeclaration())
    return llvm::createStringError(describe(function.getLoc()) + "function '" + function.getName() +
                                   "' has no body");
  if (!llvm::hasSingleElement(function.getBody()))
    return llvm::createStringError(describe(function.getLoc()) + "function '" + function.getName() +
                                   "' has branches; only straight-line functions are executed");
  ValueTable values;
  for (Operation &op : function.front().without_terminator())
    if (!makeNode(&op, values))
      return notExecutable(&op);
  return llvm::Error::success();
}

namespace {
class Planner {
public:
  Planner(func::FuncOp function, const PlanRequest &request, ValueTable &values,
          Observation &observation)
      : function(function), request(request), values(values), observation(observation),
        plan(std::make_unique<Plan>()) {}

  llvm::Expected<std::unique_ptr<Plan>> make();

private:
  llvm::Error collectNodes();
  void findInvariants();
  void schedule();
  void closure(Node *node, std::vector<Node *> &unscheduled);
  void appendSteps(std::vector<Node *> nodes);
  void findReaders();
  void extractKernels();
  void findLifetimes();
  ValueId storageOf(ValueId id, const llvm::DenseSet<Node *> &step) const;

  func::FuncOp function;
  const PlanRequest &request;
  ValueTable &values;
  Observation &observation;
  std::unique_ptr<Plan> plan;

  llvm::DenseMap<ValueId, Node *> producers;
  llvm::DenseMap<Node *, unsigned> order;
  llvm::DenseSet<Node *> scheduled;
  llvm::DenseSet<ValueId> results;
  std::vector<SmallVector<Node *, 2>> readers;
};
} // namespace

/// Nodes for all operations that the results, assertions or wanted linears need, in program order.
llvm::Error Planner::collectNodes() {
  SmallVector<Value> needed;
  llvm::SetVector<Operation *> operations;
  Block &block = function.front();
  for (BlockArgument argument : block.getArguments())
    values.id(argument);
  Operation *lastWanted = nullptr;
  for (Operation &op : block)
    if (request.wanted.contains(&op))
      lastWanted = &op;
  for (Operation &op : block) {
    bool isAssertion = isa<cf::AssertOp>(op);
    if (!request.stopAfterLastLinear) {
      if (isAssertion || request.wanted.contains(&op))
        operations.insert(&op);
    } else if (request.wanted.contains(&op) ||
               (isAssertion && lastWanted && op.isBeforeInBlock(lastWanted))) {
      operations.insert(&op);
    }
  }
  if (!request.stopAfterLastLinear)
    for (Value value : block.getTerminator()->getOperands()) {
      needed.push_back(value);
      results.insert(values.id(value));
    }

  llvm::DenseSet<ValueId> read;
  size_t next = 0;
  for (;;) {
    while (!needed.empty()) {
      Value value = needed.pop_back_val();
      if (Operation *op = value.getDefiningOp())
        operations.insert(op);
    }
    if (next == operations.size())
      break;
    Operation *op = operations[next++];
    NodePtr node = makeNode(op, values);
    if (!node)
      return notExecutable(op);
    for (ValueId id : node->reads) {
      read.insert(id);
      needed.push_back(values.value(id));
    }
    plan->nodes.push_back(std::move(node));
  }
  for (NodePtr &node : plan->nodes)
    if (auto *layer = dynamic_cast<LayerNode *>(node.get())) {
      layer->isObserved = request.wanted.contains(layer->op);
      layer->isEvaluated = read.contains(layer->writes[0]) || results.contains(layer->writes[0]);
      layer->observation = &observation;
    }

  // Constants within regions (the padding value of tensor.pad) come right before their user.
  auto position = [&](const NodePtr &node) { return block.findAncestorOpInBlock(*node->op); };
  llvm::stable_sort(plan->nodes, [&](const NodePtr &a, const NodePtr &b) {
    Operation *first = position(a), *second = position(b);
    return first != second ? first->isBeforeInBlock(second) : a->op != first && b->op == second;
  });
  for (auto [index, node] : llvm::enumerate(plan->nodes))
    order[node.get()] = index;
  return llvm::Error::success();
}

void Planner::findInvariants() {
  plan->invariant.assign(values.size(), 0);
  for (auto [argument, invariant] : llvm::zip(function.getArguments(), request.invariantArguments))
    plan->invariant[values.id(argument)] = invariant;
  auto isInvariant = [&](ValueId id) { return plan->invariant[id] != 0; };
  for (NodePtr &node : plan->nodes) {
    bool invariant = llvm::all_of(node->reads, isInvariant);
    for (ValueId id : node->writes) {
      plan->invariant[id] = invariant;
      producers[id] = node.get();
    }
    node->setInvariance(isInvariant);
  }
}

/// What `node` needs and is not scheduled, itself included, in program order.
void Planner::closure(Node *node, std::vector<Node *> &unscheduled) {
  SmallVector<Node *> stack{node};
  while (!stack.empty()) {
    Node *next = stack.pop_back_val();
    if (!scheduled.insert(next).second)
      continue;
    unscheduled.push_back(next);
    for (ValueId id : next->reads)
      if (Node *producer = producers.lookup(id))
        stack.push_back(producer);
  }
  llvm::sort(unscheduled, [&](Node *a, Node *b) { return order.lookup(a) < order.lookup(b); });
}

void Planner::appendSteps(std::vector<Node *> nodes) {
  Step once{Step::Kind::Once, {}, {}, {}}, perSample{Step::Kind::PerSample, {}, {}, {}};
  for (Node *node : nodes) {
    bool invariant = !node->writes.empty() || !node->reads.empty();
    for (ValueId id : node->writes)
      invariant &= plan->invariant[id] != 0;
    if (node->writes.empty())
      invariant = llvm::all_of(node->reads, [&](ValueId id) { return plan->invariant[id] != 0; });
    if (invariant)
      once.nodes.push_back(node);
    else if (!node->runsTogether())
      perSample.nodes.push_back(node);
    else
      plan->steps.push_back({Step::Kind::Together, {node}, {}, {}});
  }
  // A node that runs together is the last of its closure; what it needs goes before it.
  auto at = !plan->steps.empty() && !nodes.empty() && nodes.back()->runsTogether() &&
                    plan->steps.back().nodes == std::vector<Node *>{nodes.back()}
                ? plan->steps.end() - 1
                : plan->steps.end();
  if (!perSample.nodes.empty())
    at = plan->steps.insert(at, std::move(perSample));
  if (!once.nodes.empty())
    plan->steps.insert(at, std::move(once));
}

/// Work with a weight comes as early as the program order of such work allows, everything else as
/// late as possible: long stretches of a sample's own work let values stay in the cache, and
/// kernels be fused.
void Planner::schedule() {
  for (NodePtr &node : plan->nodes)
    if (node->runsTogether() && !scheduled.contains(node.get())) {
      std::vector<Node *> nodes;
      closure(node.get(), nodes);
      appendSteps(std::move(nodes));
    }
  std::vector<Node *> rest;
  for (NodePtr &node : plan->nodes)
    if (!scheduled.contains(node.get()))
      rest.push_back(node.get());
  appendSteps(std::move(rest));
}

void Planner::findReaders() {
  readers.assign(values.size(), {});
  for (NodePtr &node : plan->nodes)
    for (ValueId id : node->reads)
      readers[id].push_back(node.get());
}

void Planner::extractKernels() {
  for (NodePtr &node : plan->nodes)
    if (auto *kernel = dynamic_cast<KernelNode *>(node.get())) {
      kernel->extract([&](Value value) {
        ValueId id = values.id(value);
        return results.contains(id) ||
               llvm::any_of(readers[id], [&](Node *reader) { return reader != kernel; });
      });
      plan->kernels.push_back(kernel);
    }
}

/// The value whose memory `id` is a view of, among what `step` computes.
ValueId Planner::storageOf(ValueId id, const llvm::DenseSet<Node *> &step) const {
  for (;;) {
    Node *producer = producers.lookup(id);
    if (!producer || !step.contains(producer) || !getReshapeSource(producer->op))
      return id;
    id = producer->reads[0];
  }
}

void Planner::findLifetimes() {
  // The position of the last reader: step, and node within the step.
  std::vector<std::pair<size_t, size_t>> last(values.size(), {0, 0});
  std::vector<size_t> producedIn(values.size(), SIZE_MAX);
  for (auto [s, step] : llvm::enumerate(plan->steps))
    for (auto [n, node] : llvm::enumerate(step.nodes)) {
      for (ValueId id : llvm::concat<ValueId>(node->reads, node->writes))
        last[id] = {s, n};
      for (ValueId id : node->writes)
        producedIn[id] = s;
    }
  for (auto [s, step] : llvm::enumerate(plan->steps)) {
    step.releases.resize(step.nodes.size());
    llvm::DenseSet<Node *> members(step.nodes.begin(), step.nodes.end());
    llvm::SetVector<ValueId> crossing;
    for (auto [n, node] : llvm::enumerate(step.nodes)) {
      llvm::SmallSetVector<ValueId, 8> mentioned;
      mentioned.insert(node->reads.begin(), node->reads.end());
      mentioned.insert(node->writes.begin(), node->writes.end());
      for (ValueId id : mentioned)
        if (last[id] == std::pair(s, n) && !results.contains(id))
          step.releases[n].push_back(id);
      for (ValueId id : node->writes)
        if (last[id].first > s || results.contains(id))
          crossing.insert(storageOf(id, members));
    }
    if (step.kind != Step::Kind::PerSample)
      continue;
    for (ValueId id : crossing) {
      auto type = dyn_cast<RankedTensorType>(values.value(id).getType());
      Node *producer = producers.lookup(id);
      if (type && type.hasStaticShape() && producedIn[id] == s && producer &&
          !isa<LayerOpInterface>(producer->op))
        step.batchOutputs.push_back({id, type});
    }
  }
  // An invariant value is released once all samples are done with it: after the step, not within.
  for (Step &step : plan->steps)
    if (step.kind == Step::Kind::PerSample)
      for (auto [n, releases] : llvm::enumerate(step.releases))
        llvm::erase_if(releases, [&](ValueId id) { return plan->invariant[id] != 0; });
}

llvm::Expected<std::unique_ptr<Plan>> Planner::make() {
  if (llvm::Error error = collectNodes())
    return std::move(error);
  findInvariants();
  schedule();
  findReaders();
  for (Step &step : plan->steps)
    if (step.kind == Step::Kind::PerSample)
      fuseKernels(step);
  llvm::DenseSet<Node *> live;
  for (Step &step : plan->steps)
    live.insert(step.nodes.begin(), step.nodes.end());
  llvm::erase_if(plan->nodes, [&](NodePtr &node) { return !live.contains(node.get()); });
  findReaders();
  extractKernels();
  producers.clear();
  for (NodePtr &node : plan->nodes)
    for (ValueId id : node->writes)
      producers[id] = node.get();
  findLifetimes();
  return std::move(plan);
}

llvm::Expected<std::unique_ptr<Plan>> makePlan(func::FuncOp function, const PlanRequest &request,
                                               ValueTable &values, Observation &observation) {
  return Planner(function, request, values, observation).make();
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelNode.h"
#include "KernelGraph.h"
#include "TensorView.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ptq::execution {

/// The factor of `loop` in a linear expression; nothing if it has divisions.
static std::optional<int64_t> getFactor(AffineExpr expression, unsigned loop) {
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return dim.getPosition() == loop;
  if (isa<AffineConstantExpr>(expression))
    return 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expression);
  if (!binary)
    return std::nullopt;
  auto left = getFactor(binary.getLHS(), loop), right = getFactor(binary.getRHS(), loop);
  if (!left || !right)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add)
    return *left + *right;
  if (auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
      constant && binary.getKind() == AffineExprKind::Mul)
    return *left * constant.getValue();
  return std::nullopt;
}

/// Whether a kernel should read through a view: its innermost loop must stay contiguous, or stand
/// still.
static bool isCheap(AffineMap map) {
  if (map.getNumResults() == 0 || map.getNumDims() == 0)
    return true;
  unsigned innermost = map.getNumDims() - 1;
  for (AffineExpr expression : map.getResults().drop_back())
    if (getFactor(expression, innermost) != 0)
      return false;
  auto factor = getFactor(map.getResults().back(), innermost);
  return factor == 0 || factor == 1;
}

static Value getShapeSource(Value value) {
  while (auto structured = value.getDefiningOp<linalg::LinalgOp>())
    value = structured.getDpsInits()[cast<OpResult>(value).getResultNumber()];
  return value;
}

/// More parts are copied one by one.
static constexpr unsigned concatLimit = 8;

/// The tensors that `op` reads element by element, if it can be a kernel.
static std::optional<SmallVector<Value>> getKernelInputs(Operation *op) {
  SmallVector<Value> inputs;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    auto isStatic = [](Type type) { return cast<RankedTensorType>(type).hasStaticShape(); };
    if (op->getNumOperands() > concatLimit || !llvm::all_of(op->getOperandTypes(), isStatic) ||
        !isStatic(concat.getResultType()))
      return std::nullopt;
    inputs.assign(op->operand_begin(), op->operand_end());
  } else if (auto loops = getLoopOp(op)) {
    for (const TensorAccess &input : loops->inputs)
      inputs.push_back(input.tensor);
  } else {
    return std::nullopt;
  }
  return inputs;
}

std::unique_ptr<KernelNode> KernelNode::make(Operation *op, ValueTable &values) {
  auto inputs = getKernelInputs(op);
  if (!inputs)
    return nullptr;
  std::unique_ptr<KernelNode> node(new KernelNode(op));
  node->values = &values;
  SmallVector<Operation *> views;
  for (Value tensor : *inputs) {
    while (Operation *producer = tensor.getDefiningOp()) {
      auto view = getViewSource(producer);
      if (!view || !isCheap(view->map))
        break;
      if (!llvm::is_contained(views, producer))
        views.push_back(producer);
      tensor = view->tensor;
    }
  }
  node->operations.assign(views.rbegin(), views.rend());
  node->operations.push_back(op);
  node->evaluated = {op};
  node->findReads();
  return node;
}

void KernelNode::join(KernelNode &other) {
  for (Operation *operation : other.operations)
    if (!llvm::is_contained(operations, operation))
      operations.push_back(operation);
  evaluated.append(other.evaluated);
  auto before = [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); };
  llvm::sort(operations, before);
  llvm::sort(evaluated, before);
  findReads();
}

void KernelNode::findReads() {
  llvm::SetVector<ValueId> found;
  llvm::DenseSet<Operation *> own(operations.begin(), operations.end());
  for (Operation *operation : operations) {
    llvm::DenseSet<Value> unread;
    if (auto structured = dyn_cast<linalg::LinalgOp>(operation))
      for (OpOperand &init : structured.getDpsInitsMutable())
        if (!structured.payloadUsesValueFromOperand(&init))
          unread.insert(init.get());
    auto read = [&](Value value, bool isIndexed) {
      bool isTensor = isa<RankedTensorType>(value.getType());
      if (own.contains(value.getDefiningOp()) ||
          (isTensor ? isIndexed && getSplatConstant(value) : matchPattern(value, m_Constant())))
        return;
      found.insert(values->id(value));
    };
    operation->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (!operation->isAncestor(operand.getParentBlock()->getParentOp()) &&
            !(inner == operation && unread.contains(operand)))
          read(operand, inner == operation);
    });
    for (Value init : unread)
      if (!cast<RankedTensorType>(init.getType()).hasStaticShape())
        found.insert(values->id(getShapeSource(init)));
    // An init that is read and dynamic gives the shape, too; an elementwise operation has its
    // operand's.
  }
  reads.assign(found.begin(), found.end());
  writes.clear();
  for (Operation *operation : evaluated)
    for (Value result : operation->getResults())
      writes.push_back(values->id(result));
}

/// A value that has the shape of `output` at run time, for a dynamic shape.
static Value findShapeSource(Value output) {
  Operation *op = output.getDefiningOp();
  if (auto structured = dyn_cast<linalg::LinalgOp>(op)) {
    OpOperand *init = structured.getDpsInitOperand(cast<OpResult>(output).getResultNumber());
    return structured.payloadUsesValueFromOperand(init) ? init->get() : getShapeSource(init->get());
  }
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      return operand;
  llvm_unreachable("an elementwise operation without a tensor");
}

void KernelNode::extract(llvm::function_ref<bool(Value)> isWanted) {
  SmallVector<Value> outputs;
  for (Operation *operation : evaluated)
    for (Value result : operation->getResults())
      if (isWanted(result))
        outputs.push_back(result);
  kernel = extractKernel(operations, outputs);
  inputs.clear();
  scalars.clear();
  writes.clear();
  shapeSources.clear();
  for (Value value : kernel.inputs)
    inputs.push_back(values->id(value));
  for (Value value : kernel.scalars)
    scalars.push_back(values->id(value));
  for (Value value : kernel.outputs) {
    writes.push_back(values->id(value));
    bool isDynamic = !cast<RankedTensorType>(value.getType()).hasStaticShape();
    shapeSources.push_back(isDynamic ? values->id(findShapeSource(value)) : 0);
  }
  auto isDynamic = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && !type.hasStaticShape();
  };
  if (llvm::any_of(op->getOperands(), isDynamic) || llvm::any_of(op->getResults(), isDynamic))
    dynamicLoops = getLoopOp(op);
}

std::string KernelNode::name() const {
  std::string last = evaluated.back()->getName().getStringRef().str();
  return evaluated.size() == 1 ? last : std::to_string(evaluated.size()) + " fused, last " + last;
}

llvm::Error KernelNode::findShapes(Frame &frame, SmallVectorImpl<RankedTensorType> &types) {
  for (auto [output, source] : llvm::zip(kernel.outputs, shapeSources)) {
    auto type = cast<RankedTensorType>(output.getType());
    types.push_back(type.hasStaticShape() ? type
                                          : withShape(type, frame.tensor(source).type.getShape()));
  }
  return llvm::Error::success();
}

/// With dynamic shapes, what the verifier could not see: all operands agree on the sizes of the
/// loops, and no index leaves its tensor.
llvm::Error KernelNode::checkLoops(Frame &frame, ArrayRef<RankedTensorType> outputTypes) {
  auto shapeOf = [&](Value value) -> ArrayRef<int64_t> {
    for (auto [output, type] : llvm::zip(kernel.outputs, outputTypes))
      if (output == value)
        return type.getShape();
    if (auto type = cast<RankedTensorType>(value.getType()); type.hasStaticShape())
      return type.getShape();
    return frame.tensor(values->id(value)).type.getShape();
  };
  SmallVector<std::pair<AffineMap, ArrayRef<int64_t>>> accesses;
  for (const TensorAccess &input : dynamicLoops->inputs)
    if (isa<RankedTensorType>(input.tensor.getType()) &&
        llvm::is_contained(kernel.inputs, input.tensor))
      accesses.push_back({input.map, shapeOf(input.tensor)});
  for (auto [result, init] : llvm::zip(op->getResults(), dynamicLoops->inits))
    if (llvm::is_contained(kernel.outputs, result))
      accesses.push_back({init.map, shapeOf(result)});
  SmallVector<int64_t> sizes = dynamicLoops->bounds;
  for (auto &[map, shape] : accesses)
    for (auto [expression, size] : llvm::zip(map.getResults(), shape))
      if (auto loop = dyn_cast<AffineDimExpr>(expression)) {
        int64_t &known = sizes[loop.getPosition()];
        if (ShapedType::isDynamic(known))
          known = size;
        if (known != size)
          return errorAt(op, "the operands' sizes do not agree: " + Twine(known) + " and " +
                                 Twine(size));
      }
  for (int64_t size : sizes)
    if (size <= 0)
      return llvm::Error::success();
  SmallVector<Attribute> last;
  for (int64_t size : sizes)
    last.push_back(IntegerAttr::get(IndexType::get(op->getContext()), size - 1));
  for (auto &[map, shape] : accesses) {
    SmallVector<Attribute> indices;
    if (failed(map.constantFold(last, indices)))
      continue;
    for (auto [index, size] : llvm::zip(indices, shape))
      if (int64_t value = cast<IntegerAttr>(index).getInt(); value < 0 || value >= size)
        return errorAt(op,
                       "index " + Twine(value) + " is outside a dimension of size " + Twine(size));
  }
  return llvm::Error::success();
}

llvm::Error KernelNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  SmallVector<RankedTensorType> types;
  if (llvm::Error error = findShapes(frame, types))
    return error;
  if (dynamicLoops)
    if (llvm::Error error = checkLoops(frame, types))
      return error;

  SmallVector<const void *> buffers;
  SmallVector<int64_t> numbers;
  auto addSizes = [&](Value value, ArrayRef<int64_t> shape) {
    for (auto [declared, size] :
         llvm::zip(cast<RankedTensorType>(value.getType()).getShape(), shape))
      if (ShapedType::isDynamic(declared))
        numbers.push_back(size);
  };
  for (auto [value, id] : llvm::zip(kernel.inputs, inputs)) {
    const Tensor &tensor = frame.written(id);
    buffers.push_back(tensor.data);
    addSizes(value, tensor.type.getShape());
  }
  for (auto [value, id, type] : llvm::zip(kernel.outputs, writes, types)) {
    buffers.push_back(frame.allocate(id, type));
    addSizes(value, type.getShape());
  }
  for (ValueId id : scalars)
    numbers.push_back(scalarBits(frame.scalar(id)));
  int32_t failure = 0;
  function(const_cast<void *const *>(reinterpret_cast<const void *const *>(buffers.data())),
           numbers.data(), &failure);
  if (failure > 0)
    return llvm::createStringError(kernel.checks[failure - 1]);
  return llvm::Error::success();
}

} // namespace ptq::execution

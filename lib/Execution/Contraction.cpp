// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Contraction.h"
#include "KernelExtraction.h"
#include "StridedCopy.h"
#include "TensorView.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;

namespace ptq::execution {

/// The block argument that `value` is, or is extended from.
static Value stripExtension(Value value) {
  while (auto extension = value.getDefiningOp<arith::ExtFOp>())
    value = extension.getIn();
  return value;
}

static bool isMultiplyAdd(Block *body) {
  if (body->getNumArguments() != 3 || body->getTerminator()->getNumOperands() != 1)
    return false;
  auto add = body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add)
    return false;
  for (auto [total, product] :
       {std::pair(add.getLhs(), add.getRhs()), std::pair(add.getRhs(), add.getLhs())}) {
    auto multiply = product.getDefiningOp<arith::MulFOp>();
    if (total != body->getArgument(2) || !multiply)
      continue;
    Value left = stripExtension(multiply.getLhs()), right = stripExtension(multiply.getRhs());
    if ((left == body->getArgument(0) && right == body->getArgument(1)) ||
        (left == body->getArgument(1) && right == body->getArgument(0)))
      return true;
  }
  return false;
}

/// Loops that `map` uses, each as an index of its own; nothing if it has other expressions.
static std::optional<llvm::SmallBitVector> getLoops(AffineMap map) {
  llvm::SmallBitVector loops(map.getNumDims());
  for (AffineExpr expression : map.getResults()) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expression);
        constant && constant.getValue() == 0)
      continue;
    auto loop = dyn_cast<AffineDimExpr>(expression);
    if (!loop || loops.test(loop.getPosition()))
      return std::nullopt;
    loops.set(loop.getPosition());
  }
  return loops;
}

namespace {
/// An element's offset as a function of the loops: Σ strides·loops + offset + Σ factor·expression.
struct Layout {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  SmallVector<std::pair<AffineExpr, int64_t>> divisions;
  llvm::SmallBitVector divided; ///< Loops within `divisions`.

  Layout(AffineMap map, ArrayRef<int64_t> shape)
      : strides(map.getNumDims(), 0), divided(map.getNumDims()) {
    for (auto [expression, stride] : llvm::zip(map.getResults(), rowMajorStrides(shape)))
      add(expression, stride);
  }

  bool uses(unsigned loop) const { return strides[loop] != 0 || divided.test(loop); }

  int64_t at(ArrayRef<int64_t> loops) const {
    int64_t result = offset;
    for (auto [stride, index] : llvm::zip(strides, loops))
      result += stride * index;
    for (auto [expression, factor] : divisions)
      result += factor * evaluate(expression, loops);
    return result;
  }

private:
  void add(AffineExpr expression, int64_t factor) {
    if (auto dim = dyn_cast<AffineDimExpr>(expression)) {
      strides[dim.getPosition()] += factor;
      return;
    }
    if (auto constant = dyn_cast<AffineConstantExpr>(expression)) {
      offset += factor * constant.getValue();
      return;
    }
    auto binary = cast<AffineBinaryOpExpr>(expression);
    if (binary.getKind() == AffineExprKind::Add) {
      add(binary.getLHS(), factor);
      add(binary.getRHS(), factor);
    } else if (binary.getKind() == AffineExprKind::Mul) {
      add(binary.getLHS(), factor * cast<AffineConstantExpr>(binary.getRHS()).getValue());
    } else {
      divisions.push_back({expression, factor});
      expression.walk([&](AffineExpr part) {
        if (auto dim = dyn_cast<AffineDimExpr>(part))
          divided.set(dim.getPosition());
      });
    }
  }

  /// All values are non-negative.
  static int64_t evaluate(AffineExpr expression, ArrayRef<int64_t> loops) {
    if (auto dim = dyn_cast<AffineDimExpr>(expression))
      return loops[dim.getPosition()];
    if (auto constant = dyn_cast<AffineConstantExpr>(expression))
      return constant.getValue();
    auto binary = cast<AffineBinaryOpExpr>(expression);
    int64_t left = evaluate(binary.getLHS(), loops), right = evaluate(binary.getRHS(), loops);
    switch (binary.getKind()) {
    case AffineExprKind::Add:
      return left + right;
    case AffineExprKind::Mul:
      return left * right;
    case AffineExprKind::FloorDiv:
      return left / right;
    case AffineExprKind::CeilDiv:
      return (left + right - 1) / right;
    default:
      return left % right;
    }
  }
};
} // namespace

/// Looks through views of `operand` as long as every loop but those in `batch` keeps one stride.
static TensorAccess foldViews(TensorAccess operand, const llvm::SmallBitVector &batch) {
  TensorAccess best = operand;
  while (Operation *producer = operand.tensor.getDefiningOp()) {
    auto view = getViewSource(producer);
    if (!view)
      break;
    operand = {view->tensor, view->map.compose(operand.map)};
    llvm::SmallBitVector divided =
        Layout(operand.map, cast<RankedTensorType>(operand.tensor.getType()).getShape()).divided;
    if (llvm::SmallBitVector outside = divided; !outside.reset(batch).any())
      best = operand;
  }
  return best;
}

/// A tensor of the shape of `init`, found without computing what it was filled with.
static Value getShapeSource(Value init) {
  while (auto structured = init.getDefiningOp<linalg::LinalgOp>())
    init = structured.getDpsInits()[cast<OpResult>(init).getResultNumber()];
  return init;
}

static bool isZero(Value value) {
  TypedAttr scalar = getSplatConstant(value);
  if (auto fill = value.getDefiningOp<linalg::FillOp>(); fill && !scalar)
    matchPattern(fill.value(), m_Constant(&scalar));
  auto number = dyn_cast_or_null<FloatAttr>(scalar);
  return number && number.getValue().isZero();
}

std::optional<Contraction> matchContraction(Operation *op) {
  auto structured = dyn_cast<linalg::LinalgOp>(op);
  if (!structured || !structured.hasPureTensorSemantics() || structured.getNumDpsInputs() != 2 ||
      structured.getNumDpsInits() != 1 || !isMultiplyAdd(structured.getBlock()))
    return std::nullopt;
  auto loops = getLoopOp(op);
  if (!loops)
    return std::nullopt;
  for (Value operand : op->getOperands())
    if (!isa<RankedTensorType>(operand.getType()) ||
        !getFloatKind(getElementTypeOrSelf(operand.getType())))
      return std::nullopt;
  auto inA = getLoops(loops->inputs[0].map), inB = getLoops(loops->inputs[1].map),
       inC = getLoops(loops->inits[0].map);
  if (!inA || !inB || !inC)
    return std::nullopt;
  for (auto [loop, iterator] : llvm::enumerate(loops->iterators)) {
    bool reduction = iterator == utils::IteratorType::reduction;
    if (reduction == inC->test(loop) || (reduction && !(inA->test(loop) && inB->test(loop))))
      return std::nullopt;
  }

  Value init = structured.getDpsInits()[0];
  Contraction contraction{op,
                          loops->iterators,
                          loops->inputs[0],
                          loops->inputs[1],
                          loops->inits[0].map,
                          isZero(init) ? Value() : init,
                          getShapeSource(init),
                          loops->bounds};
  auto isStatic = [](Value value) {
    return cast<RankedTensorType>(value.getType()).hasStaticShape();
  };
  if (llvm::all_of(op->getOperands(), isStatic)) {
    llvm::SmallBitVector batch = *inA;
    batch &= *inB;
    batch &= *inC;
    contraction.a = foldViews(contraction.a, batch);
    contraction.b = foldViews(contraction.b, batch);
  }
  return contraction;
}

std::optional<GemmProblem> makeProblem(const Contraction &contraction, ArrayRef<int64_t> shapeA,
                                       ArrayRef<int64_t> shapeB, ArrayRef<int64_t> shapeC) {
  SmallVector<int64_t> sizes = contraction.bounds;
  auto take = [&](AffineMap map, ArrayRef<int64_t> shape) {
    for (auto [expression, size] : llvm::zip(map.getResults(), shape))
      if (auto loop = dyn_cast<AffineDimExpr>(expression)) {
        int64_t &known = sizes[loop.getPosition()];
        if (!ShapedType::isDynamic(known) && known > size)
          return false;
        if (ShapedType::isDynamic(known))
          known = size;
      }
    return true;
  };
  bool isStatic = llvm::none_of(sizes, ShapedType::isDynamic);
  if (!take(contraction.mapC, shapeC) ||
      (!isStatic && (!take(contraction.a.map, shapeA) || !take(contraction.b.map, shapeB))))
    return std::nullopt;

  Layout a(contraction.a.map, shapeA), b(contraction.b.map, shapeB), c(contraction.mapC, shapeC);
  GemmProblem problem;
  SmallVector<unsigned> batch;
  for (auto [loop, size] : llvm::enumerate(sizes)) {
    if (contraction.iterators[loop] == utils::IteratorType::reduction)
      problem.k.push_back({size, a.strides[loop], b.strides[loop]});
    else if (a.uses(loop) && b.uses(loop))
      batch.push_back(loop);
    else if (b.uses(loop) && !a.divided.test(loop))
      problem.n.push_back({size, b.strides[loop], c.strides[loop]});
    else if (!a.divided.test(loop))
      problem.m.push_back({size, a.strides[loop], c.strides[loop]});
    else
      batch.push_back(loop);
  }
  // The loops of a merged dimension come outermost first.
  auto byStride = [](const GemmLoop &x, const GemmLoop &y) { return x.second > y.second; };
  llvm::stable_sort(problem.m, byStride);
  llvm::stable_sort(problem.n, byStride);
  llvm::stable_sort(problem.k,
                    [](const GemmLoop &x, const GemmLoop &y) { return x.first > y.first; });

  SmallVector<int64_t> position(sizes.size(), 0);
  std::function<void(size_t)> enumerate = [&](size_t next) {
    if (next == batch.size()) {
      problem.batch.push_back({a.at(position), b.at(position), c.at(position)});
      return;
    }
    for (int64_t i = 0; i != sizes[batch[next]]; ++i) {
      position[batch[next]] = i;
      enumerate(next + 1);
    }
    position[batch[next]] = 0;
  };
  enumerate(0);
  return problem;
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor's value at a point [rows…, k] is traced through the bodies of linalg operations to an
// expression over other tensors at the same point, of the same row ([rows…, 1] or [rows…]) or of
// the same channel ([k]). Equal expressions are one node, so that x in Σ x² and in x·r is seen to
// be the same. The expression is compared with the norms' own.
//
// An expression's leaf is a tensor whose operation is not understood, or is no arithmetic of one
// point. Conversions to wider floats are exact and dropped; those to narrower ones are nodes.

#include "NormMatcher.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseMap.h"

#include <deque>
#include <map>

using namespace mlir;
using namespace ptq;

namespace {

/// How a tensor is indexed at a point.
enum class Extent { Point, Row, Channel };

struct Node {
  enum class Kind { Leaf, Constant, Add, Sub, Mul, Div, Sqrt, Rsqrt, Square, Round, Sum };

  explicit Node(Kind kind) : kind(kind) {}

  Kind kind;
  const Node *a = nullptr, *b = nullptr;
  Value leaf;           ///< Leaf's tensor
  Extent extent{};      ///< Leaf's
  double constant = 0;  ///< Constant's
  Type type;            ///< Round's
  bool isWide = false;  ///< Computed in float64, not float32.
  mutable Value tensor; ///< One that holds the node's values at all points, if there is one.
};

using Kind = Node::Kind;

class Tracer {
public:
  explicit Tracer(int64_t columns) : columns(columns) {}

  const Node *trace(Value tensor, Extent extent);
  int64_t columns;

private:
  const Node *make(Node node);
  const Node *leaf(Value tensor, Extent extent) {
    Node node(Kind::Leaf);
    node.leaf = tensor;
    node.extent = extent;
    return make(node);
  }
  const Node *traceUncached(Value tensor, Extent extent);
  const Node *traceGeneric(linalg::GenericOp op, Extent extent);
  const Node *traceScalar(Value value, const llvm::DenseMap<Value, const Node *> &arguments);
  std::optional<Extent> extentOf(linalg::GenericOp op, OpOperand &input, Extent result,
                                 bool isReduction);

  std::deque<Node> nodes;
  using Key =
      std::tuple<Kind, const Node *, const Node *, void *, Extent, double, const void *, bool>;
  std::map<Key, const Node *> known;
  llvm::DenseMap<std::pair<Value, int>, const Node *> traced;
};

} // namespace

const Node *Tracer::make(Node node) {
  // The operations that commute do so to the bit.
  if ((node.kind == Kind::Add || node.kind == Kind::Mul) && std::less<>()(node.b, node.a))
    std::swap(node.a, node.b);
  if (node.kind == Kind::Mul && node.a == node.b) {
    node.kind = Kind::Square;
    node.b = nullptr;
  }
  auto key = std::tuple(node.kind, node.a, node.b, node.leaf.getAsOpaquePointer(), node.extent,
                        node.constant, node.type.getAsOpaquePointer(), node.isWide);
  auto [found, isNew] = known.try_emplace(key, nullptr);
  if (isNew)
    found->second = &nodes.emplace_back(node);
  return found->second;
}

const Node *Tracer::trace(Value tensor, Extent extent) {
  auto key = std::pair(tensor, int(extent));
  if (const Node *node = traced.lookup(key))
    return node;
  const Node *node = traceUncached(tensor, extent);
  if (extent == Extent::Point && !node->tensor)
    node->tensor = tensor;
  return traced[key] = node;
}

/// Whether rows stay rows: what the reshape makes of the last dimension is that dimension.
static bool keepsColumns(RankedTensorType from, RankedTensorType to) {
  return from.getRank() && to.getRank() && !from.isDynamicDim(from.getRank() - 1) &&
         from.getShape().back() == to.getShape().back();
}

const Node *Tracer::traceUncached(Value tensor, Extent extent) {
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return leaf(tensor, extent);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    if (generic.getNumResults() == 1)
      if (const Node *node = traceGeneric(generic, extent))
        return node;
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    Value source = op->getOperand(0);
    auto from = cast<RankedTensorType>(source.getType());
    auto to = cast<RankedTensorType>(tensor.getType());
    // A row's value keeps its row, if rows are what remains: [rows…] and [rows…, 1] are the same.
    bool isKept = extent == Extent::Row || (extent == Extent::Point && keepsColumns(from, to)) ||
                  (extent == Extent::Channel && from.getRank() == to.getRank());
    if (isKept)
      return trace(source, extent);
  }
  if (extent == Extent::Row)
    if (DenseFPElementsAttr splat; matchPattern(tensor, m_Constant(&splat)) && splat.isSplat()) {
      Node node(Kind::Constant);
      node.constant = splat.getSplatValue<APFloat>().convertToDouble();
      return make(node);
    }
  return leaf(tensor, extent);
}

/// What an input's map means at a point of a result of that extent.
std::optional<Extent> Tracer::extentOf(linalg::GenericOp op, OpOperand &input, Extent result,
                                       bool isReduction) {
  AffineMap map = op.getMatchingIndexingMap(&input);
  unsigned loops = map.getNumDims();
  auto type = dyn_cast<RankedTensorType>(input.get().getType());
  if (!type)
    return std::nullopt;
  auto isDim = [&](AffineExpr expression, unsigned dim) {
    auto of = dyn_cast<AffineDimExpr>(expression);
    return of && of.getPosition() == dim;
  };
  // The loops' last one is the columns', unless the result is of rows and nothing is summed.
  bool hasColumns = result == Extent::Point || isReduction;
  if (hasColumns && map.getNumResults() == 1 && loops > 1 && isDim(map.getResult(0), loops - 1))
    return Extent::Channel;
  if (map.getNumResults() == 0)
    return Extent::Row; // A number.
  // All others in their order. What is not of size 1 is there: a row is another's otherwise.
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  unsigned next = 0;
  auto skipTo = [&](unsigned dim) {
    for (; next < dim; ++next)
      if (sizes[next] != 1)
        return false;
    return true;
  };
  for (auto [i, expression] : llvm::enumerate(map.getResults())) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expression)) {
      if (constant.getValue() != 0 || type.getDimSize(i) != 1)
        return std::nullopt;
      continue;
    }
    auto dim = dyn_cast<AffineDimExpr>(expression);
    if (!dim || dim.getPosition() < next || !skipTo(dim.getPosition()))
      return std::nullopt;
    ++next;
  }
  if (hasColumns && next == loops)
    return Extent::Point;
  return skipTo(hasColumns ? loops - 1 : loops) ? std::optional(Extent::Row) : std::nullopt;
}

const Node *Tracer::traceGeneric(linalg::GenericOp op, Extent extent) {
  AffineMap out = op.getIndexingMapsArray().back();
  bool isReduction = op.getNumReductionLoops() != 0;
  if (extent == Extent::Channel || op.hasIndexSemantics())
    return nullptr;
  if (isReduction) {
    // Over the columns alone, from zero.
    auto kinds = op.getIteratorTypesArray();
    auto size = op.getStaticLoopRanges().back();
    if (extent != Extent::Row || op.getNumReductionLoops() != 1 ||
        kinds.back() != utils::IteratorType::reduction || size != columns)
      return nullptr;
    unsigned row = 0;
    for (AffineExpr expression : out.getResults())
      if (auto dim = dyn_cast<AffineDimExpr>(expression); dim && dim.getPosition() != row++)
        return nullptr;
    if (row != op.getNumParallelLoops())
      return nullptr;
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (!fill || !matchPattern(fill.getInputs()[0], m_AnyZeroFloat()))
      return nullptr;
  } else if (!out.isIdentity() ||
             (extent == Extent::Point && op.getStaticLoopRanges().back() != columns)) {
    return nullptr;
  }
  llvm::DenseMap<Value, const Node *> arguments;
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!op.payloadUsesValueFromOperand(input))
      continue;
    std::optional<Extent> of = extentOf(op, *input, extent, isReduction);
    if (of)
      arguments[op.getMatchingBlockArgument(input)] = trace(input->get(), *of);
  }
  Value result = op.getBody()->getTerminator()->getOperand(0);
  if (!isReduction)
    return traceScalar(result, arguments);
  auto add = result.getDefiningOp<arith::AddFOp>();
  Value accumulator = op.getRegionOutputArgs()[0];
  if (!add || !(add.getType().isF32() || add.getType().isF64()) || !accumulator.hasOneUse() ||
      !llvm::is_contained(add->getOperands(), accumulator))
    return nullptr;
  Node node(Kind::Sum);
  node.isWide = add.getType().isF64();
  node.a = traceScalar(add.getLhs() == accumulator ? add.getRhs() : add.getLhs(), arguments);
  return node.a ? make(node) : nullptr;
}

/// The expression of a value of a body.
const Node *Tracer::traceScalar(Value value, const llvm::DenseMap<Value, const Node *> &arguments) {
  if (const Node *node = arguments.lookup(value))
    return node;
  Operation *op = value.getDefiningOp();
  if (!op)
    return nullptr;
  FloatAttr constant;
  if (matchPattern(value, m_Constant(&constant))) {
    Node node(Kind::Constant);
    node.constant = constant.getValueAsDouble();
    return make(node);
  }
  if (isa<arith::ExtFOp>(op))
    return traceScalar(op->getOperand(0), arguments);
  Node node(Kind::Leaf);
  if (auto round = dyn_cast<arith::TruncFOp>(op)) {
    node.a = traceScalar(round.getIn(), arguments);
    // Constants are written in float64 now and then.
    if (node.a && node.a->kind == Kind::Constant) {
      node.kind = Kind::Constant;
      APFloat rounded(node.a->constant);
      bool lost;
      rounded.convert(cast<FloatType>(value.getType()).getFloatSemantics(),
                      APFloat::rmNearestTiesToEven, &lost);
      node.constant = rounded.convertToDouble();
      node.a = nullptr;
      return make(node);
    }
    node.kind = Kind::Round;
    node.type = value.getType();
    return node.a ? make(node) : nullptr;
  }
  if (auto power = dyn_cast<math::FPowIOp>(op)) {
    APInt exponent;
    if (!matchPattern(power.getRhs(), m_ConstantInt(&exponent)) || exponent.getSExtValue() != 2)
      return nullptr;
    node.kind = Kind::Square;
  } else if (isa<arith::AddFOp>(op)) {
    node.kind = Kind::Add;
  } else if (isa<arith::SubFOp>(op)) {
    node.kind = Kind::Sub;
  } else if (isa<arith::MulFOp>(op)) {
    node.kind = Kind::Mul;
  } else if (isa<arith::DivFOp>(op)) {
    node.kind = Kind::Div;
  } else if (isa<math::SqrtOp>(op)) {
    node.kind = Kind::Sqrt;
  } else if (isa<math::RsqrtOp>(op)) {
    node.kind = Kind::Rsqrt;
  } else {
    return nullptr;
  }
  // Arithmetic of 16-bit floats is float32's, rounded after each operation.
  Type type = value.getType();
  bool isNarrow = type.isF16() || type.isBF16();
  node.isWide = type.isF64();
  if (!type.isF32() && !isNarrow && !node.isWide)
    return nullptr;
  node.a = traceScalar(op->getOperand(0), arguments);
  if (!node.a)
    return nullptr;
  if (isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp>(op)) {
    node.b = traceScalar(op->getOperand(1), arguments);
    if (!node.b)
      return nullptr;
  }
  const Node *made = make(node);
  if (!isNarrow)
    return made;
  Node round(Kind::Round);
  round.a = made;
  round.type = type;
  return make(round);
}

//===----------------------------------------------------------------------===//
// The norms
//===----------------------------------------------------------------------===//

static bool isConstant(const Node *node, double value) {
  return node->kind == Kind::Constant && node->constant == value;
}

/// a of Σ a / K: a division, or a product with 1/K where that is exact. All in float64 if `isWide`.
static const Node *meanOf(const Node *node, int64_t columns, bool isWide) {
  const Node *sum = nullptr;
  if (node->kind == Kind::Div && isConstant(node->b, columns))
    sum = node->a;
  else if (node->kind == Kind::Mul && llvm::isPowerOf2_64(columns))
    for (auto [a, b] : {std::pair(node->a, node->b), std::pair(node->b, node->a)})
      if (isConstant(b, 1.0 / columns))
        sum = a;
  bool isMean = sum && sum->kind == Kind::Sum && sum->isWide == isWide && node->isWide == isWide;
  return isMean ? sum->a : nullptr;
}

/// x of x − Σ x / K.
static const Node *centredOf(const Node *node, int64_t columns, bool isWide) {
  bool isCentred = node->kind == Kind::Sub && node->isWide == isWide &&
                   meanOf(node->b, columns, isWide) == node->a;
  return isCentred ? node->a : nullptr;
}

/// z of Σ z²/K.
static const Node *squaresOf(const Node *node, int64_t columns, bool isWide) {
  const Node *square = meanOf(node, columns, isWide);
  bool isSquare = square && square->kind == Kind::Square && square->isWide == isWide;
  return isSquare ? square->a : nullptr;
}

/// Matches `factor` = 1/√(Σ z²/K + ε), z being x or centred.
static bool matchFactor(const Node *factor, const Node *z, int64_t columns, Norm &norm) {
  const Node *radicand = nullptr;
  if (factor->kind == Kind::Rsqrt)
    radicand = factor->a;
  else if (factor->kind == Kind::Div && isConstant(factor->a, 1) && factor->b->kind == Kind::Sqrt)
    radicand = factor->b->a;
  if (!radicand || radicand->kind != Kind::Add || radicand->isWide || factor->isWide)
    return false;
  const Node *x = centredOf(z, columns, /*isWide=*/false);
  for (auto [mean, epsilon] :
       {std::pair(radicand->a, radicand->b), std::pair(radicand->b, radicand->a)}) {
    if (epsilon->kind != Kind::Constant)
      continue;
    norm.epsilon = epsilon->constant;
    norm.hasWideVariance = mean->kind == Kind::Round && mean->type.isF32();
    if (!norm.hasWideVariance && squaresOf(mean, columns, false) == z)
      return true;
    if (!norm.hasWideVariance || !x)
      continue;
    const Node *wide = squaresOf(mean->a, columns, true);
    if (wide && centredOf(wide, columns, true) == x)
      return true;
  }
  return false;
}

/// The channel's vector that the other operand is combined with.
static Value takeChannel(const Node *&node, Kind kind) {
  if (node->kind != kind || node->isWide)
    return {};
  for (auto [vector, rest] : {std::pair(node->a, node->b), std::pair(node->b, node->a)})
    if (vector->kind == Kind::Leaf && vector->extent == Extent::Channel) {
      node = rest;
      return vector->leaf;
    }
  return {};
}

static Type takeRounding(const Node *&node) {
  if (node->kind != Kind::Round)
    return {};
  Type type = node->type;
  node = node->a;
  return type;
}

/// The part of `node` that is z·r of a norm.
static bool matchNormalized(const Node *node, int64_t columns, Norm &norm) {
  if (node->kind != Kind::Mul || node->isWide)
    return false;
  for (auto [z, factor] : {std::pair(node->a, node->b), std::pair(node->b, node->a)}) {
    if (!matchFactor(factor, z, columns, norm))
      continue;
    const Node *x = centredOf(z, columns, /*isWide=*/false);
    norm.isCentered = x;
    norm.x = (x ? x : z)->tensor;
    return bool(norm.x);
  }
  return false;
}

std::optional<Norm> ptq::matchNorm(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  for (Value each = value;;) {
    if (!each.hasOneUse())
      return std::nullopt;
    Operation *op = each.getDefiningOp();
    if (!isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      break;
    each = op->getOperand(0);
  }
  Tracer tracer(type.getShape().back());
  const Node *node = tracer.trace(value, Extent::Point);
  Norm norm;
  norm.resultType = takeRounding(node);
  norm.beta = takeChannel(node, Kind::Add);
  norm.gamma = takeChannel(node, Kind::Mul);
  norm.normalizedType = takeRounding(node);
  // Without γ and β, one rounding is as good as two.
  if (!matchNormalized(node, tracer.columns, norm) || (norm.beta && !norm.isCentered))
    return std::nullopt;
  return norm;
}

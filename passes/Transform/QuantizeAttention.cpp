// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A contraction C[b…, m…, n…] = Σ_k A[b…, m…, k…]·B[b…, n…, k…] of two activations, in any
// loop order, becomes
//
//   (qa, sa) = dynamic_quantize(A as [b…, M, K])     one scale for each (b, m)
//   (qb, sb) = dynamic_quantize(B as [b…, N, K])     one scale for each (b, n)
//   C = integer_batch_matmul(qa, sa, qb, sb)
//
// where M, N and K are all loops of their kind in one. Scales lie on rows that the sum does not run
// over, which is what makes integers possible: for p·v the right operand is vᵀ, and a channel of a
// head over all positions shares a scale. SmoothQuant (Xiao et al., 2022) calls these its BMMs.
//
// Heads of grouped queries that share a key are loops of A and C alone, and so part of M; where the
// model repeats keys instead, they are batches.

#include "QuantizeAttention.h"

#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Transform/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

namespace ptq {
#define GEN_PASS_DEF_QUANTIZEATTENTION
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// A product of two activations and what its loops are.
struct Product {
  linalg::LinalgOp op;
  linalg::ContractionDimensions loops;
  SmallVector<int64_t> bounds;

  AffineMap map(int64_t operand) { return op.getMatchingIndexingMap(&op->getOpOperand(operand)); }
  /// The bound of several loops in one.
  int64_t bound(ArrayRef<unsigned> of) {
    int64_t size = 1;
    for (unsigned loop : of)
      size = ShapedType::isDynamic(bounds[loop]) || ShapedType::isDynamic(size)
                 ? ShapedType::kDynamic
                 : size * bounds[loop];
    return size;
  }
};

} // namespace

/// Nothing but a product, a sum and conversions of floats.
static bool isPlainProduct(linalg::LinalgOp op) {
  return llvm::all_of(op.getBlock()->getOperations(), [](Operation &inner) {
    return isa<arith::MulFOp, arith::AddFOp, arith::ExtFOp, arith::TruncFOp, linalg::YieldOp>(
        inner);
  });
}

static bool isZero(Value value) {
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  return matchPattern(value, m_AnyZeroFloat());
}

/// Why the product cannot be one of integers; empty if it can.
static std::string findObstacle(Product &product) {
  linalg::LinalgOp op = product.op;
  for (Type type : op->getOperandTypes()) {
    Type element = getElementTypeOrSelf(type);
    if (!element.isF32() && !element.isF16() && !element.isBF16())
      return "its elements are not f32, f16 or bf16";
  }
  if (product.loops.m.empty() || product.loops.n.empty())
    return "one side is a vector";
  if (product.bound(product.loops.k) == 1)
    return "it sums nothing: the contracted dimension has one element";
  if (product.bound(product.loops.k) > numerics::kMaxInt8Depth)
    return "sums of " + std::to_string(product.bound(product.loops.k)) +
           " products overflow 32 bits";
  if (!isPlainProduct(op))
    return "its body computes more than a product";
  if (!isZero(op.getDpsInits()[0]))
    return "it adds to initial values";
  return "";
}

namespace {

/// Builds the replacement of one product.
class ProductBuilder {
public:
  ProductBuilder(OpBuilder &b, Product &product)
      : b(b), loc(product.op.getLoc()), product(product) {}

  Value build() {
    auto [a, scalesA] = quantize(0, product.loops.m);
    auto [right, scalesB] = quantize(1, product.loops.n);
    auto resultType = cast<RankedTensorType>(product.op->getResult(0).getType());
    auto typeA = cast<RankedTensorType>(a.getType());
    SmallVector<int64_t> shape(typeA.getShape());
    shape.back() = product.bound(product.loops.n);
    Value y = IntegerBatchMatmulOp::create(b, loc, typeA.clone(shape, resultType.getElementType()),
                                           a, scalesA, right, scalesB);
    return restore(y, resultType);
  }

private:
  using Loops = ArrayRef<unsigned>;

  /// The operand as [batch…, rows, K], quantized.
  std::pair<Value, Value> quantize(int64_t operand, Loops rows) {
    SmallVector<unsigned> order(product.loops.batch.begin(), product.loops.batch.end());
    llvm::append_range(order, rows);
    llvm::append_range(order, product.loops.k);
    Value x = transpose(product.op->getOperand(operand), positions(order, product.map(operand)));
    int64_t batches = product.loops.batch.size(), rowLoops = rows.size(),
            depthLoops = product.loops.k.size();
    if (rowLoops > 1 || depthLoops > 1) {
      SmallVector<ReassociationIndices> groups = single(batches);
      groups.push_back(llvm::to_vector(llvm::seq(batches, batches + rowLoops)));
      groups.push_back(
          llvm::to_vector(llvm::seq(batches + rowLoops, batches + rowLoops + depthLoops)));
      x = tensor::CollapseShapeOp::create(b, loc, x, groups);
    }
    auto type = cast<RankedTensorType>(x.getType());
    auto scheme = SchemeAttr::get(b.getContext(), 8, /*symmetric=*/true, Granularity::PerToken, 0,
                                  /*dynamic=*/true);
    auto scales = RankedTensorType::get(type.getShape().drop_back(), b.getF32Type());
    auto op = DynamicQuantizeOp::create(b, loc, type.clone(b.getI8Type()), scales, Type(), x,
                                        Value(), scheme);
    return {op.getQ(), op.getScales()};
  }

  /// y [batch…, M, N] with the dimensions of the product's result.
  Value restore(Value y, RankedTensorType resultType) {
    SmallVector<unsigned> order(product.loops.batch.begin(), product.loops.batch.end());
    llvm::append_range(order, product.loops.m);
    llvm::append_range(order, product.loops.n);
    int64_t batches = product.loops.batch.size(), m = product.loops.m.size(),
            n = product.loops.n.size();
    if (m > 1 || n > 1) {
      SmallVector<ReassociationIndices> groups = single(batches);
      groups.push_back(llvm::to_vector(llvm::seq(batches, batches + m)));
      groups.push_back(llvm::to_vector(llvm::seq(batches + m, batches + m + n)));
      SmallVector<OpFoldResult> sizes;
      SmallVector<int64_t> shape;
      for (unsigned loop : order) {
        sizes.push_back(sizeOf(loop));
        shape.push_back(getConstantIntValue(sizes.back()).value_or(ShapedType::kDynamic));
      }
      auto type = RankedTensorType::get(shape, resultType.getElementType());
      y = tensor::ExpandShapeOp::create(b, loc, type, y, groups, sizes);
    }
    // Loop order[i] is y's dimension i; the result wants them as its map has them.
    AffineMap map = product.map(2);
    SmallVector<int64_t> permutation;
    for (AffineExpr expr : map.getResults())
      permutation.push_back(llvm::find(order, cast<AffineDimExpr>(expr).getPosition()) -
                            order.begin());
    y = transpose(y, permutation);
    return y.getType() == resultType ? y
                                     : tensor::CastOp::create(b, loc, resultType, y).getResult();
  }

  /// The number of iterations of a loop, from an operand that has it.
  OpFoldResult sizeOf(unsigned loop) {
    if (!ShapedType::isDynamic(product.bounds[loop]))
      return b.getIndexAttr(product.bounds[loop]);
    for (int64_t operand : {0, 1})
      if (auto dim = product.map(operand).getResultPosition(b.getAffineDimExpr(loop)))
        return tensor::getMixedSize(b, loc, product.op->getOperand(operand), *dim);
    llvm_unreachable("every loop of a contraction is in an input");
  }

  static SmallVector<ReassociationIndices> single(int64_t count) {
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i < count; ++i)
      groups.push_back({i});
    return groups;
  }

  /// Where the operand has each of the loops.
  SmallVector<int64_t> positions(Loops order, AffineMap map) {
    return llvm::map_to_vector(order, [&](unsigned loop) -> int64_t {
      return *map.getResultPosition(b.getAffineDimExpr(loop));
    });
  }

  /// Dimension i of the result is dimension permutation[i] of x.
  Value transpose(Value x, ArrayRef<int64_t> permutation) {
    if (llvm::is_sorted(permutation))
      return x;
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
    SmallVector<OpFoldResult> permuted =
        llvm::map_to_vector(permutation, [&](int64_t dim) { return sizes[dim]; });
    Value empty = tensor::EmptyOp::create(b, loc, permuted, getElementTypeOrSelf(x.getType()));
    return linalg::TransposeOp::create(b, loc, x, empty, permutation)->getResult(0);
  }

  OpBuilder &b;
  Location loc;
  Product &product;
};

struct QuantizeAttentionPass : ptq::impl::QuantizeAttentionBase<QuantizeAttentionPass> {
  using QuantizeAttentionBase::QuantizeAttentionBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<FunctionOpInterface>()) {
      QuantizedAttention result = quantizeAttention(function);
      numQuantized += result.quantized;
      numDeclined += result.declined;
    }
  }
};

} // namespace

QuantizedAttention ptq::quantizeAttention(FunctionOpInterface function) {
  QuantizedAttention result;
  if (function.isExternal())
    return result;
  ParameterAnalysis parameters(function);
  SmallVector<Product> products;
  function.walk([&](linalg::LinalgOp op) {
    if (!linalg::isaContractionOpInterface(op) || !op.hasPureTensorSemantics() ||
        !isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType())) ||
        llvm::any_of(op.getDpsInputs(),
                     [&](Value input) { return parameters.trace(input).has_value(); }))
      return;
    FailureOr<linalg::ContractionDimensions> loops = linalg::inferContractionDims(op);
    if (succeeded(loops))
      products.push_back({op, *loops, op.getStaticLoopRanges()});
  });
  for (Product &product : products) {
    Location loc = product.op.getLoc();
    std::string obstacle = findObstacle(product);
    if (!obstacle.empty()) {
      mlir::emitRemark(loc) << "int8 attention: product of two activations left: " << obstacle;
      ++result.declined;
      continue;
    }
    OpBuilder b(product.op);
    product.op->getResult(0).replaceAllUsesWith(ProductBuilder(b, product).build());
    product.op->erase();
    mlir::emitRemark(loc) << "int8 attention: product of two activations quantized";
    ++result.quantized;
  }
  return result;
}

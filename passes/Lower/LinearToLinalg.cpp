// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.linear → collapse(x)·Wᵀ, + b and rounding in one elementwise op, expand.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

Value ptq::convertFloat(OpBuilder &b, Location loc, Value value, Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
  if (value.getType() == type)
    return value;
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, value);
  if (from > to)
    return arith::TruncFOp::create(b, loc, type, value);
  // f16 and bf16 meet in float32.
  return arith::TruncFOp::create(b, loc, type,
                                 arith::ExtFOp::create(b, loc, b.getF32Type(), value));
}

Value ptq::collapseLeading(OpBuilder &b, Location loc, Value x) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  if (rank <= 2)
    return x;
  SmallVector<ReassociationIndices> groups{llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)),
                                           {rank - 1}};
  return tensor::CollapseShapeOp::create(b, loc, x, groups);
}

Value ptq::contract(OpBuilder &b, Location loc, Value x, Value weight, Type accumulator) {
  auto weightType = cast<RankedTensorType>(weight.getType());
  bool isVector = cast<RankedTensorType>(x.getType()).getRank() == 1;
  SmallVector<OpFoldResult> sizes;
  if (!isVector)
    sizes.push_back(tensor::getMixedSize(b, loc, x, 0));
  sizes.push_back(b.getIndexAttr(weightType.getDimSize(0)));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, accumulator);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(accumulator));
  Value init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  if (isVector)
    return linalg::MatvecOp::create(b, loc, init.getType(), ValueRange{weight, x}, init)
        .getResult(0);
  auto matmul = linalg::MatmulOp::create(b, loc, init.getType(), ValueRange{x, weight}, init);
  AffineExpr m, n, k;
  bindDims(b.getContext(), m, n, k);
  auto map = [&](AffineExpr i, AffineExpr j) {
    return AffineMap::get(3, 0, {i, j}, b.getContext());
  };
  matmul.setIndexingMapsAttr(b.getAffineMapArrayAttr({map(m, k), map(n, k), map(m, n)}));
  return matmul.getResult(0);
}

/// round(y + b[n]), or round(y) without a bias; nothing if there is nothing to do.
static Value addBiasAndRound(OpBuilder &b, Location loc, Value y, Value bias, Type elementType) {
  auto type = cast<RankedTensorType>(y.getType());
  if (!bias && type.getElementType() == elementType)
    return y;
  int64_t rank = type.getRank();
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  SmallVector<Value> inputs{y};
  SmallVector<AffineMap> maps{identity};
  if (bias) {
    inputs.push_back(bias);
    maps.push_back(AffineMap::get(rank, 0, b.getAffineDimExpr(rank - 1)));
  }
  maps.push_back(identity);
  Value empty = tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, y), elementType);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Value sum = args[0];
    if (bias)
      sum = arith::AddFOp::create(b, loc, sum, convertFloat(b, loc, args[1], sum.getType()));
    linalg::YieldOp::create(b, loc, convertFloat(b, loc, sum, elementType));
  };
  return linalg::GenericOp::create(b, loc, empty.getType(), inputs, empty, maps, iterators, body)
      .getResult(0);
}

Value ptq::expandLeading(OpBuilder &b, Location loc, Value y, Value x,
                         RankedTensorType resultType) {
  int64_t rank = resultType.getRank();
  auto type = cast<RankedTensorType>(y.getType());
  if (rank > 2) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
    sizes.back() = b.getIndexAttr(type.getShape().back());
    SmallVector<ReassociationIndices> groups{llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)),
                                             {rank - 1}};
    SmallVector<int64_t> shape(cast<RankedTensorType>(x.getType()).getShape());
    shape.back() = type.getShape().back();
    y = tensor::ExpandShapeOp::create(b, loc, type.clone(shape), y, groups, sizes);
  }
  return y.getType() == resultType ? y : tensor::CastOp::create(b, loc, resultType, y);
}

Value ptq::buildLinear(OpBuilder &b, Location loc, Value x, Value weight, Value bias,
                       RankedTensorType resultType) {
  Type elementType = resultType.getElementType();
  bool isDouble = elementType.isF64() || getElementTypeOrSelf(x.getType()).isF64() ||
                  getElementTypeOrSelf(weight.getType()).isF64();
  Type accumulator = isDouble ? Type(b.getF64Type()) : Type(b.getF32Type());
  Value y = contract(b, loc, collapseLeading(b, loc, x), weight, accumulator);
  y = addBiasAndRound(b, loc, y, bias, elementType);
  return expandLeading(b, loc, y, x, resultType);
}

namespace {

struct LowerLinear : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, buildLinear(rewriter, op.getLoc(), op.getX(), op.getWeight(),
                                       op.getBias(), op.getY().getType()));
    return success();
  }
};

} // namespace

void ptq::populateLinearToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerLinear>(patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_linear and ptq.integer_batch_matmul → a contraction of integers in i32, and float
// arithmetic on its sums in the order that the dialect gives, one rounding each:
//
//   acc[m, n] = Σ_k (q[m, k] - z[m])·w[n, k]
//   y[m, n]   = (float(acc[m, n])·s_w[n])·s_x[m] + Σ_j x_o[m, j]·w_o[n, j] + b[n]
//
// acc is i8 × i8 → i32, with (q - z) in i32 where there is a zero point. With groups the
// contraction is acc[m, n, g], and t[m, n] = Σ_g float(acc[m, n, g])·s_w[n, g], added in the order
// of g, takes the place of float(acc)·s_w. Packed weights are unpacked to i8 before.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

/// A contraction into i32 from zero: operands and result as `maps` say, of which the last is the
/// result's; dimensions not in it are summed over.
static Value contractIntegers(OpBuilder &b, Location loc, Value left, Value right,
                              ArrayRef<OpFoldResult> sizes, ArrayRef<AffineMap> maps) {
  Type i32 = b.getI32Type();
  Value empty = tensor::EmptyOp::create(b, loc, sizes, i32);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(i32));
  Value init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  SmallVector<utils::IteratorType> iterators(maps.front().getNumDims(),
                                             utils::IteratorType::reduction);
  for (AffineExpr expr : maps.back().getResults())
    iterators[cast<AffineDimExpr>(expr).getPosition()] = utils::IteratorType::parallel;
  auto widen = [&](OpBuilder &b, Location loc, Value value) -> Value {
    return value.getType() == i32 ? value : arith::ExtSIOp::create(b, loc, i32, value);
  };
  auto generic = linalg::GenericOp::create(
      b, loc, init.getType(), ValueRange{left, right}, init, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value product =
            arith::MulIOp::create(b, loc, widen(b, loc, args[0]), widen(b, loc, args[1]));
        linalg::YieldOp::create(b, loc,
                                arith::AddIOp::create(b, loc, args[2], product).getResult());
      });
  return generic.getResult(0);
}

namespace {

/// Builds one layer.
class LayerBuilder {
public:
  LayerBuilder(OpBuilder &b, IntegerLinearOp op)
      : b(b), op(op), loc(op.getLoc()), scheme(op.getWeightScheme()), in(op.getInFeatures()),
        out(op.getOutFeatures()),
        type(op.getY().getType().getElementType().isF64() ? Type(b.getF64Type())
                                                          : Type(b.getF32Type())) {}
  Value build();

private:
  bool isVector() { return op.getX().getType().getRank() == 1; }
  bool isPerToken() { return op.getActivationScheme().getGranularity() == Granularity::PerToken; }
  AffineMap map(unsigned dims, ArrayRef<unsigned> results) {
    SmallVector<AffineExpr> exprs;
    for (unsigned i : results)
      exprs.push_back(b.getAffineDimExpr(i));
    return AffineMap::get(dims, 0, exprs, b.getContext());
  }
  /// Where the scale of token m and a weight's of (n, g) are; dimensions are m, n[, g].
  AffineMap tokenMap(unsigned dims) {
    return isPerToken() ? map(dims, {0}) : AffineMap::get(dims, 0, b.getAffineConstantExpr(0));
  }
  AffineMap weightMap(unsigned dims) {
    AffineExpr zero = b.getAffineConstantExpr(0);
    bool perTensor = scheme.getGranularity() == Granularity::PerTensor;
    return AffineMap::get(
        dims, 0,
        {perTensor ? zero : b.getAffineDimExpr(1), dims == 3 ? b.getAffineDimExpr(2) : zero},
        b.getContext());
  }
  /// One for each token, [tokens]; per tensor as it is.
  Value flatten(Value parameters);
  Value matrix(Value x);
  Value multiplyOutliers();
  Value subtractZeroPoints(Value x);
  Value unpack();
  Value sumGroups(Value x, Value weight);

  OpBuilder &b;
  IntegerLinearOp op;
  Location loc;
  SchemeAttr scheme;
  int64_t in, out;
  Type type; ///< What the float part is computed in.
};

} // namespace

Value LayerBuilder::flatten(Value parameters) {
  auto shape = cast<RankedTensorType>(parameters.getType());
  if (!isPerToken() || shape.getRank() == 1)
    return parameters;
  Type element = shape.getElementType();
  if (shape.getRank() == 0)
    return tensor::ExpandShapeOp::create(b, loc, RankedTensorType::get({1}, element), parameters,
                                         ArrayRef<ReassociationIndices>());
  SmallVector<ReassociationIndices> all{llvm::to_vector(llvm::seq<int64_t>(0, shape.getRank()))};
  return tensor::CollapseShapeOp::create(b, loc, parameters, all);
}

/// [tokens, columns]; a vector is one token.
Value LayerBuilder::matrix(Value x) {
  if (!isVector())
    return collapseLeading(b, loc, x);
  SmallVector<ReassociationIndices> all{{0, 1}};
  auto type = cast<RankedTensorType>(x.getType());
  return tensor::ExpandShapeOp::create(b, loc, type.clone({1, type.getDimSize(0)}), x, all,
                                       {b.getIndexAttr(1), tensor::getMixedSize(b, loc, x, 0)});
}

/// Σ_j x_o[m, j]·w_o[n, j].
Value LayerBuilder::multiplyOutliers() {
  return contract(b, loc, matrix(op.getXOutliers()), op.getWeightOutliers(), type);
}

Value LayerBuilder::subtractZeroPoints(Value x) {
  if (!op.getXZeroPoints())
    return x;
  Type i32 = b.getI32Type();
  return buildElementwise(b, loc, tensor::getMixedSizes(b, loc, x),
                          {x, flatten(op.getXZeroPoints())}, {map(2, {0, 1}), tokenMap(2)}, i32,
                          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                            return arith::SubIOp::create(
                                b, loc, arith::ExtSIOp::create(b, loc, i32, args[0]),
                                arith::ExtSIOp::create(b, loc, i32, args[1]));
                          });
}

/// The weight as i8 [out, in].
Value LayerBuilder::unpack() {
  if (scheme.getBits() == 8)
    return op.getWeight();
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(out), b.getIndexAttr(in)};
  return buildElementwise(
      b, loc, sizes, {}, {}, b.getI8Type(), [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        Value n = linalg::IndexOp::create(b, loc, 0), k = linalg::IndexOp::create(b, loc, 1);
        Value code = unpackCode(b, loc, op.getWeight(), scheme.getBits(), n, k);
        return arith::TruncIOp::create(b, loc, b.getI8Type(), code);
      });
}

/// t[m, n] = Σ_g float(acc[m, n, g])·s_w[n, g].
Value LayerBuilder::sumGroups(Value x, Value weight) {
  int64_t size = scheme.getGroupSize();
  OpFoldResult tokens = tensor::getMixedSize(b, loc, x, 0), rows = b.getIndexAttr(out);
  // Dimensions m, n, g, k.
  Value acc =
      contractIntegers(b, loc, expandGroups(b, loc, x, size), expandGroups(b, loc, weight, size),
                       {tokens, rows, b.getIndexAttr(in / size)},
                       {map(4, {0, 2, 3}), map(4, {1, 2, 3}), map(4, {0, 1, 2})});
  Value empty = tensor::EmptyOp::create(b, loc, {tokens, rows}, type);
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0.0));
  Value init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  auto generic = linalg::GenericOp::create(
      b, loc, init.getType(), ValueRange{acc, op.getWeightScales()}, init,
      {map(3, {0, 1, 2}), weightMap(3), map(3, {0, 1})}, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value product =
            arith::MulFOp::create(b, loc, arith::SIToFPOp::create(b, loc, type, args[0]),
                                  convertFloat(b, loc, args[1], type));
        linalg::YieldOp::create(b, loc,
                                arith::AddFOp::create(b, loc, args[2], product).getResult());
      });
  return generic.getResult(0);
}

Value LayerBuilder::build() {
  Value x = subtractZeroPoints(matrix(op.getX())), weight = unpack();
  bool grouped = scheme.getGranularity() == Granularity::PerGroup;
  Value sums = grouped ? sumGroups(x, weight)
                       : contractIntegers(b, loc, x, weight,
                                          {tensor::getMixedSize(b, loc, x, 0), b.getIndexAttr(out)},
                                          {map(3, {0, 2}), map(3, {1, 2}), map(3, {0, 1})});
  SmallVector<Value> inputs{sums, flatten(op.getXScales())};
  SmallVector<AffineMap> maps{map(2, {0, 1}), tokenMap(2)};
  if (!grouped) {
    inputs.push_back(op.getWeightScales());
    maps.push_back(weightMap(2));
  }
  if (op.getXOutliers()) {
    inputs.push_back(multiplyOutliers());
    maps.push_back(map(2, {0, 1}));
  }
  if (op.getBias()) {
    inputs.push_back(op.getBias());
    maps.push_back(map(2, {1}));
  }
  Type elementType = op.getY().getType().getElementType();
  Value y = buildElementwise(
      b, loc, tensor::getMixedSizes(b, loc, sums), inputs, maps, elementType,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value t = args[0];
        if (!grouped)
          t = arith::MulFOp::create(b, loc, arith::SIToFPOp::create(b, loc, type, t),
                                    convertFloat(b, loc, args[2], type));
        t = arith::MulFOp::create(b, loc, t, convertFloat(b, loc, args[1], type));
        if (op.getXOutliers())
          t = arith::AddFOp::create(b, loc, t, args[grouped ? 2 : 3]);
        if (op.getBias())
          t = arith::AddFOp::create(b, loc, t, convertFloat(b, loc, args.back(), type));
        return convertFloat(b, loc, t, elementType);
      });
  RankedTensorType resultType = op.getY().getType();
  if (isVector()) {
    SmallVector<ReassociationIndices> all{{0, 1}};
    y = tensor::CollapseShapeOp::create(b, loc, y, all);
  }
  return expandLeading(b, loc, y, op.getX(), resultType);
}

namespace {

struct LowerIntegerLinear : OpRewritePattern<IntegerLinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(IntegerLinearOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, LayerBuilder(rewriter, op).build());
    return success();
  }
};

struct LowerIntegerBatchMatmul : OpRewritePattern<IntegerBatchMatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(IntegerBatchMatmulOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    MLIRContext *context = op.getContext();
    // Dimensions batch…, m, n, k.
    unsigned batch = op.getA().getType().getRank() - 2, dims = batch + 3;
    auto map = [&](unsigned all, ArrayRef<unsigned> rest) {
      SmallVector<AffineExpr> exprs;
      for (unsigned i = 0; i != batch; ++i)
        exprs.push_back(rewriter.getAffineDimExpr(i));
      for (unsigned i : rest)
        exprs.push_back(rewriter.getAffineDimExpr(batch + i));
      return AffineMap::get(all, 0, exprs, context);
    };
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, op.getA());
    sizes.back() = tensor::getMixedSize(rewriter, loc, op.getB(), batch);
    Value acc = contractIntegers(rewriter, loc, op.getA(), op.getB(), sizes,
                                 {map(dims, {0, 2}), map(dims, {1, 2}), map(dims, {0, 1})});

    RankedTensorType resultType = op.getY().getType();
    Type elementType = resultType.getElementType();
    Type type = elementType.isF64() ? elementType : Type(rewriter.getF32Type());
    auto scaleMap = [&](Value scales, unsigned token) {
      if (cast<RankedTensorType>(scales.getType()).getShape() == ArrayRef<int64_t>{1})
        return AffineMap::get(dims - 1, 0, rewriter.getAffineConstantExpr(0));
      return map(dims - 1, {token});
    };
    Value y = buildElementwise(
        rewriter, loc, sizes, {acc, op.getAScales(), op.getBScales()},
        {rewriter.getMultiDimIdentityMap(dims - 1), scaleMap(op.getAScales(), 0),
         scaleMap(op.getBScales(), 1)},
        elementType, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value t = arith::MulFOp::create(b, loc, arith::SIToFPOp::create(b, loc, type, args[0]),
                                          convertFloat(b, loc, args[2], type));
          t = arith::MulFOp::create(b, loc, t, convertFloat(b, loc, args[1], type));
          return convertFloat(b, loc, t, elementType);
        });
    rewriter.replaceOp(
        op, y.getType() == resultType ? y : tensor::CastOp::create(rewriter, loc, resultType, y));
    return success();
  }
};

} // namespace

void ptq::populateIntegerToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerIntegerLinear, LowerIntegerBatchMatmul>(patterns.getContext());
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations on columns → linalg, without loops that carry a state: what a compaction and its
// complement need is counted instead. With K columns of x, of which `columns` c names O:
//
//   outlier_columns   m[k] = any(|x[…, k]| ≥ t or NaN),  p[k] = Σ_{j ≤ k} m[j],  O = Σ_k m[k],
//                     c[o] = #{k : p[k] ≤ o}, the first k that has more than o outliers up to it
//   select_columns    y[…, j] = x[…, c[j]]
//   drop_columns      y[…, j] = x[…, j + #{o : c[o] - o ≤ j}]: as many are dropped before it
//   clear_columns     y[…, k] = 0 where any(c[o] = k), else x[…, k]
//
// The counts take K² and K·O steps: little beside a layer's product, and a reference.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

FloatAttr ptq::outlierThreshold(OutlierColumnsOp op, FloatType type) {
  APFloat threshold = op.getThreshold();
  bool isInexact;
  threshold.convert(type.getFloatSemantics(), APFloat::rmTowardPositive, &isInexact);
  return FloatAttr::get(type, threshold);
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// `value` as `type`, of which more may be known.
static Value castTo(OpBuilder &b, Location loc, Value value, Type type) {
  return value.getType() == type ? value : tensor::CastOp::create(b, loc, type, value).getResult();
}

/// This element's index in dimension `dim`, as i32.
static Value indexIn(OpBuilder &b, Location loc, unsigned dim) {
  return arith::IndexCastOp::create(b, loc, b.getI32Type(), linalg::IndexOp::create(b, loc, dim));
}

/// An i32 reduction of `input` from 0: counts[i] = Σ over the other dimensions of `body`(element),
/// or the greatest of it. `inputMap` is from the loops to the input's dimensions; the result has
/// the dimensions that `loops` says, of the sizes `sizes`.
static Value
reduceIntegers(OpBuilder &b, Location loc, Value input, AffineMap inputMap, AffineMap resultMap,
               ArrayRef<OpFoldResult> sizes,
               function_ref<Value(OpBuilder &, Location, Value accumulated, Value element)> body) {
  Type i32 = b.getI32Type();
  Value empty = tensor::EmptyOp::create(b, loc, sizes, i32);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(i32));
  Value init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  SmallVector<utils::IteratorType> iterators(inputMap.getNumDims(), utils::IteratorType::reduction);
  for (AffineExpr expr : resultMap.getResults())
    iterators[cast<AffineDimExpr>(expr).getPosition()] = utils::IteratorType::parallel;
  auto generic =
      linalg::GenericOp::create(b, loc, init.getType(), input, init, {inputMap, resultMap},
                                iterators, [&](OpBuilder &b, Location loc, ValueRange args) {
                                  linalg::YieldOp::create(b, loc, body(b, loc, args[1], args[0]));
                                });
  return generic.getResult(0);
}

/// counts[i] = #{j : body(i, values[j])}, of size `size`; i and values are i32.
static Value
countWhere(OpBuilder &b, Location loc, Value values, OpFoldResult size,
           function_ref<Value(OpBuilder &, Location, Value i, Value j, Value element)> body) {
  AffineMap result = AffineMap::get(2, 0, b.getAffineDimExpr(0));
  AffineMap input = AffineMap::get(2, 0, b.getAffineDimExpr(1));
  return reduceIntegers(b, loc, values, input, result, {size},
                        [&](OpBuilder &b, Location loc, Value accumulated, Value element) -> Value {
                          Value found =
                              body(b, loc, indexIn(b, loc, 0), indexIn(b, loc, 1), element);
                          Value one = arith::ExtUIOp::create(b, loc, b.getI32Type(), found);
                          return arith::AddIOp::create(b, loc, accumulated, one);
                        });
}

namespace {

struct LowerOutlierColumns : OpRewritePattern<OutlierColumnsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(OutlierColumnsOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value mask = buildMask(rewriter, op);
    OpFoldResult width = tensor::getMixedSize(rewriter, loc, mask, 0);
    auto isSet = [&](OpBuilder &b, Location loc, Value element) -> Value {
      Value zero = arith::ConstantIntOp::create(b, loc, b.getI32Type(), 0);
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, element, zero);
    };
    Value upTo =
        countWhere(rewriter, loc, mask, width,
                   [&](OpBuilder &b, Location loc, Value k, Value j, Value element) -> Value {
                     Value before = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, j, k);
                     return arith::AndIOp::create(b, loc, before, isSet(b, loc, element));
                   });
    Value columns =
        countWhere(rewriter, loc, upTo, buildCount(rewriter, loc, mask),
                   [](OpBuilder &b, Location loc, Value o, Value, Value count) -> Value {
                     return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, count, o);
                   });
    rewriter.replaceOp(op, castTo(rewriter, loc, columns, op.getColumns().getType()));
    return success();
  }

private:
  /// [K] of 1 and 0.
  static Value buildMask(OpBuilder &b, OutlierColumnsOp op) {
    RankedTensorType type = op.getX().getType();
    int64_t rank = type.getRank();
    bool isDouble = type.getElementType().isF64();
    FloatType wide = isDouble ? FloatType(b.getF64Type()) : FloatType(b.getF32Type());
    FloatAttr threshold = outlierThreshold(op, wide);
    AffineMap last = AffineMap::get(rank, 0, b.getAffineDimExpr(rank - 1));
    return reduceIntegers(
        b, op.getLoc(), op.getX(), b.getMultiDimIdentityMap(rank), last,
        {tensor::getMixedSize(b, op.getLoc(), op.getX(), rank - 1)},
        [&](OpBuilder &b, Location loc, Value accumulated, Value element) -> Value {
          Value magnitude =
              math::AbsFOp::create(b, loc, convertFloat(b, loc, element, wide)).getResult();
          // At least the threshold, or not a number.
          Value beyond = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UGE, magnitude,
                                               arith::ConstantOp::create(b, loc, wide, threshold));
          return arith::OrIOp::create(b, loc, accumulated,
                                      arith::ExtUIOp::create(b, loc, b.getI32Type(), beyond));
        });
  }

  /// Σ mask.
  static OpFoldResult buildCount(OpBuilder &b, Location loc, Value mask) {
    Value sum = reduceIntegers(b, loc, mask, b.getMultiDimIdentityMap(1),
                               AffineMap::get(1, 0, b.getContext()), {},
                               [](OpBuilder &b, Location loc, Value accumulated, Value element) {
                                 return arith::AddIOp::create(b, loc, accumulated, element);
                               });
    Value count = tensor::ExtractOp::create(b, loc, sum, ValueRange());
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), count).getResult();
  }
};

} // namespace

/// y[…, j] = x[…, at(j, indices[j])], with as many columns as there are indices.
static Value gatherColumns(OpBuilder &b, Location loc, Value x, Value indices,
                           function_ref<Value(OpBuilder &, Location, Value j, Value index)> at) {
  int64_t rank = typeOf(x).getRank();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
  sizes.back() = tensor::getMixedSize(b, loc, indices, 0);
  AffineMap last = AffineMap::get(rank, 0, b.getAffineDimExpr(rank - 1));
  return buildElementwise(b, loc, sizes, indices, last, typeOf(x).getElementType(),
                          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                            SmallVector<Value> position;
                            for (int64_t i = 0; i + 1 < rank; ++i)
                              position.push_back(linalg::IndexOp::create(b, loc, i));
                            Value column = at(b, loc, indexIn(b, loc, rank - 1), args[0]);
                            position.push_back(
                                arith::IndexCastOp::create(b, loc, b.getIndexType(), column));
                            return tensor::ExtractOp::create(b, loc, x, position);
                          });
}

namespace {

struct LowerSelectColumns : OpRewritePattern<SelectColumnsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SelectColumnsOp op, PatternRewriter &rewriter) const override {
    Value y = gatherColumns(rewriter, op.getLoc(), op.getX(), op.getColumns(),
                            [](OpBuilder &, Location, Value, Value index) { return index; });
    rewriter.replaceOp(op, castTo(rewriter, op.getLoc(), y, op.getY().getType()));
    return success();
  }
};

struct LowerDropColumns : OpRewritePattern<DropColumnsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DropColumnsOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    ReifiedRankedShapedTypeDims shape;
    if (failed(op.reifyResultShapes(rewriter, shape)))
      return failure();
    Value dropped =
        countWhere(rewriter, loc, op.getColumns(), shape.front().back(),
                   [](OpBuilder &b, Location loc, Value j, Value o, Value column) -> Value {
                     return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle,
                                                  arith::SubIOp::create(b, loc, column, o), j);
                   });
    Value y = gatherColumns(rewriter, loc, op.getX(), dropped,
                            [](OpBuilder &b, Location loc, Value j, Value before) -> Value {
                              return arith::AddIOp::create(b, loc, j, before);
                            });
    rewriter.replaceOp(op, castTo(rewriter, loc, y, op.getY().getType()));
    return success();
  }
};

struct LowerClearColumns : OpRewritePattern<ClearColumnsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ClearColumnsOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value x = op.getX();
    int64_t rank = typeOf(x).getRank();
    Type elementType = typeOf(x).getElementType();
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, x);
    Value named =
        countWhere(rewriter, loc, op.getColumns(), sizes.back(),
                   [](OpBuilder &b, Location loc, Value k, Value, Value column) -> Value {
                     return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, column, k);
                   });
    AffineMap last = AffineMap::get(rank, 0, rewriter.getAffineDimExpr(rank - 1));
    Value y = buildElementwise(
        rewriter, loc, sizes, {x, named}, {rewriter.getMultiDimIdentityMap(rank), last},
        elementType, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value none = arith::ConstantIntOp::create(b, loc, b.getI32Type(), 0);
          Value stays = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, args[1], none);
          Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(elementType));
          return arith::SelectOp::create(b, loc, stays, args[0], zero);
        });
    rewriter.replaceOp(op, castTo(rewriter, loc, y, op.getY().getType()));
    return success();
  }
};

} // namespace

void ptq::populateColumnsToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerOutlierColumns, LowerSelectColumns, LowerDropColumns, LowerClearColumns>(
      patterns.getContext());
}

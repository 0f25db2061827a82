// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.quantize   → clamp(roundeven(x / s) + z, -2^(bits-1), 2^(bits-1) - 1), NaN → z
// ptq.dequantize → (q - z)·s
//
// both elementwise, with the scales' map given by the granularity. Groups are made a dimension of
// their own.

#include "ptq/Lower/Lower.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ptq;

/// The reassociation that splits the last of `rank` dimensions in two.
static SmallVector<ReassociationIndices> splitLast(int64_t rank) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i + 1 < rank; ++i)
    groups.push_back({i});
  groups.push_back({rank - 1, rank});
  return groups;
}

/// [..., in] as [..., in / g, g].
static Value expandGroups(OpBuilder &b, Location loc, Value value, int64_t groupSize) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  SmallVector<int64_t> shape(type.getShape());
  if (type.isDynamicDim(type.getRank() - 1)) {
    Value last = getValueOrCreateConstantIndexOp(b, loc, sizes.back());
    Value group = arith::ConstantIndexOp::create(b, loc, groupSize);
    sizes.back() = arith::DivUIOp::create(b, loc, last, group).getResult();
  } else {
    shape.back() /= groupSize;
    sizes.back() = b.getIndexAttr(shape.back());
  }
  shape.push_back(groupSize);
  sizes.push_back(b.getIndexAttr(groupSize));
  return tensor::ExpandShapeOp::create(b, loc, type.clone(shape), value, splitLast(type.getRank()),
                                       sizes);
}

/// The map from the (possibly grouped) elements to their scales.
static AffineMap scaleMap(OpBuilder &b, SchemeAttr scheme, int64_t rank) {
  SmallVector<AffineExpr> exprs;
  switch (scheme.getGranularity()) {
  case Granularity::PerTensor:
    exprs.push_back(b.getAffineConstantExpr(0));
    break;
  case Granularity::PerChannel:
    exprs.push_back(b.getAffineDimExpr(0));
    break;
  case Granularity::PerToken:
  case Granularity::PerGroup:
    for (int64_t i = 0; i + 1 < rank; ++i)
      exprs.push_back(b.getAffineDimExpr(i));
    break;
  }
  return AffineMap::get(rank, 0, exprs, b.getContext());
}

/// Applies `body` to each element, its scale and its zero point (null if there is none).
static Value elementwise(OpBuilder &b, Location loc, Value value, Value scales, Value zeroPoints,
                         SchemeAttr scheme, RankedTensorType resultType,
                         function_ref<Value(OpBuilder &, Location, Value, Value, Value)> body) {
  bool grouped = scheme.getGranularity() == Granularity::PerGroup;
  if (grouped)
    value = expandGroups(b, loc, value, scheme.getGroupSize());
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  Value empty = tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, value),
                                        resultType.getElementType());
  AffineMap identity = b.getMultiDimIdentityMap(rank), scale = scaleMap(b, scheme, rank);
  SmallVector<Value> inputs{value, scales};
  SmallVector<AffineMap> maps{identity, scale};
  if (zeroPoints) {
    inputs.push_back(zeroPoints);
    maps.push_back(scale);
  }
  maps.push_back(identity);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, loc, empty.getType(), inputs, empty, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        linalg::YieldOp::create(b, loc,
                                body(b, loc, args[0], args[1], zeroPoints ? args[2] : Value()));
      });
  Value result = generic.getResult(0);
  if (grouped)
    result = tensor::CollapseShapeOp::create(b, loc, result, splitLast(rank - 1));
  return result.getType() == resultType ? result
                                        : tensor::CastOp::create(b, loc, resultType, result);
}

/// The float type a computation is done in: at least float32.
static Type computeType(OpBuilder &b, Type a, Type c) {
  return a.isF64() || c.isF64() ? Type(b.getF64Type()) : Type(b.getF32Type());
}

namespace {

struct LowerQuantize : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(QuantizeOp op, PatternRewriter &rewriter) const override {
    SchemeAttr scheme = op.getScheme();
    Type integer = op.getQ().getType().getElementType();
    auto body = [&](OpBuilder &b, Location loc, Value x, Value s, Value z) -> Value {
      Type type = computeType(b, x.getType(), s.getType());
      auto constant = [&](double value) -> Value {
        return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
      };
      Value zero = z ? arith::SIToFPOp::create(b, loc, type, z).getResult() : constant(0);
      Value ratio = arith::DivFOp::create(b, loc, convertFloat(b, loc, x, type),
                                          convertFloat(b, loc, s, type));
      Value q = math::RoundEvenOp::create(b, loc, ratio);
      if (z)
        q = arith::AddFOp::create(b, loc, q, zero);
      q = arith::MaximumFOp::create(b, loc, q, constant(scheme.getMinimum()));
      q = arith::MinimumFOp::create(b, loc, q, constant(scheme.getMaximum()));
      Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, ratio, ratio);
      q = arith::SelectOp::create(b, loc, isNaN, zero, q);
      return arith::FPToSIOp::create(b, loc, integer, q);
    };
    rewriter.replaceOp(op, elementwise(rewriter, op.getLoc(), op.getX(), op.getScales(),
                                       op.getZeroPoints(), scheme, op.getQ().getType(), body));
    return success();
  }
};

struct LowerDequantize : OpRewritePattern<DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DequantizeOp op, PatternRewriter &rewriter) const override {
    Type elementType = op.getX().getType().getElementType();
    auto body = [&](OpBuilder &b, Location loc, Value q, Value s, Value z) -> Value {
      Type type = computeType(b, elementType, s.getType());
      Value value = arith::SIToFPOp::create(b, loc, type, q);
      if (z)
        value = arith::SubFOp::create(b, loc, value, arith::SIToFPOp::create(b, loc, type, z));
      value = arith::MulFOp::create(b, loc, value, convertFloat(b, loc, s, type));
      return convertFloat(b, loc, value, elementType);
    };
    rewriter.replaceOp(op,
                       elementwise(rewriter, op.getLoc(), op.getQ(), op.getScales(),
                                   op.getZeroPoints(), op.getScheme(), op.getX().getType(), body));
    return success();
  }
};

} // namespace

void ptq::populateQuantizeToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerQuantize, LowerDequantize>(patterns.getContext());
}

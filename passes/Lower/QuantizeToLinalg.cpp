// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.quantize   → clamp(roundeven(x·c / s) + z, -2^(bits-1), 2^(bits-1) - 1), NaN → z
// ptq.dequantize → (q - z)·s
//
// both elementwise, with the scales' map given by the granularity. Groups are made a dimension of
// their own.

#include "LinalgBuilders.h"

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

Value ptq::expandGroups(OpBuilder &b, Location loc, Value value, int64_t groupSize) {
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

Value ptq::buildElementwise(OpBuilder &b, Location loc, ArrayRef<OpFoldResult> sizes,
                            ValueRange inputs, ArrayRef<AffineMap> maps, Type elementType,
                            function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  Value empty = tensor::EmptyOp::create(b, loc, sizes, elementType);
  SmallVector<AffineMap> allMaps(maps);
  allMaps.push_back(b.getMultiDimIdentityMap(sizes.size()));
  SmallVector<utils::IteratorType> iterators(sizes.size(), utils::IteratorType::parallel);
  auto generic =
      linalg::GenericOp::create(b, loc, empty.getType(), inputs, empty, allMaps, iterators,
                                [&](OpBuilder &b, Location loc, ValueRange args) {
                                  linalg::YieldOp::create(b, loc, body(b, loc, args.drop_back()));
                                });
  return generic.getResult(0);
}

namespace {
/// An element and what belongs to it; null where there is none.
struct Element {
  Value value, scale, zeroPoint, channelScale;
};
} // namespace

/// Applies `body` to each element, its scale, zero point and channel's scale (null where there is
/// none).
static Value elementwise(OpBuilder &b, Location loc, const Element &operands, SchemeAttr scheme,
                         RankedTensorType resultType,
                         function_ref<Value(OpBuilder &, Location, const Element &)> body) {
  bool grouped = scheme.getGranularity() == Granularity::PerGroup;
  Value value = operands.value, channelScales = operands.channelScale;
  if (grouped)
    value = expandGroups(b, loc, value, scheme.getGroupSize());
  if (grouped && channelScales)
    channelScales = expandGroups(b, loc, channelScales, scheme.getGroupSize());
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  AffineMap scale = scaleMap(b, scheme, rank);
  SmallVector<Value> inputs{value, operands.scale};
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank), scale};
  if (operands.zeroPoint) {
    inputs.push_back(operands.zeroPoint);
    maps.push_back(scale);
  }
  if (channelScales) {
    inputs.push_back(channelScales);
    SmallVector<AffineExpr> last;
    for (int64_t i = rank - (grouped ? 2 : 1); i != rank; ++i)
      last.push_back(b.getAffineDimExpr(i));
    maps.push_back(AffineMap::get(rank, 0, last, b.getContext()));
  }
  Value result = buildElementwise(
      b, loc, tensor::getMixedSizes(b, loc, value), inputs, maps, resultType.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange args) {
        return body(b, loc,
                    {args[0], args[1], operands.zeroPoint ? args[2] : Value(),
                     channelScales ? args.back() : Value()});
      });
  if (grouped)
    result = tensor::CollapseShapeOp::create(b, loc, result, splitLast(rank - 1));
  return result.getType() == resultType ? result
                                        : tensor::CastOp::create(b, loc, resultType, result);
}

/// The float type that is computed in for x or a result of type `type`: at least float32.
static Type computeType(OpBuilder &b, Type type) {
  return type.isF64() ? type : Type(b.getF32Type());
}

Value ptq::scaleChannel(OpBuilder &b, Location loc, Value value, Value channelScale, Type type) {
  value = convertFloat(b, loc, value, type);
  if (!channelScale)
    return value;
  return arith::MulFOp::create(b, loc, value, convertFloat(b, loc, channelScale, type));
}

Value ptq::buildQuantize(OpBuilder &b, Location loc, Value x, Value scales, Value zeroPoints,
                         Value channelScales, SchemeAttr scheme, RankedTensorType resultType) {
  auto body = [&](OpBuilder &b, Location loc, const Element &element) -> Value {
    Type type = computeType(b, element.value.getType());
    auto constant = [&](double value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
    };
    Value zero = element.zeroPoint
                     ? arith::SIToFPOp::create(b, loc, type, element.zeroPoint).getResult()
                     : constant(0);
    Value ratio = arith::DivFOp::create(
        b, loc, scaleChannel(b, loc, element.value, element.channelScale, type),
        convertFloat(b, loc, element.scale, type));
    Value q = math::RoundEvenOp::create(b, loc, ratio);
    if (element.zeroPoint)
      q = arith::AddFOp::create(b, loc, q, zero);
    q = arith::MaximumFOp::create(b, loc, q, constant(scheme.getMinimum()));
    q = arith::MinimumFOp::create(b, loc, q, constant(scheme.getMaximum()));
    Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, ratio, ratio);
    q = arith::SelectOp::create(b, loc, isNaN, zero, q);
    return arith::FPToSIOp::create(b, loc, resultType.getElementType(), q);
  };
  return elementwise(b, loc, {x, scales, zeroPoints, channelScales}, scheme, resultType, body);
}

namespace {

struct LowerQuantize : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(QuantizeOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, buildQuantize(rewriter, op.getLoc(), op.getX(), op.getScales(),
                                         op.getZeroPoints(), op.getChannelScales(), op.getScheme(),
                                         op.getQ().getType()));
    return success();
  }
};

struct LowerDequantize : OpRewritePattern<DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DequantizeOp op, PatternRewriter &rewriter) const override {
    Type elementType = op.getX().getType().getElementType();
    auto body = [&](OpBuilder &b, Location loc, const Element &element) -> Value {
      Type type = computeType(b, elementType);
      Value value = arith::SIToFPOp::create(b, loc, type, element.value);
      if (element.zeroPoint)
        value = arith::SubFOp::create(b, loc, value,
                                      arith::SIToFPOp::create(b, loc, type, element.zeroPoint));
      value = arith::MulFOp::create(b, loc, value, convertFloat(b, loc, element.scale, type));
      return convertFloat(b, loc, value, elementType);
    };
    rewriter.replaceOp(op, elementwise(rewriter, op.getLoc(),
                                       {op.getQ(), op.getScales(), op.getZeroPoints(), Value()},
                                       op.getScheme(), op.getX().getType(), body));
    return success();
  }
};

} // namespace

void ptq::populateQuantizeToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerQuantize, LowerDequantize>(patterns.getContext());
}

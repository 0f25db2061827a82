// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.scale_channels   → x·c, elementwise
// ptq.dynamic_quantize → the extent of v = x·c over what shares a scale, scales and zero points
// from it, and the
//                        integers as ptq.quantize makes them:
//   symmetric   s = max(max|v| / (2^(bits-1) - 1), least normal float32)
//   asymmetric  s = max((hi/2 - lo/2) / ((2^bits - 1)/2), least normal float32),
//               z = clamp(roundeven(-lo / s), 0, 2^bits - 1) - 2^(bits-1), with NaN ↦ 0 before the
//               clamp
//
// Maxima and minima are those that propagate NaNs.

#include "LinalgBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cfloat>

using namespace mlir;
using namespace ptq;

namespace {

struct LowerScaleChannels : OpRewritePattern<ScaleChannelsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ScaleChannelsOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    int64_t rank = op.getX().getType().getRank();
    Type elementType = op.getY().getType().getElementType();
    bool isDouble = elementType.isF64() || op.getScales().getType().getElementType().isF64();
    Type type = isDouble ? Type(rewriter.getF64Type()) : Type(rewriter.getF32Type());
    AffineMap last = AffineMap::get(rank, 0, rewriter.getAffineDimExpr(rank - 1));
    Value y = buildElementwise(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, op.getX()), {op.getX(), op.getScales()},
        {rewriter.getMultiDimIdentityMap(rank), last}, elementType,
        [&](OpBuilder &b, Location loc, ValueRange args) {
          return convertFloat(b, loc, scaleChannel(b, loc, args[0], args[1], type), elementType);
        });
    rewriter.replaceOp(op, y.getType() == op.getY().getType()
                               ? y
                               : tensor::CastOp::create(rewriter, loc, op.getY().getType(), y));
    return success();
  }
};

/// Builds the scales and zero points of one operation.
class ParameterBuilder {
public:
  ParameterBuilder(OpBuilder &b, DynamicQuantizeOp op)
      : b(b), op(op), loc(op.getLoc()), scheme(op.getScheme()),
        type(op.getX().getType().getElementType().isF64() ? Type(b.getF64Type())
                                                          : Type(b.getF32Type())) {}

  struct Parameters {
    Value scales, zeroPoints;
  };
  Parameters build();

private:
  /// What a reduction does with an accumulated value and an element.
  using Combine = function_ref<Value(OpBuilder &, Location, Value, Value)>;
  Value reduce(Combine combine);
  /// Applies `body` to each element of `inputs`, which are of one shape.
  Value map(ValueRange inputs, Type elementType,
            function_ref<Value(OpBuilder &, Location, ValueRange)> body);
  Value constant(OpBuilder &b, Location loc, double value) {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  }
  /// Of shape [1] where it is one value for all.
  Value finish(Value value, RankedTensorType resultType);

  OpBuilder &b;
  DynamicQuantizeOp op;
  Location loc;
  SchemeAttr scheme;
  Type type; ///< What is computed in.
};

} // namespace

Value ParameterBuilder::reduce(Combine combine) {
  Value x = op.getX(), channelScales = op.getChannelScales();
  int64_t rank = op.getX().getType().getRank();
  int64_t kept = scheme.getGranularity() == Granularity::PerToken ? rank - 1 : 0;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
  Value empty = tensor::EmptyOp::create(b, loc, ArrayRef(sizes).take_front(kept), type);
  Value init = linalg::FillOp::create(b, loc, constant(b, loc, 0), empty).getResult(0);
  SmallVector<Value> inputs{x};
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank)};
  if (channelScales) {
    inputs.push_back(channelScales);
    maps.push_back(AffineMap::get(rank, 0, b.getAffineDimExpr(rank - 1)));
  }
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i != kept; ++i)
    exprs.push_back(b.getAffineDimExpr(i));
  maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), kept, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, loc, init.getType(), inputs, init, maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value v = scaleChannel(b, loc, args[0], channelScales ? args[1] : Value(), type);
        linalg::YieldOp::create(b, loc, combine(b, loc, args.back(), v));
      });
  return generic.getResult(0);
}

Value ParameterBuilder::map(ValueRange inputs, Type elementType,
                            function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  auto shape = cast<RankedTensorType>(inputs.front().getType());
  SmallVector<AffineMap> maps(inputs.size(), b.getMultiDimIdentityMap(shape.getRank()));
  return buildElementwise(b, loc, tensor::getMixedSizes(b, loc, inputs.front()), inputs, maps,
                          elementType, body);
}

Value ParameterBuilder::finish(Value value, RankedTensorType resultType) {
  auto valueType = cast<RankedTensorType>(value.getType());
  if (scheme.getGranularity() == Granularity::PerTensor)
    return tensor::ExpandShapeOp::create(b, loc, resultType, value,
                                         ArrayRef<ReassociationIndices>());
  return valueType == resultType ? value : tensor::CastOp::create(b, loc, resultType, value);
}

ParameterBuilder::Parameters ParameterBuilder::build() {
  auto atLeastNormal = [&](OpBuilder &b, Location loc, Value s) -> Value {
    return arith::MaximumFOp::create(b, loc, s, constant(b, loc, FLT_MIN));
  };
  RankedTensorType scaleType = op.getScales().getType();
  double steps = scheme.getMaximum() - scheme.getMinimum();
  Value scales, zeroPoints;
  if (scheme.getSymmetric()) {
    Value absmax = reduce([](OpBuilder &b, Location loc, Value greatest, Value v) -> Value {
      return arith::MaximumFOp::create(b, loc, greatest, math::AbsFOp::create(b, loc, v));
    });
    scales = map(absmax, type, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
      return atLeastNormal(
          b, loc, arith::DivFOp::create(b, loc, args[0], constant(b, loc, scheme.getMaximum())));
    });
  } else {
    Value lo = reduce([](OpBuilder &b, Location loc, Value least, Value v) -> Value {
      return arith::MinimumFOp::create(b, loc, least, v);
    });
    Value hi = reduce([](OpBuilder &b, Location loc, Value greatest, Value v) -> Value {
      return arith::MaximumFOp::create(b, loc, greatest, v);
    });
    scales = map({lo, hi}, type, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
      Value half = constant(b, loc, 0.5);
      Value span = arith::SubFOp::create(b, loc, arith::MulFOp::create(b, loc, args[1], half),
                                         arith::MulFOp::create(b, loc, args[0], half));
      return atLeastNormal(b, loc,
                           arith::DivFOp::create(b, loc, span, constant(b, loc, steps * 0.5)));
    });
    RankedTensorType zeroType = cast<RankedTensorType>(op.getZeroPoints().getType());
    zeroPoints =
        map({lo, scales}, zeroType.getElementType(),
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              Value ratio =
                  arith::DivFOp::create(b, loc, arith::NegFOp::create(b, loc, args[0]), args[1]);
              Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, ratio, ratio);
              Value zero = constant(b, loc, 0);
              Value z = arith::SelectOp::create(b, loc, isNaN, zero, ratio);
              z = math::RoundEvenOp::create(b, loc, z);
              z = arith::MaximumFOp::create(b, loc, z, zero);
              z = arith::MinimumFOp::create(b, loc, z, constant(b, loc, steps));
              z = arith::AddFOp::create(b, loc, z, constant(b, loc, scheme.getMinimum()));
              return arith::FPToSIOp::create(b, loc, zeroType.getElementType(), z);
            });
    zeroPoints = finish(zeroPoints, zeroType);
  }
  if (scaleType.getElementType() != type)
    scales = map(scales, scaleType.getElementType(),
                 [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return convertFloat(b, loc, args[0], scaleType.getElementType());
                 });
  return {finish(scales, scaleType), zeroPoints};
}

namespace {

struct LowerDynamicQuantize : OpRewritePattern<DynamicQuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DynamicQuantizeOp op, PatternRewriter &rewriter) const override {
    ParameterBuilder::Parameters parameters = ParameterBuilder(rewriter, op).build();
    Value q =
        buildQuantize(rewriter, op.getLoc(), op.getX(), parameters.scales, parameters.zeroPoints,
                      op.getChannelScales(), op.getScheme(), op.getQ().getType());
    SmallVector<Value> results{q, parameters.scales};
    if (parameters.zeroPoints)
      results.push_back(parameters.zeroPoints);
    rewriter.replaceOp(op, results);
    return success();
  }
};

} // namespace

void ptq::populateActivationToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerScaleChannels, LowerDynamicQuantize>(patterns.getContext());
}

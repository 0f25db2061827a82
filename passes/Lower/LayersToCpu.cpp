// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each operation as a call of the runtime function of its name: leading dimensions merged before,
// floats of 16 bits widened, and both undone after. What the call computes is what the operation
// is defined to compute; 16-bit results are rounded once, after it.

#include "LinalgBuilders.h"
#include "RuntimeCalls.h"
#include "ptq/Runtime/Runtime.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>

using namespace mlir;
using namespace ptq;

namespace {

/// Builds what surrounds the calls for one operation.
class CallBuilder {
public:
  CallBuilder(RewriterBase &b, RuntimeCalls &calls, Operation *op)
      : b(b), calls(calls), loc(op->getLoc()) {}

  RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

  Value scalar(int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }

  /// The threshold of `op` as a tensor of one element.
  Value threshold(OutlierColumnsOp op) {
    auto type = RankedTensorType::get({1}, b.getF32Type());
    FloatAttr value = outlierThreshold(op, b.getF32Type());
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, value.getValue()));
  }

  /// The elements as another float type, or the same.
  Value asType(Value value, Type elementType) {
    if (!value || typeOf(value).getElementType() == elementType)
      return value;
    int64_t rank = typeOf(value).getRank();
    return buildElementwise(b, loc, tensor::getMixedSizes(b, loc, value), value,
                            b.getMultiDimIdentityMap(rank), elementType,
                            [&](OpBuilder &b, Location loc, ValueRange args) {
                              return convertFloat(b, loc, args[0], elementType);
                            });
  }
  Value asFloat(Value value) { return asType(value, b.getF32Type()); }

  /// x with all dimensions but the last `trailing` merged into one, of size 1 if there are none.
  Value merge(Value x, int64_t trailing) {
    if (!x)
      return x;
    int64_t rank = typeOf(x).getRank(), leading = rank - trailing;
    if (leading == 1)
      return x;
    if (leading > 1)
      return tensor::CollapseShapeOp::create(b, loc, x, reassociate(leading, trailing));
    SmallVector<int64_t> shape(typeOf(x).getShape());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
    shape.insert(shape.begin(), 1);
    sizes.insert(sizes.begin(), b.getIndexAttr(1));
    return tensor::ExpandShapeOp::create(b, loc, typeOf(x).clone(shape), x,
                                         reassociate(0, trailing), sizes);
  }

  /// The way back: y's first dimension split as those of x but its last `dropped` are, as `type`.
  Value split(Value y, Value x, int64_t dropped, RankedTensorType type) {
    int64_t leading = typeOf(x).getRank() - dropped, trailing = typeOf(y).getRank() - 1;
    // The runtime's results are of dynamic shape; what is known is said.
    SmallVector<int64_t> shape{1};
    for (int64_t size : type.getShape().take_front(leading))
      shape[0] = ShapedType::isDynamic(size) || ShapedType::isDynamic(shape[0])
                     ? ShapedType::kDynamic
                     : shape[0] * size;
    llvm::append_range(shape, type.getShape().take_back(trailing));
    if (typeOf(y).getShape() != ArrayRef(shape))
      y = tensor::CastOp::create(b, loc, typeOf(y).clone(shape), y);
    y = asType(y, type.getElementType());
    if (leading == 1)
      return y;
    if (leading == 0)
      return tensor::CollapseShapeOp::create(b, loc, type, y, reassociate(0, trailing));
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
    sizes.truncate(leading);
    for (int64_t i = 0; i < trailing; ++i)
      sizes.push_back(tensor::getMixedSize(b, loc, y, i + 1));
    // A static size of x says more than the type wanted may.
    SmallVector<int64_t> known;
    for (OpFoldResult size : sizes)
      known.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
    Value expanded = tensor::ExpandShapeOp::create(b, loc, type.clone(known), y,
                                                   reassociate(leading, trailing), sizes);
    return expanded.getType() == type ? expanded
                                      : tensor::CastOp::create(b, loc, type, expanded).getResult();
  }

  /// y as `type`, without a change of rank.
  Value finish(Value y, RankedTensorType type) {
    if (typeOf(y).getShape() != type.getShape())
      y = tensor::CastOp::create(b, loc, typeOf(y).clone(type.getShape()), y);
    return asType(y, type.getElementType());
  }

  ValueRange call(StringRef name, ValueRange operands) {
    return calls.call(b, loc, name, operands);
  }

private:
  /// `leading` dimensions as one group, then each of the others; with none, the group is the new
  /// dimension and the first of the others.
  static SmallVector<ReassociationIndices> reassociate(int64_t leading, int64_t trailing) {
    SmallVector<ReassociationIndices> groups;
    if (leading > 0)
      groups.push_back(llvm::to_vector(llvm::seq<int64_t>(0, leading)));
    for (int64_t i = 0; i < trailing; ++i)
      groups.push_back({i + std::max<int64_t>(leading, 1)});
    if (leading == 0 && trailing > 0)
      groups.front().insert(groups.front().begin(), 0);
    return groups;
  }

  RewriterBase &b;
  RuntimeCalls &calls;
  Location loc;
};

bool isInt8(Value value) { return !value || getElementTypeOrSelf(value.getType()).isInteger(8); }

//===----------------------------------------------------------------------===//
// One function for each operation: its results, or nothing.
//===----------------------------------------------------------------------===//

SmallVector<Value> lower(QuantizeOp op, CallBuilder &build) {
  SchemeAttr scheme = op.getScheme();
  if (!isInt8(op.getQ()) || !isInt8(op.getZeroPoints()) ||
      (scheme.getGranularity() != Granularity::PerToken &&
       scheme.getGranularity() != Granularity::PerTensor))
    return {};
  Value q =
      build.call("ptq_rt_quantize",
                 {build.merge(build.asFloat(op.getX()), 1), build.asFloat(op.getChannelScales()),
                  build.merge(build.asFloat(op.getScales()), 0), build.merge(op.getZeroPoints(), 0),
                  build.scalar(scheme.getBits())})[0];
  return {build.split(q, op.getX(), 1, op.getQ().getType())};
}

SmallVector<Value> lower(DynamicQuantizeOp op, CallBuilder &build) {
  SchemeAttr scheme = op.getScheme();
  if (!isInt8(op.getQ()) || !isInt8(op.getZeroPoints()))
    return {};
  Type scaleType = op.getScales().getType().getElementType();
  int32_t rounded = scaleType.isF16()    ? PTQ_RT_SCALE_F16
                    : scaleType.isBF16() ? PTQ_RT_SCALE_BF16
                                         : PTQ_RT_SCALE_F32;
  bool perTensor = scheme.getGranularity() == Granularity::PerTensor;
  ValueRange results =
      build.call("ptq_rt_dynamic_quantize",
                 {build.merge(build.asFloat(op.getX()), 1), build.asFloat(op.getChannelScales()),
                  build.scalar(scheme.getBits()), build.scalar(!scheme.getSymmetric()),
                  build.scalar(perTensor), build.scalar(rounded)});
  SmallVector<Value> replacements{build.split(results[0], op.getX(), 1, op.getQ().getType())};
  for (auto [wanted, value] : llvm::zip(op.getResults().drop_front(), results.drop_front())) {
    auto type = cast<RankedTensorType>(wanted.getType());
    replacements.push_back(perTensor ? build.finish(value, type)
                                     : build.split(value, op.getX(), 1, type));
  }
  return replacements;
}

SmallVector<Value> lower(ScaleChannelsOp op, CallBuilder &build) {
  Value y = build.call("ptq_rt_scale_channels", {build.merge(build.asFloat(op.getX()), 1),
                                                 build.asFloat(op.getScales())})[0];
  return {build.split(y, op.getX(), 1, op.getY().getType())};
}

SmallVector<Value> lower(LinearOp op, CallBuilder &build) {
  Value y =
      build.call("ptq_rt_linear", {build.merge(build.asFloat(op.getX()), 1),
                                   build.asFloat(op.getWeight()), build.asFloat(op.getBias())})[0];
  return {build.split(y, op.getX(), 1, op.getY().getType())};
}

SmallVector<Value> lower(WeightOnlyLinearOp op, CallBuilder &build) {
  Value y = build.call("ptq_rt_weight_only_linear",
                       {build.merge(build.asFloat(op.getX()), 1), op.getWeight(),
                        build.asFloat(op.getScales()), op.getZeroPoints(), op.getGroupIndex(),
                        op.getRowOffsets(), op.getColumns(), build.asFloat(op.getValues()),
                        build.asFloat(op.getBias()), build.scalar(op.getScheme().getBits())})[0];
  return {build.split(y, op.getX(), 1, op.getY().getType())};
}

SmallVector<Value> lower(IntegerLinearOp op, CallBuilder &build) {
  SmallVector<Value> operands{build.merge(op.getX(), 1),
                              build.merge(build.asFloat(op.getXScales()), 0),
                              build.merge(op.getXZeroPoints(), 0),
                              op.getWeight(),
                              build.asFloat(op.getWeightScales()),
                              build.merge(build.asFloat(op.getXOutliers()), 1),
                              build.asFloat(op.getWeightOutliers()),
                              build.asFloat(op.getBias())};
  bool isPacked = op.getWeightScheme().getBits() < 8;
  if (isPacked)
    operands.push_back(build.scalar(op.getWeightScheme().getBits()));
  Value y =
      build.call(isPacked ? "ptq_rt_integer_linear_packed" : "ptq_rt_integer_linear", operands)[0];
  return {build.split(y, op.getX(), 1, op.getY().getType())};
}

SmallVector<Value> lower(IntegerBatchMatmulOp op, CallBuilder &build) {
  Value y =
      build.call("ptq_rt_integer_batch_matmul",
                 {build.merge(op.getA(), 2), build.merge(build.asFloat(op.getAScales()), 0),
                  build.merge(op.getB(), 2), build.merge(build.asFloat(op.getBScales()), 0)})[0];
  return {build.split(y, op.getA(), 2, op.getY().getType())};
}

SmallVector<Value> lower(OutlierColumnsOp op, CallBuilder &build) {
  Value columns = build.call("ptq_rt_outlier_columns",
                             {build.merge(build.asFloat(op.getX()), 1), build.threshold(op)})[0];
  return {build.finish(columns, op.getColumns().getType())};
}

SmallVector<Value> lower(LookupDequantizeOp op, CallBuilder &build) {
  RankedTensorType type = op.getY().getType();
  // The runtime counts in 32 bits; groups wider than a row are one.
  int64_t columns = type.getDimSize(1);
  if (columns > std::numeric_limits<int32_t>::max())
    return {};
  int64_t groupSize = std::min<int64_t>(op.getGroupSize(), std::max<int64_t>(columns, 1));
  Value w = build.call("ptq_rt_lookup_dequantize",
                       {op.getCodes(), build.asFloat(op.getTable()), build.asFloat(op.getScales()),
                        build.asFloat(op.getOffset()), build.scalar(columns),
                        build.scalar(op.getBits()), build.scalar(groupSize)})[0];
  return {build.finish(w, type)};
}

} // namespace

bool ptq::lowerToCall(RewriterBase &b, RuntimeCalls &calls, Operation *op) {
  // The runtime computes in float32.
  auto isDouble = [](Type type) { return getElementTypeOrSelf(type).isF64(); };
  if (llvm::any_of(op->getOperandTypes(), isDouble) || llvm::any_of(op->getResultTypes(), isDouble))
    return false;
  b.setInsertionPoint(op);
  CallBuilder build(b, calls, op);
  SmallVector<Value> results =
      llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
          .Case<QuantizeOp, DynamicQuantizeOp, ScaleChannelsOp, LinearOp, WeightOnlyLinearOp,
                IntegerLinearOp, IntegerBatchMatmulOp, LookupDequantizeOp, OutlierColumnsOp>(
              [&](auto op) { return lower(op, build); })
          .Default([](Operation *) { return SmallVector<Value>(); });
  if (results.empty())
    return false;
  b.replaceOp(op, results);
  return true;
}

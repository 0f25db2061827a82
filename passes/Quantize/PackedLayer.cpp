// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/PackedLayer.h"

#include "ptq/Analysis/LayerNames.h"
#include "ptq/Numerics/Packing.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace ptq;

PackedWeight::PackedWeight(numerics::QuantizedWeight weight)
    : rows(weight.rows), columns(weight.columns), scheme(weight.scheme),
      words(numerics::packCodes(weight.codes, rows, columns, scheme.bits)),
      scales(std::move(weight.scales)), zeroPoints(std::move(weight.zeroPoints)),
      groupIndex(std::move(weight.groupIndex)) {}

/// A constant that owns `data`, keyed for the checkpoint.
template <typename T>
static Value createConstant(OpBuilder &b, Location loc, std::vector<T> data,
                            ArrayRef<int64_t> shape, Type elementType, const Twine &key) {
  auto type = RankedTensorType::get(shape, elementType);
  std::string name = key.str();
  ElementsAttr attr;
  if (data.size() == 1) {
    // A single element is always a splat, which a resource cannot be.
    attr = DenseElementsAttr::getFromRawBuffer(
        type, ArrayRef(reinterpret_cast<const char *>(data.data()), sizeof(T)));
  } else {
    auto owner = std::make_shared<std::vector<T>>(std::move(data));
    ArrayRef<char> bytes(reinterpret_cast<const char *>(owner->data()), owner->size() * sizeof(T));
    AsmResourceBlob blob(
        bytes, alignof(T), [owner](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
    auto &manager = DenseResourceElementsHandle::getManagerInterface(b.getContext());
    attr = DenseResourceElementsAttr::get(type, manager.insert(name, std::move(blob)));
  }
  auto constant = arith::ConstantOp::create(b, loc, attr);
  constant->setAttr(kKeyAttr, b.getStringAttr(name));
  return constant;
}

static SchemeAttr toAttribute(MLIRContext *context, const numerics::WeightScheme &scheme) {
  Granularity granularity =
      scheme.granularity == numerics::Granularity::PerGroup     ? Granularity::PerGroup
      : scheme.granularity == numerics::Granularity::PerChannel ? Granularity::PerChannel
                                                                : Granularity::PerTensor;
  return SchemeAttr::get(context, scheme.bits, scheme.symmetric, granularity,
                         granularity == Granularity::PerGroup ? scheme.groupSize : 0,
                         /*dynamic=*/false);
}

static DictionaryAttr toAttribute(OpBuilder &b, const RoundingRecord &record) {
  SmallVector<NamedAttribute> entries{b.getNamedAttr("method", b.getStringAttr(record.method)),
                                      b.getNamedAttr("seconds", b.getF64FloatAttr(record.seconds))};
  if (record.error)
    entries.push_back(b.getNamedAttr("error", b.getF64FloatAttr(*record.error)));
  if (record.errorRtn)
    entries.push_back(b.getNamedAttr("error_rtn", b.getF64FloatAttr(*record.errorRtn)));
  return b.getDictionaryAttr(entries);
}

/// Erases what computed `value`, as far as nothing else reads it.
static void eraseIfUnused(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isOpTriviallyDead(op))
    return;
  SmallVector<Value> operands(op->getOperands());
  op->erase();
  for (Value operand : operands)
    eraseIfUnused(operand);
}

WeightOnlyLinearOp ptq::replaceByPacked(LinearOp layer, PackedWeight weight,
                                        const RoundingRecord &record) {
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  std::string name = layer.getLayerName().str();
  int64_t scaleRows =
      weight.scheme.granularity == numerics::Granularity::PerTensor ? 1 : weight.rows;
  int64_t groups = numerics::groupsPerRow(weight.scheme, weight.columns);
  int64_t words = weight.words.size() / weight.rows;
  SchemeAttr scheme = toAttribute(b.getContext(), weight.scheme);
  Value packed = createConstant(b, loc, std::move(weight.words), {weight.rows, words},
                                b.getI32Type(), name + ".weight_packed");
  Value scales = createConstant(b, loc, std::move(weight.scales), {scaleRows, groups},
                                b.getF32Type(), name + ".weight_scale");
  Value zeroPoints, groupIndex;
  if (!weight.zeroPoints.empty())
    zeroPoints = createConstant(b, loc, std::move(weight.zeroPoints), {scaleRows, groups},
                                b.getI8Type(), name + ".weight_zero_point");
  if (!weight.groupIndex.empty())
    groupIndex = createConstant(b, loc, std::move(weight.groupIndex), {weight.columns},
                                b.getI32Type(), name + ".weight_g_idx");
  auto result = WeightOnlyLinearOp::create(b, loc, layer.getY().getType(), layer.getX(), packed,
                                           scales, zeroPoints, groupIndex, layer.getBias(), scheme,
                                           layer.getLayerAttr(), layer.getStatisticsAttr());
  result->setAttr(kReportAttr, toAttribute(b, record));
  layer.getY().replaceAllUsesWith(result.getY());
  Value floatWeight = layer.getWeight();
  layer.erase();
  eraseIfUnused(floatWeight);
  return result;
}

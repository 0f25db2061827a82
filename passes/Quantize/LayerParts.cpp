// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LayerParts.h"

#include "ptq/Analysis/LayerTimes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace ptq;

SchemeAttr ptq::toAttribute(MLIRContext *context, const numerics::WeightScheme &scheme) {
  Granularity granularity =
      scheme.granularity == numerics::Granularity::PerGroup     ? Granularity::PerGroup
      : scheme.granularity == numerics::Granularity::PerChannel ? Granularity::PerChannel
                                                                : Granularity::PerTensor;
  return SchemeAttr::get(context, scheme.bits, scheme.symmetric, granularity,
                         granularity == Granularity::PerGroup ? scheme.groupSize : 0,
                         /*dynamic=*/false);
}

void ptq::setRecord(Operation *op, StringRef layer, const RoundingRecord &record) {
  OpBuilder b(op);
  LayerTimes::record(b.getContext(), layer, record.seconds);
  SmallVector<NamedAttribute> entries{b.getNamedAttr("method", b.getStringAttr(record.method))};
  if (record.error)
    entries.push_back(b.getNamedAttr("error", b.getF64FloatAttr(*record.error)));
  if (record.errorRtn)
    entries.push_back(b.getNamedAttr("error_rtn", b.getF64FloatAttr(*record.errorRtn)));
  for (const auto &[name, value] : record.figures)
    entries.push_back(b.getNamedAttr(name, b.getF64FloatAttr(value)));
  op->setAttr(kReportAttr, b.getDictionaryAttr(entries));
}

void ptq::eraseIfUnused(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isOpTriviallyDead(op))
    return;
  SmallVector<Value> operands(op->getOperands());
  op->erase();
  for (Value operand : operands)
    eraseIfUnused(operand);
}

llvm::Expected<LayerClip> LayerClip::of(LinearOp layer, const numerics::WeightScheme &scheme) {
  LayerClip result;
  if (!layer.getClip() || scheme.mse)
    return result;
  auto tensor = execution::tensorFromAttribute(*layer.getClip());
  if (!tensor)
    return tensor.takeError();
  result.tensor = std::move(*tensor);
  return result;
}

numerics::ConstMatrix LayerClip::matrix() const {
  if (!tensor.data)
    return {};
  ArrayRef<int64_t> shape = tensor.type.getShape();
  return numerics::ConstMatrix(tensor.as<float>().data(), shape[0], shape[1]);
}

void ptq::finishReplacement(LinearOp layer, Operation *result, const RoundingRecord &record) {
  for (NamedAttribute attr : layer->getDiscardableAttrs())
    result->setDiscardableAttr(attr.getName(), attr.getValue());
  setRecord(result, layer.getLayerName(), record);
  layer.getY().replaceAllUsesWith(result->getResult(0));
  Value weight = layer.getWeight(), x = layer.getX();
  layer.erase();
  eraseIfUnused(weight);
  eraseIfUnused(x);
}

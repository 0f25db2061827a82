// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ObservableCopy.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ptq;

bool ptq::isObservable(Operation *op) { return isa<LinearOp, WeightOnlyLinearOp>(op); }

/// The float tensor that the integers `q` stand for; null where they are not quantized here.
static Value quantizedFrom(Value q) {
  q = sharedInput(q);
  if (auto quantize = q.getDefiningOp<QuantizeOp>())
    return quantize.getX();
  if (auto quantize = q.getDefiningOp<DynamicQuantizeOp>())
    return quantize.getX();
  return {};
}

static void insertProbe(IntegerLinearOp layer) {
  Value x = quantizedFrom(layer.getX());
  if (!x)
    return;
  OpBuilder b(layer);
  Location loc = layer.getLoc();
  auto type = cast<RankedTensorType>(x.getType());
  auto weightType = RankedTensorType::get({1, layer.getInFeatures()}, type.getElementType());
  Value weight = arith::ConstantOp::create(b, loc, weightType, b.getZeroAttr(weightType));
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = 1;
  OperationState state(loc, LinearOp::getOperationName());
  state.addOperands({x, weight});
  state.addTypes(type.clone(shape));
  state.getOrAddProperties<LinearOp::Properties>().layer = b.getStringAttr(layer.getLayerName());
  b.create(state);
}

OwningOpRef<ModuleOp> ptq::makeObservableCopy(func::FuncOp function) {
  OwningOpRef<ModuleOp> copy(function->getParentOfType<ModuleOp>().clone());
  function = copy->lookupSymbol<func::FuncOp>(function.getSymNameAttr());
  if (!function.walk([](LayerOpInterface) { return WalkResult::interrupt(); }).wasInterrupted()) {
    // What is not raised has been reported before.
    ScopedDiagnosticHandler quiet(copy->getContext(), [](Diagnostic &) { return success(); });
    LayerNames names;
    raiseLinears(cast<FunctionOpInterface>(function.getOperation()), names);
  }
  SmallVector<IntegerLinearOp> layers;
  function.walk([&](IntegerLinearOp layer) { layers.push_back(layer); });
  for (IntegerLinearOp layer : layers)
    insertProbe(layer);
  return copy;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SharedWeights.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace ptq;

bool ptq::isSameWeight(Value a, Value b) {
  if (a == b)
    return true;
  Operation *first = a.getDefiningOp(), *second = b.getDefiningOp();
  if (!first || !second || first->getName() != second->getName() || a.getType() != b.getType() ||
      first->getNumOperands() != second->getNumOperands() || first->getNumResults() != 1)
    return false;
  if (auto constant = dyn_cast<arith::ConstantOp>(first))
    return constant.getValue() == cast<arith::ConstantOp>(second).getValue();
  if (!isMemoryEffectFree(first) ||
      first->getPropertiesAsAttribute() != second->getPropertiesAsAttribute() ||
      first->getDiscardableAttrDictionary() != second->getDiscardableAttrDictionary())
    return false;
  // What an operation does to elements, which named operations such as a transpose have in a
  // region, follows from its name and properties; a linalg.generic's does not.
  if (first->getName().getStringRef() == "linalg.generic")
    return false;
  return llvm::all_of(llvm::zip_equal(first->getOperands(), second->getOperands()),
                      [](auto pair) { return isSameWeight(std::get<0>(pair), std::get<1>(pair)); });
}

/// Says that the layers of a function stay in float.
static void leaveInFloat(FunctionOpInterface function, func::FuncOp calibrated,
                         ArrayRef<LinearOp> layers) {
  std::string reason = "its weight is none of the calibrated function @" +
                       calibrated.getSymName().str() + "'s, whose samples there are";
  for (LinearOp layer : layers)
    layer->setAttr(kSkippedAttr, StringAttr::get(layer.getContext(), reason));
  if (!layers.empty())
    mlir::emitRemark(function.getLoc(), "@")
        << function.getName() << ": " << layers.size() << " layers stay in float, '"
        << LinearOp(layers.front()).getLayerName() << "' for one: " << reason;
}

std::vector<SharingLayer> ptq::findSharingLayers(func::FuncOp calibrated,
                                                 ArrayRef<LinearOp> layers) {
  SmallVector<LinearOp> all;
  calibrated.walk([&](LinearOp layer) { all.push_back(layer); });
  std::vector<SharingLayer> result;
  auto module = calibrated->getParentOfType<ModuleOp>();
  for (auto function : module.getOps<FunctionOpInterface>()) {
    if (function == calibrated)
      continue;
    SmallVector<LinearOp> others;
    function.walk([&](LinearOp layer) {
      auto sharesWith = [&](LinearOp other) {
        return isSameWeight(layer.getWeight(), other.getWeight());
      };
      if (auto it = llvm::find_if(layers, sharesWith); it != layers.end()) {
        if (!layer.getStatisticsAttr() && LinearOp(*it).getStatisticsAttr())
          layer.setStatisticsAttr(LinearOp(*it).getStatisticsAttr());
        result.push_back({layer, size_t(it - layers.begin())});
      } else if (llvm::none_of(all, sharesWith) &&
                 !isa_and_nonnull<DequantizeOp, LookupDequantizeOp>(
                     layer.getWeight().getDefiningOp())) {
        others.push_back(layer);
      }
    });
    leaveInFloat(function, calibrated, others);
  }
  return result;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/StatisticsAttributes.h"

#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace ptq;

StatisticsAttr ptq::toAttribute(MLIRContext *context, StringRef layer,
                                const statistics::ActivationStatistics &statistics) {
  auto type = RankedTensorType::get(statistics.channels(), Float32Type::get(context));
  auto &manager = DenseResourceElementsHandle::getManagerInterface(context);
  auto elements = [&](StringRef name, ArrayRef<float> values) -> ElementsAttr {
    // A single element is always a splat, which a resource cannot be.
    if (values.size() == 1)
      return DenseElementsAttr::get(type, values);
    AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyInferAlign(values);
    return DenseResourceElementsAttr::get(
        type, manager.insert((layer + "." + name).str(), std::move(blob)));
  };
  return StatisticsAttr::get(context, statistics.tokens, elements("absmax", statistics.absmax),
                             elements("mean_abs", statistics.meanAbs));
}

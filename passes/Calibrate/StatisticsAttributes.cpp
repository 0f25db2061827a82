// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/StatisticsAttributes.h"
#include "ptq/Analysis/StoredConstant.h"

using namespace mlir;
using namespace ptq;

StatisticsAttr ptq::toAttribute(MLIRContext *context, StringRef layer,
                                const statistics::ActivationStatistics &statistics) {
  auto type = RankedTensorType::get(statistics.channels(), Float32Type::get(context));
  auto elements = [&](StringRef name, const std::vector<float> &values) {
    return storeElements(type, values, (layer + "." + name).str());
  };
  return StatisticsAttr::get(context, statistics.tokens, elements("absmax", statistics.absmax),
                             elements("mean_abs", statistics.meanAbs));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Transform/TransformRecord.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ptq;

/// Of two places the one that costs more at run time.
static StringRef costlier(StringRef a, StringRef b) {
  for (StringRef place : {"explicit", "folded"})
    if (a == place || b == place)
      return place;
  return "none";
}

void ptq::attachRecord(LinearOp layer, const TransformRecord &record) {
  Builder b(layer.getContext());
  auto before = layer->getAttrOfType<StringAttr>(kInputScaleAttr);
  layer->setAttr(kInputScaleAttr,
                 b.getStringAttr(costlier(before ? before.getValue() : "none", record.inputScale)));
  NamedAttrList details;
  details.set("where", b.getStringAttr(record.where));
  auto set = [&](StringRef name, std::optional<double> value) {
    if (value)
      details.set(name, b.getF64FloatAttr(*value));
  };
  if (!record.into.empty())
    details.set("into", b.getStrArrayAttr(llvm::to_vector_of<StringRef>(record.into)));
  set("alpha", record.alpha);
  set("ratio", record.ratio);
  set("loss_before", record.lossBefore);
  set("loss", record.loss);
  NamedAttrList methods(layer->getAttrOfType<DictionaryAttr>(kTransformAttr));
  methods.set(record.method, details.getDictionary(b.getContext()));
  layer->setAttr(kTransformAttr, methods.getDictionary(b.getContext()));
}

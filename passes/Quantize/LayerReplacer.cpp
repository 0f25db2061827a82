// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LayerReplacer.h"

#include "FakeLayer.h"

using namespace ptq;

PackedWeight LayerReplacer::pack(const SelectedLayer &selected, numerics::QuantizedWeight weight) {
  return PackedWeight(std::move(weight),
                      /*bytes=*/selected.activation && selected.scheme.bits == 8);
}

llvm::Error LayerReplacer::replace(const SelectedLayer &selected, PackedWeight weight,
                                   const RoundingRecord &record) {
  if (fake)
    return replaceByFake(selected, std::move(weight), record, integerLayers);
  if (selected.activation)
    return integerLayers.replace(selected, std::move(weight), record).takeError();
  if (selected.scheme.codebook != numerics::Codebook::Uniform)
    lookupLayers.replace(selected.layer, std::move(weight), record);
  else
    replaceByPacked(selected.layer, std::move(weight), record);
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Puts what a rounding pass has made of a layer in the layer's place, in the form its schemes ask
// for: one place where forms are chosen, for all rounding passes.

#ifndef PTQ_PASSES_QUANTIZE_LAYERREPLACER_H
#define PTQ_PASSES_QUANTIZE_LAYERREPLACER_H

#include "IntegerLayer.h"
#include "LookupLayer.h"

namespace ptq {

class LayerReplacer {
public:
  /// `fake`: the layer stays in float, between a quantization and a dequantization of its weight
  /// and, where it becomes integers, of its activation.
  explicit LayerReplacer(bool fake) : fake(fake) {}

  /// The weight as it is kept until replace().
  static PackedWeight pack(const SelectedLayer &selected, numerics::QuantizedWeight weight);

  /// Layers are replaced in program order. Errors name the layer.
  llvm::Error replace(const SelectedLayer &selected, PackedWeight weight,
                      const RoundingRecord &record);

private:
  bool fake;
  IntegerLayers integerLayers;
  LookupLayers lookupLayers;
};

} // namespace ptq

#endif

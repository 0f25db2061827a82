// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a rounded weight and an activation's scheme to ptq.integer_linear and what quantizes its
// input:
//
//   linear(x, w)  →  q, s = dynamic_quantize(x);  integer_linear(q, s, codes, weight scales)
//
// Layers that read one value, in one scheme, share the quantization. A ptq.scale_channels in front
// is absorbed: its scales become the channel scales of the quantization. Static scales are the
// greatest |x| of calibration over the greatest code. Of a layer with outlier columns what is
// quantized is the rest of the activation (OutlierLayer.h).

#ifndef PTQ_PASSES_QUANTIZE_INTEGERLAYER_H
#define PTQ_PASSES_QUANTIZE_INTEGERLAYER_H

#include "ptq/Quantize/LayerSelection.h"
#include "ptq/Quantize/PackedLayer.h"

#include "llvm/ADT/DenseMap.h"
#include <tuple>

namespace ptq {

/// An error that names the first layer whose activation cannot be quantized as its scheme asks, and
/// says what to do. With `statisticsPending` layers need no statistics yet.
llvm::Error checkActivations(llvm::ArrayRef<SelectedLayer> layers, bool statisticsPending);

/// Replaces layers with integer activations, in program order.
class IntegerLayers {
public:
  /// The new constants are keyed `<layer>.weight` (`.weight_packed` below 8 bits, `.weight_int8` if
  /// the float weight has other users), `.weight_scale` and `.input_scale`; for progressive groups,
  /// which ptq.expand_groups makes integers of, also `.weight_group_scale` and `.weight_zero_point`.
  /// Errors: those of
  /// checkActivations; a weight with a group index.
  llvm::Expected<IntegerLinearOp> replace(const SelectedLayer &selected, PackedWeight weight,
                                          const RoundingRecord &record);

  /// The layer's activation in floats again after it was quantized in `scheme`.
  llvm::Expected<mlir::Value> quantizeAndBack(LinearOp layer, SchemeAttr scheme);

private:
  struct Activation {
    mlir::Value codes, scales, zeroPoints;
    mlir::Value outliers, columns; ///< Null: there are none.
  };
  llvm::Expected<Activation> quantize(LinearOp layer, SchemeAttr scheme, OutliersAttr outliers);

  /// By what is quantized, without the reshapes before it: its root and type, its channel scales,
  /// scheme, static scale and outliers.
  using Key = std::tuple<mlir::Value, mlir::Type, mlir::Value, mlir::Attribute, mlir::Attribute,
                         mlir::Attribute>;
  llvm::DenseMap<Key, Activation> activations;
};

} // namespace ptq

#endif

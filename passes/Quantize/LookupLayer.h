// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a weight rounded to a codebook to a layer in float whose weight is looked up:
//
//   linear(x, w)  →  linear(x, lookup_dequantize(codes, table, scales))
//
// and with double quantization, where the scales are codes as well,
//
//   scales  →  reshape(lookup_dequantize(codes, table, scales of blocks) offset mean)
//
// Tables are constants of a function, shared by its layers.

#ifndef PTQ_PASSES_QUANTIZE_LOOKUPLAYER_H
#define PTQ_PASSES_QUANTIZE_LOOKUPLAYER_H

#include "ptq/Quantize/PackedLayer.h"

#include "llvm/ADT/DenseMap.h"

namespace ptq {

/// Replaces the weights of layers.
class LookupLayers {
public:
  /// The new constants are keyed `<layer>.weight_packed` and `<layer>.weight_scale`, the latter
  /// with double quantization `<layer>.weight_scale_packed`, `.weight_scale_scale` and
  /// `.weight_scale_mean`; tables `nf4_codebook` and `scale_codebook`. The float weight goes if
  /// nothing else reads it. The weight has no group index.
  void replace(LinearOp layer, PackedWeight weight, const RoundingRecord &record);

private:
  mlir::Value table(LinearOp layer, llvm::ArrayRef<float> entries, llvm::StringRef key);
  mlir::Value scales(mlir::OpBuilder &b, LinearOp layer, PackedWeight &weight, int64_t groups);

  /// By the block of a function and the table's key.
  llvm::DenseMap<std::pair<mlir::Block *, mlir::StringAttr>, mlir::Value> tables;
};

} // namespace ptq

#endif

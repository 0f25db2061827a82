// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What part a layer plays in a network, told by the flow of data alone.
//
// A residual network adds what a sequence of layers computes from a value h to h itself. The last
// linear layer of such a branch, y = W·x + b with x computed from h, is a residual output: y,
// moved, cast, times a constant or plus other branches, is added to h, which so bypasses the layer.
// In a transformer those are the output projection of attention (o_proj, c_proj, …), where a
// product of two activations lies between h and x, and that of the feed-forward part (down_proj,
// fc2, …).

#ifndef PTQ_ANALYSIS_RESIDUALSTREAM_H
#define PTQ_ANALYSIS_RESIDUALSTREAM_H

#include "ptq/Analysis/ParameterWalk.h"
#include "ptq/IR/PTQ.h"

namespace ptq {

enum class LayerRole {
  Other,
  AttentionOutput, ///< A residual output that a product of two activations leads to.
  MlpOutput,       ///< Any other residual output.
};

/// The residual connections of a function. Valid until the function changes.
class ResidualStream {
public:
  explicit ResidualStream(mlir::FunctionOpInterface function) : parameters(function) {}

  LayerRole roleOf(LayerOpInterface layer) const;

  /// The value that is added to the layer's result and that its input is computed from, before the
  /// reshapes and casts that only one of the two sees; null if there is none.
  mlir::Value bypassOf(LayerOpInterface layer) const;

private:
  /// A bypass among the values that `sum` is added to, or null.
  mlir::Value findBypass(mlir::Value sum, mlir::Value input) const;
  /// Whether `value` is computed from `source`; with `products`, over a product of two activations.
  bool dependsOn(mlir::Value value, mlir::Value source, bool products) const;
  bool isProductOfActivations(mlir::Operation *op) const;

  ParameterAnalysis parameters;
};

} // namespace ptq

#endif

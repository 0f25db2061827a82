// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which layers a rounding pass takes, and to what schemes weight and activation of each are
// rounded.

#ifndef PTQ_QUANTIZE_LAYERSELECTION_H
#define PTQ_QUANTIZE_LAYERSELECTION_H

#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/WeightScheme.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// The options --rtn and --gptq share. An option that the user did not give leaves a layer's mark
/// as it is.
struct RoundingOptions {
  std::optional<unsigned> bits;
  std::optional<int64_t> groupSize;       ///< -1: per channel.
  std::optional<std::string> granularity; ///< "group", "channel", "tensor".
  std::optional<bool> symmetric;
  bool mse = false; ///< Search each range (numerics::WeightScheme::mse).
  /// "none", "per-token", "per-tensor", "per-tensor-static".
  std::optional<std::string> activations;
  std::string only, skip;
};

struct SelectedLayer {
  LinearOp layer;
  numerics::WeightScheme scheme;
  /// Null: the activation stays float.
  SchemeAttr activation;
};

/// Chooses the layers of `root` in program order; those that stay in float get the attribute
/// `ptq.skipped` with the reason. Errors: options that make no scheme, patterns that are malformed
/// or match no layer, a group size that does not divide a layer's width, integer activations with
/// an asymmetric weight.
llvm::Expected<std::vector<SelectedLayer>> selectLayers(mlir::Operation *root,
                                                        const RoundingOptions &options);

} // namespace ptq

#endif

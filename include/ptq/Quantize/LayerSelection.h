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
  /// "none", "per-token", "per-token-asymmetric", "per-token-int4", "per-tensor",
  /// "per-tensor-asymmetric", "per-tensor-static".
  std::optional<std::string> activations;
  /// Group scales that are small integers (numerics::WeightScheme::progressive).
  bool progressive = false;
  std::string only, skip;
  std::optional<std::string> type; ///< "int", "nf4".
  bool doubleQuantization = false; ///< Of the scales of a codebook's type.
  /// Only layers that an earlier pass has marked with a scheme.
  bool markedOnly = false;
  std::string scaleType = "f32"; ///< "f32", "f16", "bf16": what scales are representable in.
};

/// On a layer, a reason: it stays in float.
inline constexpr llvm::StringLiteral kKeepFloatAttr = "ptq.keep_float";
/// On a layer, "rtn" or "gptq": how it is to be rounded.
inline constexpr llvm::StringLiteral kMethodAttr = "ptq.method";

struct SelectedLayer {
  LinearOp layer;
  numerics::WeightScheme scheme;
  /// Null: the activation stays float.
  SchemeAttr activation;
  /// Null: all columns of the activation become integers.
  OutliersAttr outliers;
  /// The method that a mark asks for, or empty.
  std::string method;
};

/// Chooses the layers of `root` in program order; those that stay in float get the attribute
/// `ptq.skipped` with the reason: heads, what an option or a mark leaves out, layers whose weights
/// are quantized already. Errors: options that make no scheme, patterns that are malformed or match
/// no layer, a group size that does not divide a layer's width, integer activations with an
/// asymmetric weight or a codebook, outlier columns without integer activations.
llvm::Expected<std::vector<SelectedLayer>> selectLayers(mlir::Operation *root,
                                                        const RoundingOptions &options);

} // namespace ptq

#endif

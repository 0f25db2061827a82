// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `quantization_config` of a model's config.json: which format its quantized layers are in, and
// in which scheme.

#ifndef PTQ_CHECKPOINT_QUANTIZATIONCONFIG_H
#define PTQ_CHECKPOINT_QUANTIZATIONCONFIG_H

#include "ptq/Checkpoint/QuantizedLayer.h"

#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace ptq::checkpoint {

/// How the input of a layer is quantized: symmetric or not, one scale for each token or one for
/// all, computed at run time (dynamic) or stored as `input_scale`.
struct ActivationConfig {
  unsigned bits = 8;
  bool symmetric = true;
  bool perToken = true;
  bool dynamic = true;

  bool operator==(const ActivationConfig &other) const {
    return std::tie(bits, symmetric, perToken, dynamic) ==
           std::tie(other.bits, other.symmetric, other.perToken, other.dynamic);
  }
};

/// The scheme of a layer.
struct LayerConfig {
  StoredScheme weight;
  bool perTensor = false; ///< One weight scale for all; groupSize is not read then.
  bool groupIndex = false;
  std::optional<ActivationConfig> activation;

  bool operator==(const LayerConfig &other) const {
    return std::tie(weight.bits, weight.symmetric, weight.groupSize, perTensor, groupIndex,
                    activation) == std::tie(other.weight.bits, other.weight.symmetric,
                                            other.weight.groupSize, other.perTensor,
                                            other.groupIndex, other.activation);
  }
};

/// Layers of one scheme. A target is a layer's name, "re:" and a regular expression that matches
/// from the name's start, or a class ("Linear"), which matches every layer.
struct LayerGroup {
  LayerConfig config;
  std::vector<std::string> targets;
};

struct QuantizationConfig {
  QuantizedFormat format = QuantizedFormat::PackQuantized;
  /// Of the groups that match a layer the first with its name, else the first with a pattern, else
  /// the first with a class counts. gptq and awq have one for "Linear", and gptq more for
  /// exceptions.
  std::vector<LayerGroup> groups;
  /// Linear layers that stay float.
  std::vector<std::string> ignored;

  /// The scheme of a layer, or null. Whether it is quantized its tensors say.
  const LayerConfig *find(llvm::StringRef layer) const;
};

/// Reads a quantization_config. Errors: a method or format that is none of those above (FP8, NVFP4,
/// MXFP4, bitsandbytes, …; the message names it), a value of another type or range than it must
/// have.
llvm::Expected<QuantizationConfig> parseQuantizationConfig(const llvm::json::Object &object);

/// Writes one. Errors: what the format cannot say: two schemes in awq, integer activations
/// in gptq and awq.
llvm::Expected<llvm::json::Object> toJSON(const QuantizationConfig &config);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_QUANTIZATIONCONFIG_H

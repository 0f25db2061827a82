// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/LayerSelection.h"

#include "OutlierLayer.h"
#include "ptq/Analysis/Heads.h"
#include "ptq/Quantize/PackedLayer.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace ptq;

static llvm::Error error(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

/// A pattern over layer names; an empty one was not given.
struct NamePattern {
  StringRef option;
  const std::string &text;
  llvm::Regex regex;
  bool matched = false;

  NamePattern(StringRef option, const std::string &text)
      : option(option), text(text), regex(text) {}

  bool given() const { return !text.empty(); }
  bool matches(StringRef name) {
    bool result = regex.match(name);
    matched |= result;
    return result;
  }
  llvm::Error check() {
    std::string reason;
    if (given() && !regex.isValid(reason))
      return error(option + "='" + text + "' is no regular expression: " + reason);
    return llvm::Error::success();
  }
};

} // namespace

/// How the activation is represented: the layer's mark, unless the option is given. Null: as it is.
static llvm::Expected<SchemeAttr> resolveActivation(LinearOp layer,
                                                    const RoundingOptions &options) {
  if (!options.activations)
    return layer.getActivationSchemeAttr();
  struct Choice {
    Granularity granularity;
    bool dynamic;
    unsigned bits = 8;
    bool symmetric = true;
  };
  std::optional<Choice> choice =
      llvm::StringSwitch<std::optional<Choice>>(*options.activations)
          .Case("per-token", Choice{Granularity::PerToken, true})
          .Case("per-tensor", Choice{Granularity::PerTensor, true})
          .Case("per-tensor-static", Choice{Granularity::PerTensor, false})
          .Case("per-token-asymmetric", Choice{Granularity::PerToken, true, 8, false})
          .Case("per-tensor-asymmetric", Choice{Granularity::PerTensor, true, 8, false})
          .Case("per-token-int4", Choice{Granularity::PerToken, true, 4})
          .Default(std::nullopt);
  if (choice)
    return SchemeAttr::get(layer.getContext(), choice->bits, choice->symmetric, choice->granularity,
                           /*groupSize=*/0, choice->dynamic);
  if (*options.activations == "none")
    return SchemeAttr();
  return error("activations is none, per-token, per-token-asymmetric, per-token-int4, per-tensor, "
               "per-tensor-asymmetric or per-tensor-static, not '" +
               *options.activations + "'");
}

/// What a mark on the layer says, or the default: 4 bits in groups of 128 under floats and 4-bit
/// integers, 8 bits per channel under 8-bit integers.
static numerics::WeightScheme markedScheme(LinearOp layer, SchemeAttr activation) {
  numerics::WeightScheme scheme;
  std::optional<SchemeAttr> mark = layer.getWeightScheme();
  if (!mark && activation && activation.getBits() == 8) {
    scheme.bits = 8;
    scheme.granularity = numerics::Granularity::PerChannel;
  }
  if (!mark)
    return scheme;
  scheme.bits = mark->getBits();
  scheme.symmetric = mark->getSymmetric();
  switch (mark->getGranularity()) {
  case Granularity::PerTensor:
    scheme.granularity = numerics::Granularity::PerTensor;
    break;
  case Granularity::PerChannel:
  case Granularity::PerToken:
    scheme.granularity = numerics::Granularity::PerChannel;
    break;
  case Granularity::PerGroup:
    scheme.granularity = numerics::Granularity::PerGroup;
    scheme.groupSize = mark->getGroupSize();
    break;
  }
  return scheme;
}

static llvm::Expected<numerics::WeightScheme>
resolveScheme(LinearOp layer, const RoundingOptions &options, SchemeAttr activation) {
  numerics::WeightScheme scheme = markedScheme(layer, activation);
  if (options.bits)
    scheme.bits = *options.bits;
  scheme.mse = options.mse;
  if (options.symmetric)
    scheme.symmetric = *options.symmetric;
  if (options.groupSize) {
    scheme.granularity = *options.groupSize == -1 ? numerics::Granularity::PerChannel
                                                  : numerics::Granularity::PerGroup;
    scheme.groupSize = *options.groupSize;
  }
  if (options.granularity) {
    if (*options.granularity == "tensor")
      scheme.granularity = numerics::Granularity::PerTensor;
    else if (*options.granularity == "channel")
      scheme.granularity = numerics::Granularity::PerChannel;
    else if (*options.granularity == "group")
      scheme.granularity = numerics::Granularity::PerGroup;
    else
      return error("granularity is group, channel or tensor, not '" + *options.granularity + "'");
  }
  if (options.type) {
    if (*options.type != "int" && *options.type != "nf4")
      return error("type is int or nf4, not '" + *options.type + "'");
    if (*options.type == "nf4") {
      if (activation)
        return error("layer '" + layer.getLayerName() +
                     "' has integer activations, which cannot be multiplied with the entries of a "
                     "codebook: type=int, or activations=none");
      // A mark says how integers would be: of it, only the groups remain.
      scheme.codebook = numerics::Codebook::NF4;
      scheme.bits = options.bits.value_or(4);
      scheme.symmetric = options.symmetric.value_or(true);
      scheme.doubleQuantization = options.doubleQuantization;
    }
  }
  if (options.progressive) {
    if (!activation)
      return error("layer '" + layer.getLayerName() +
                   "' has float activations, but progressive groups are for integer ones: "
                   "activations=per-token, or progressive=false");
    if (layer.getOutliersAttr())
      return error("layer '" + layer.getLayerName() +
                   "' has outlier columns, beside which there are no progressive groups: "
                   "progressive=false, or leave the option out");
    scheme.progressive = true;
    scheme.bits = options.bits.value_or(4);
    scheme.symmetric = options.symmetric.value_or(false);
    if (!options.granularity && !options.groupSize && !layer.getWeightScheme())
      scheme.granularity = numerics::Granularity::PerGroup;
  }
  if (options.scaleType == "f16")
    scheme.scaleType = numerics::ScaleType::F16;
  else if (options.scaleType == "bf16")
    scheme.scaleType = numerics::ScaleType::BF16;
  else if (options.scaleType != "f32")
    return error("scale-type is f32, f16 or bf16, not '" + options.scaleType + "'");
  int64_t columns = layer.getInFeatures();
  if (OutliersAttr outliers = layer.getOutliersAttr(); dropsOutliers(outliers))
    columns -= outliers.getColumns().size();
  if (llvm::Error invalid = numerics::verify(scheme, layer.getOutFeatures(), columns))
    return error("layer '" + layer.getLayerName() + "': " + toString(std::move(invalid)));
  if (!activation)
    return scheme;
  if (!scheme.symmetric && !scheme.progressive)
    return error("layer '" + layer.getLayerName() +
                 "' has integer activations, which need a weight without zero points: "
                 "symmetric=true, or activations=none");
  // Integers of 8 bits have codes to spare: the extremes are exact.
  if (scheme.bits == 8 && !scheme.mse)
    scheme.symmetricRange = numerics::SymmetricRange::Restricted;
  return scheme;
}

llvm::Expected<std::vector<SelectedLayer>> ptq::selectLayers(Operation *root,
                                                             const RoundingOptions &options) {
  NamePattern only("only", options.only), skip("skip", options.skip);
  for (NamePattern *pattern : {&only, &skip})
    if (llvm::Error invalid = pattern->check())
      return std::move(invalid);

  std::vector<SelectedLayer> selected;
  llvm::Error failure = llvm::Error::success();
  root->walk([&](LinearOp layer) {
    StringRef name = layer.getLayerName();
    auto leave = [&](const Twine &reason) {
      layer->setAttr(kSkippedAttr, StringAttr::get(layer.getContext(), reason));
      return WalkResult::advance();
    };
    layer->removeAttr(kSkippedAttr);
    bool named = only.given() && only.matches(name);
    if (skip.given() && skip.matches(name))
      return leave("its name matches skip='" + options.skip + "'");
    if (only.given() && !named)
      return leave("its name does not match only='" + options.only + "'");
    if (!named && isReturnedAsIs(layer.getY()))
      return leave("it is a head: its value is returned as it is");
    if (auto reason = layer->getAttrOfType<StringAttr>(kKeepFloatAttr))
      return leave(reason.getValue());
    if (isa_and_nonnull<DequantizeOp, LookupDequantizeOp>(layer.getWeight().getDefiningOp()))
      return WalkResult::advance(); // Quantized already.
    if (options.markedOnly && !layer.getWeightScheme())
      return leave("no pass has marked it");
    auto stop = [&](llvm::Error reason) {
      failure = llvm::joinErrors(std::move(failure), std::move(reason));
      return WalkResult::interrupt();
    };
    llvm::Expected<SchemeAttr> activation = resolveActivation(layer, options);
    if (!activation)
      return stop(activation.takeError());
    llvm::Expected<numerics::WeightScheme> scheme = resolveScheme(layer, options, *activation);
    if (!scheme)
      return stop(scheme.takeError());
    OutliersAttr outliers = layer.getOutliersAttr();
    if (outliers && !*activation)
      return stop(error("layer '" + name +
                        "' has outlier columns, which stay in float beside integer activations: "
                        "give activations=per-token, or leave the option out"));
    auto method = layer->getAttrOfType<StringAttr>(kMethodAttr);
    selected.push_back({layer, *scheme, *activation, outliers, method ? method.str() : ""});
    return WalkResult::advance();
  });
  if (failure)
    return std::move(failure);
  for (NamePattern *pattern : {&only, &skip})
    if (pattern->given() && !pattern->matched)
      return error(pattern->option + "='" + pattern->text + "' matches no layer's name");
  return selected;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Quantize/LayerSelection.h"

#include "ptq/Analysis/Heads.h"
#include "ptq/Quantize/PackedLayer.h"

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

/// What a mark on the layer says, or the default of 4 bits in groups of 128.
static numerics::WeightScheme markedScheme(LinearOp layer) {
  numerics::WeightScheme scheme;
  std::optional<SchemeAttr> mark = layer.getWeightScheme();
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

static llvm::Expected<numerics::WeightScheme> resolveScheme(LinearOp layer,
                                                            const RoundingOptions &options) {
  numerics::WeightScheme scheme = markedScheme(layer);
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
  if (llvm::Error invalid = numerics::verify(scheme, layer.getOutFeatures(), layer.getInFeatures()))
    return error("layer '" + layer.getLayerName() + "': " + toString(std::move(invalid)));
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
    llvm::Expected<numerics::WeightScheme> scheme = resolveScheme(layer, options);
    if (!scheme) {
      failure = llvm::joinErrors(std::move(failure), scheme.takeError());
      return WalkResult::interrupt();
    }
    selected.push_back({layer, *scheme});
    return WalkResult::advance();
  });
  if (failure)
    return std::move(failure);
  for (NamePattern *pattern : {&only, &skip})
    if (pattern->given() && !pattern->matched)
      return error(pattern->option + "='" + pattern->text + "' matches no layer's name");
  return selected;
}

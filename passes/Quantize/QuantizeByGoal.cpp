// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From what a model is quantized for to the passes that do it. The choices, and what they rest on,
// are in the pass's documentation; there is nothing here that the passes it names could not be told
// by hand.

#include "ptq/Analysis/Heads.h"
#include "ptq/Quantize/LayerSelection.h"
#include "ptq/Quantize/Passes.h"
#include "ptq/Raise/Raise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringSwitch.h"

namespace ptq {
#define GEN_PASS_DEF_QUANTIZEBYGOAL
#include "ptq/Quantize/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// A pass and its options, as in "bits=4 group-size=64".
struct Step {
  std::string pass, options;
};

struct Strategy {
  SmallVector<Step> steps;
  std::string reason;
};

/// What a strategy depends on.
struct Facts {
  std::string groupSize; ///< The greatest of some sizes that divides each layer's width, or -1.
  int64_t tokens = 0;    ///< Of a call, the most of any layer; dynamic where one is.
};

struct QuantizeByGoalPass : ptq::impl::QuantizeByGoalBase<QuantizeByGoalPass> {
  using QuantizeByGoalBase::QuantizeByGoalBase;

  void runOnOperation() override;
};

} // namespace

static Facts collectFacts(ModuleOp module) {
  Facts facts;
  SmallVector<int64_t> sizes{128, 64, 32, 16};
  module.walk([&](LinearOp layer) {
    if (isReturnedAsIs(layer.getY()))
      return;
    llvm::erase_if(sizes, [&](int64_t size) { return layer.getInFeatures() % size != 0; });
    int64_t tokens = 1;
    for (int64_t extent : layer.getX().getType().getShape().drop_back())
      tokens = ShapedType::isDynamic(extent) || ShapedType::isDynamic(tokens) ? ShapedType::kDynamic
                                                                              : tokens * extent;
    bool isKnown = !ShapedType::isDynamic(tokens) && !ShapedType::isDynamic(facts.tokens);
    facts.tokens = isKnown ? std::max(facts.tokens, tokens) : ShapedType::kDynamic;
  });
  facts.groupSize = std::to_string(sizes.empty() ? -1 : sizes.front());
  return facts;
}

static Strategy fourBits(const Facts &facts, StringRef gptq, std::string reason) {
  return {
      {{"awq", "bits=4 group-size=" + facts.groupSize + " symmetric=false"}, {"gptq", gptq.str()}},
      std::move(reason)};
}

/// Products of few tokens take as long as the weights take to be read.
static bool isBoundByWeights(const Facts &facts) {
  constexpr int64_t fewTokens = 32;
  return !ShapedType::isDynamic(facts.tokens) && facts.tokens <= fewTokens;
}

static Strategy chooseStrategy(StringRef goal, bool isGpu, const Facts &facts) {
  if (goal == "size")
    return fourBits(facts, "embeddings=8",
                    "4 bits a weight with scales and ranges that were searched for, embedding "
                    "tables in 8");
  if (goal == "quality")
    return {{{"gptq", "bits=8 group-size=-1"}},
            "8-bit weights are as good as exact; activations stay in float"};
  if (isGpu && isBoundByWeights(facts))
    return fourBits(facts, "",
                    "calls of " + std::to_string(facts.tokens) +
                        " tokens are bound by reading the weights, and 4 bits are the fewest with "
                        "a kernel");
  return {{{"smoothquant", "alpha=auto"}, {"gptq", ""}},
          "products of 8-bit integers are the fastest there are for many tokens"};
}

void QuantizeByGoalPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const Twine &message) {
    mlir::emitError(module.getLoc(), "quantize: " + message);
    signalPassFailure();
  };
  if (goal != "size" && goal != "speed" && goal != "quality")
    return fail("goal is size, speed or quality, not '" + goal + "'");
  std::optional<bool> isGpu = llvm::StringSwitch<std::optional<bool>>(target)
                                  .Case("cpu", false)
                                  .Cases({"sm_80", "sm_89", "sm_90"}, true)
                                  .Default(std::nullopt);
  if (!isGpu)
    return fail("target is cpu, sm_80, sm_89 or sm_90, not '" + target + "'");
  if (failed(ensureRaised(module, getAnalysisManager())))
    return signalPassFailure();

  Strategy strategy = chooseStrategy(goal, *isGpu, collectFacts(module));
  std::string pipeline, command;
  for (const Step &step : strategy.steps) {
    pipeline += (pipeline.empty() ? "" : ",") + step.pass;
    command += " --" + step.pass;
    if (step.options.empty())
      continue;
    pipeline += "{" + step.options + "}";
    bool isOneWord = !StringRef(step.options).contains(' ');
    command += isOneWord ? "=" + step.options : "=\"" + step.options + "\"";
  }
  mlir::emitRemark(module.getLoc(), "quantize: goal=" + goal + " target=" + target + " is" +
                                        command + " (" + strategy.reason + ")");
  OpPassManager passes(ModuleOp::getOperationName());
  if (failed(parsePassPipeline(pipeline, passes)) || failed(runPipeline(passes, module)))
    signalPassFailure();
}

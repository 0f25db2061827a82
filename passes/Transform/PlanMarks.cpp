// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PlanMarks.h"

#include "TransformGroups.h"
#include "ptq/Analysis/Heads.h"

using namespace mlir;
using namespace ptq;

void ptq::markRounded(LinearOp layer, const numerics::WeightScheme &scheme) {
  SchemeAttr mark = toMark(layer.getContext(), scheme);
  if (layer.getWeightSchemeAttr() != mark)
    layer.removeClipAttr();
  layer.setWeightSchemeAttr(mark);
  layer->removeAttr(kKeepFloatAttr);
}

void ptq::markFloat(LinearOp layer, StringRef reason) {
  layer->setAttr(kKeepFloatAttr, StringAttr::get(layer.getContext(), reason));
}

namespace {

/// A rule and what it met.
struct RuleUse {
  unsigned taken = 0;    ///< Layers it was the first to match.
  unsigned shadowed = 0; ///< Layers that an earlier rule took.
};

struct Decision {
  LinearOp layer;
  const PrecisionRule *rule;
  numerics::WeightScheme scheme;
};

class PlanApplication {
public:
  PlanApplication(const PrecisionPlan &plan, const numerics::WeightScheme &defaults)
      : plan(plan), defaults(defaults), uses(plan.rules.size()) {}

  llvm::Error decide(FunctionOpInterface function);
  llvm::Error checkUses() const;
  PlanCounts mark();

private:
  std::string place(const PrecisionRule &rule) const {
    return plan.file + ":" + std::to_string(rule.line) + ": ";
  }
  llvm::Error decide(LinearOp layer, LayerRole role);

  const PrecisionPlan &plan;
  const numerics::WeightScheme &defaults;
  std::vector<RuleUse> uses;
  std::vector<Decision> decisions;
};

} // namespace

llvm::Error PlanApplication::decide(LinearOp layer, LayerRole role) {
  const PrecisionRule *first = nullptr;
  for (auto [rule, use] : llvm::zip_equal(plan.rules, uses)) {
    if (!rule.matches(layer.getLayerName(), role))
      continue;
    ++(first ? use.shadowed : use.taken);
    first = first ? first : &rule;
  }
  if (!first)
    return llvm::Error::success();
  Decision decision{layer, first, defaults};
  if (!first->keepFloat) {
    numerics::WeightScheme &scheme = decision.scheme;
    scheme.bits = first->bits;
    scheme.symmetric = first->symmetric.value_or(scheme.symmetric);
    if (first->groupSize) {
      scheme.granularity = *first->groupSize == -1 ? numerics::Granularity::PerChannel
                                                   : numerics::Granularity::PerGroup;
      scheme.groupSize = *first->groupSize;
    }
    if (llvm::Error invalid =
            numerics::verify(scheme, layer.getOutFeatures(), layer.getInFeatures()))
      return llvm::createStringError(place(*first) + "layer '" + layer.getLayerName() +
                                     "': " + toString(std::move(invalid)));
  }
  decisions.push_back(decision);
  return llvm::Error::success();
}

llvm::Error PlanApplication::decide(FunctionOpInterface function) {
  ResidualStream stream(function);
  llvm::Error failure = llvm::Error::success();
  function.walk([&](LinearOp layer) {
    if (isReturnedAsIs(layer.getY()) ||
        isa_and_nonnull<DequantizeOp, LookupDequantizeOp>(layer.getWeight().getDefiningOp()))
      return WalkResult::advance();
    if (llvm::Error error = decide(layer, stream.roleOf(layer))) {
      failure = llvm::joinErrors(std::move(failure), std::move(error));
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure;
}

llvm::Error PlanApplication::checkUses() const {
  for (auto [rule, use] : llvm::zip_equal(plan.rules, uses)) {
    if (use.taken)
      continue;
    return llvm::createStringError(
        place(rule) + rule.text() +
        (use.shadowed ? " matches only layers that an earlier rule takes: of several rules the "
                        "first one counts"
                      : " matches no layer (heads, which stay float, are not looked at)"));
  }
  return llvm::Error::success();
}

PlanCounts PlanApplication::mark() {
  PlanCounts counts;
  for (const Decision &decision : decisions) {
    LinearOp layer = decision.layer;
    const PrecisionRule &rule = *decision.rule;
    if (rule.keepFloat) {
      markFloat(layer, "the plan keeps it in float: " + place(rule) + rule.text());
      ++counts.keptFloat;
      continue;
    }
    markRounded(layer, decision.scheme);
    if (rule.method.empty())
      layer->removeAttr(kMethodAttr);
    else
      layer->setAttr(kMethodAttr, StringAttr::get(layer.getContext(), rule.method));
    ++counts.marked;
  }
  return counts;
}

llvm::Expected<PlanCounts> ptq::applyPlan(ModuleOp module, const PrecisionPlan &plan,
                                          const numerics::WeightScheme &defaults) {
  PlanApplication application(plan, defaults);
  llvm::Error failure = llvm::Error::success();
  module.walk([&](FunctionOpInterface function) {
    if (llvm::Error error = application.decide(function)) {
      failure = llvm::joinErrors(std::move(failure), std::move(error));
      return WalkResult::interrupt();
    }
    return WalkResult::skip();
  });
  if (failure)
    return std::move(failure);
  if (llvm::Error error = application.checkUses())
    return std::move(error);
  return application.mark();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random scales through every place that can take one: with --verify-equivalence behind it, the
// proof that channel-scale propagation (ptq/Analysis/ChannelScale.h) is exact on a given model.

#include "ptq/Analysis/ChannelScale.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Verify/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>
#include <random>

namespace ptq {
#define GEN_PASS_DEF_TESTCHANNELSCALES
#include "ptq/Verify/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct TestChannelScalesPass : ptq::impl::TestChannelScalesBase<TestChannelScalesPass> {
  using TestChannelScalesBase::TestChannelScalesBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation(), getAnalysisManager())))
      return signalPassFailure();
    if (llvm::Error error = rescale()) {
      mlir::emitError(getOperation().getLoc(),
                      "test-channel-scales: " + toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  llvm::Error rescale();
};

} // namespace

static std::string layerNames(const ScaleGroup &group) {
  return llvm::join(
      llvm::map_range(group.layers,
                      [](LinearOp layer) { return "'" + layer.getLayerName().str() + "'"; }),
      ", ");
}

llvm::Error TestChannelScalesPass::rescale() {
  if (!(greatest >= 1) || std::isinf(double(greatest)))
    return llvm::createStringError("greatest is a finite factor of at least 1");
  // The same numbers everywhere: the engine is specified, the distributions are not.
  std::mt19937 random(seed);
  auto uniform = [&] { return random() / 4294967296.0 * 2 - 1; };
  for (auto function : getOperation().getOps<FunctionOpInterface>()) {
    if (function.isExternal())
      continue;
    for (ScaleGroup &group : findScaleGroups(function)) {
      int64_t count = group.layers.size();
      mlir::emitRemark(group.layers.front().getLoc(), "input of ")
          << layerNames(group) << ": " << toString(group.placement)
          << (group.description.empty() ? "" : ": ") << group.description;
      bool apply = group.placement == ScalePlacement::Folded;
      if (apply)
        numFolded += count;
      else if (group.placement == ScalePlacement::Explicit)
        numExplicit += count, apply = explicitScales;
      else
        numDeclined += count;
      if (!apply)
        continue;
      std::vector<float> scales(group.channels);
      for (float &scale : scales)
        scale = std::pow(double(greatest), uniform());
      tieScales(group, scales);
      if (llvm::Error error = applyScales(group, scales))
        return error;
    }
  }
  return llvm::Error::success();
}

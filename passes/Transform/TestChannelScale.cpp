// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A testing pass: random scales through every place that channel-scale propagation finds.

#include "ptq/Analysis/ChannelScale.h"
#include "ptq/Raise/Raise.h"
#include "ptq/Transform/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include <cmath>
#include <random>

namespace ptq {
#define GEN_PASS_DEF_TESTCHANNELSCALE
#include "ptq/Transform/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct TestChannelScalePass : ptq::impl::TestChannelScaleBase<TestChannelScalePass> {
  using TestChannelScaleBase::TestChannelScaleBase;

  void runOnOperation() override {
    if (failed(ensureRaised(getOperation())))
      return signalPassFailure();
    std::mt19937 generator(seed);
    for (auto function : getOperation().getOps<FunctionOpInterface>())
      for (ScaleGroup &group : findScaleGroups(function)) {
        report(group);
        if (apply && group.placement != ScalePlacement::Declined &&
            failed(applyRandom(group, generator)))
          return signalPassFailure();
      }
  }

private:
  /// One remark a layer: "<layer>: <placement>, <scales> of <channels> scales: <description>".
  void report(ScaleGroup &group) {
    for (LinearOp layer : group.layers)
      mlir::emitRemark(layer.getLoc())
          << layer.getLayerName() << ": " << toString(group.placement) << ", " << group.numClasses
          << " of " << group.channels << " scales: " << group.description;
  }

  LogicalResult applyRandom(ScaleGroup &group, std::mt19937 &generator) {
    // Not std::uniform_real_distribution: the same numbers on every platform.
    std::vector<float> s(group.channels);
    for (float &scale : s)
      scale = std::pow(10.0, generator() * 0x1p-31 - 1);
    tieScales(group, s);
    if (llvm::Error error = applyScales(group, s))
      return mlir::emitError(group.layers.front().getLoc(), toString(std::move(error)));
    return success();
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ShuffledWeight.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ptq {
#define GEN_PASS_DEF_SHUFFLEWEIGHTS
#include "ptq/Lower/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct ShuffleWeightsPass : ptq::impl::ShuffleWeightsBase<ShuffleWeightsPass> {
  using ShuffleWeightsBase::ShuffleWeightsBase;

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    getOperation().walk([&](WeightOnlyLinearOp op) {
      if (llvm::Error error = shuffle(op))
        emitRemark(op.getLoc()) << "layer '" << op.getLayerName()
                                << "' is left as it is: " << llvm::toString(std::move(error));
    });
  }

private:
  llvm::Error shuffle(WeightOnlyLinearOp op) {
    OpBuilder b(op);
    auto spec = weightOnlyLinearSpec(op, b.getF16Type());
    if (!spec)
      return spec.takeError();
    kernels::WeightLayout layout = spec->layout();
    llvm::Expected<Value> before = findShuffledWeight(op.getWeight(), layout);
    if (!before || *before)
      return before.takeError();
    llvm::Expected<Value> words = createShuffledWeight(b, op, layout);
    if (!words)
      return words.takeError();
    Value weight = op.getWeight();
    op.getWeightMutable().assign(createRestoredWeight(b, op.getLoc(), *words, layout,
                                                      cast<RankedTensorType>(weight.getType())));
    if (Operation *constant = weight.getDefiningOp(); isOpTriviallyDead(constant))
      constant->erase();
    ++numShuffled;
    return llvm::Error::success();
  }
};

} // namespace

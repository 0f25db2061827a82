// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Lower/Lower.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace ptq {
#define GEN_PASS_DEF_PTQTOLINALG
#include "ptq/Lower/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

/// observe(x) = x
struct LowerObserve : OpRewritePattern<ObserveOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ObserveOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

struct PTQToLinalgPass : ptq::impl::PTQToLinalgBase<PTQToLinalgPass> {
  using PTQToLinalgBase::PTQToLinalgBase;

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    auto count = [&] {
      int64_t ops = 0;
      getOperation().walk(
          [&](Operation *op) { ops += isa_and_nonnull<PTQDialect>(op->getDialect()); });
      return ops;
    };
    int64_t before = count();
    RewritePatternSet patterns(&getContext());
    populatePTQToLinalgPatterns(patterns);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
    int64_t after = count();
    numLowered += before - after;
    if (after == 0)
      return;
    mlir::emitError(getOperation().getLoc())
        << after << " ptq operations have no lowering to linalg";
    signalPassFailure();
  }
};

} // namespace

void ptq::populatePTQToLinalgPatterns(RewritePatternSet &patterns) {
  populateLinearToLinalgPatterns(patterns);
  populateWeightOnlyLinearToLinalgPatterns(patterns);
  populateQuantizeToLinalgPatterns(patterns);
  populateActivationToLinalgPatterns(patterns);
  populateIntegerToLinalgPatterns(patterns);
  populateColumnsToLinalgPatterns(patterns);
  populateLookupToLinalgPatterns(patterns);
  populateExpandGroupsToLinalgPatterns(patterns);
  patterns.add<LowerObserve>(patterns.getContext());
}

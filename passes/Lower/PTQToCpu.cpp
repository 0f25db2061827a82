// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RuntimeCalls.h"
#include "ptq/Lower/Lower.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace ptq {
#define GEN_PASS_DEF_PTQTOCPU
#include "ptq/Lower/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct PTQToCpuPass : ptq::impl::PTQToCpuBase<PTQToCpuPass> {
  using PTQToCpuBase::PTQToCpuBase;

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    ModuleOp module = getOperation();
    if (failed(checkNames(module)))
      return signalPassFailure();
    RuntimeCalls calls(module);
    IRRewriter rewriter(&getContext());
    for (Operation *op : collect(module))
      if (lowerToCall(rewriter, calls, op))
        ++numCalls;
    numLinalg += collect(module).size();
    RewritePatternSet patterns(&getContext());
    populatePTQToLinalgPatterns(patterns);
    walkAndApplyPatterns(module, std::move(patterns));
    SmallVector<Operation *> left = collect(module);
    if (left.empty())
      return;
    mlir::emitError(left.front()->getLoc())
        << left.size() << " ptq operations have no lowering, the first is "
        << left.front()->getName();
    signalPassFailure();
  }

private:
  static SmallVector<Operation *> collect(ModuleOp module) {
    SmallVector<Operation *> ops;
    module.walk([&](Operation *op) {
      if (isa_and_nonnull<PTQDialect>(op->getDialect()))
        ops.push_back(op);
    });
    return ops;
  }

  /// A symbol that is named like a function of the runtime must be its declaration.
  static LogicalResult checkNames(ModuleOp module) {
    for (const runtime::Function &function : runtime::functions())
      if (Operation *symbol = module.lookupSymbol(function.name))
        if (auto declared = dyn_cast<func::FuncOp>(symbol); !declared || !declared.isDeclaration())
          return mlir::emitError(symbol->getLoc())
                 << "'" << function.name
                 << "' is the name of a function of the CPU runtime; rename this symbol";
    return success();
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Upstream's emulation allows to contract its conversions: wherever two operations meet in one
// function, the folders drop the rounding between them, and a value depends on what was fused with
// what. The permission is withdrawn here.

#include "ptq/Math/Float16.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {
struct KeepRoundingsPass : PassWrapper<KeepRoundingsPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(KeepRoundingsPass)

  void runOnOperation() override {
    getOperation()->walk([](Operation *op) {
      if (auto flags = dyn_cast<arith::ArithFastMathInterface>(op))
        if (isa<arith::ExtFOp, arith::TruncFOp>(op))
          op->removeAttr(flags.getFastMathAttrName());
    });
  }
};
} // namespace

void ptq::addFloat16Emulation(OpPassManager &passes) {
  arith::ArithEmulateUnsupportedFloatsOptions arithmetic;
  arithmetic.sourceTypeStrs = {"bf16", "f16"};
  arithmetic.targetTypeStr = "f32";
  passes.addPass(arith::createArithEmulateUnsupportedFloats(arithmetic));
  math::MathExtendToSupportedTypesOptions functions;
  functions.extraTypeStrs = {};
  functions.targetTypeStr = "f32";
  passes.addPass(math::createMathExtendToSupportedTypes(functions));
  passes.addPass(std::make_unique<KeepRoundingsPass>());
}

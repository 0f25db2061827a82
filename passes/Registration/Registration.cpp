// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/InitAll.h"

#include "ptq/Analysis/LayerTimes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Passes.h"

void ptq::registerDialects(mlir::DialectRegistry &registry) {
  registry.insert<PTQDialect>();
  registry.addExtension(
      +[](mlir::MLIRContext *, PTQDialect *dialect) { dialect->addInterfaces<LayerTimes>(); });
}

void ptq::registerAllPasses() {
  static bool once = (registerPasses(), true);
  (void)once;
}

void ptq::registerAll(mlir::DialectRegistry &registry) {
  registerDialects(registry);
  registerAllPasses();
}

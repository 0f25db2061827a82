// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compiler that embeds mlir-ptq: reads a module, finds its linear layers, rounds them to 4 bits, prints it.

#include "ptq/InitAll.h"
#include "ptq/Passes.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

int main(int argc, char **argv) {
  if (argc != 2) {
    llvm::errs() << "usage: embedding model.mlir\n";
    return 2;
  }
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  ptq::registerDialects(registry);
  mlir::MLIRContext context(registry);

  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceFile<mlir::ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  mlir::PassManager passes(&context);
  passes.addPass(ptq::createRaiseLinear());
  ptq::RtnOptions rounding;
  rounding.bits = 4;
  rounding.groupSize = 32;
  passes.addPass(ptq::createRtn(rounding));
  if (mlir::failed(passes.run(*module)))
    return 1;
  module->print(llvm::outs());
  return 0;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mlir-opt with the ptq dialect and passes. Three things differ: a pipeline ends with
// --run-pending, so that what a pass promised is in the output whichever passes ran;
// the output is written aside and renamed; and --help begins with our passes.

#include "Help.h"

#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/MappedFileGuard.h"
#include "ptq/InitAll.h"
#include "ptq/Raise/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;

/// The configuration of the command line, with the pass appended.
static MlirOptMainConfig makeConfig() {
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  MlirOptMainConfig given = config;
  config.setPassPipelineSetupFn([given](PassManager &pm) -> LogicalResult {
    if (failed(given.setupPassPipeline(pm)))
      return failure();
    if (!pm.empty() && pm.getOpAnchorName() == ModuleOp::getOperationName())
      pm.addPass(ptq::createRunPending());
    return success();
  });
  return config;
}

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "quant-opt") << message << '\n';
  return 1;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  ptq::checkpoint::installMappedFileGuard();
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllPasses();
  ptq::registerAll(registry);
  if (asksForHelp(argc, argv))
    printPassesByStage(); // upstream's help follows, and exits

  auto [inputName, outputName] = registerAndParseCLIOptions(
      argc, argv, "Post-training quantization of MLIR modules\n", registry);
  MlirOptMainConfig config = makeConfig();
  // What only lists something needs no input.
  if (config.shouldShowDialects() || config.shouldListPasses())
    return asMainReturnCode(MlirOptMain(argc, argv, inputName, outputName, registry));

  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> input = openInputFile(inputName, &message);
  if (!input)
    return fail(message);
  if (outputName == "-")
    return asMainReturnCode(MlirOptMain(llvm::outs(), std::move(input), registry, config));
  bool failedInside = false;
  llvm::Error error = ptq::checkpoint::writeFileAtomically(
      outputName, [&](llvm::raw_pwrite_stream &os) -> llvm::Error {
        failedInside = failed(MlirOptMain(os, std::move(input), registry, config));
        return failedInside ? llvm::createStringError("") : llvm::Error::success();
      });
  if (!error)
    return 0;
  std::string text = toString(std::move(error));
  // What failed inside has been reported there.
  return failedInside ? 1 : fail(text);
}

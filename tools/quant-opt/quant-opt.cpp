// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mlir-opt with the ptq dialect and passes. Four things differ: a pipeline ends with
// --run-pending, so that what a pass promised is in the output whichever passes ran;
// the output is written aside and renamed; --help begins with our passes; and processes that mpirun
// has started share the work.

#include "Help.h"

#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/MappedFileGuard.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/Distributed/MpiSession.h"
#include "ptq/InitAll.h"
#include "ptq/Numerics/Threads.h"
#include "ptq/Raise/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
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

/// Where libPTQMpi.so may be, beside this executable in a build or an installation.
static std::vector<std::string> mpiModules(const char *argv0) {
  std::string self = llvm::sys::fs::getMainExecutable(argv0, reinterpret_cast<void *>(&mpiModules));
  std::vector<std::string> paths;
  for (llvm::StringRef folder : {"lib", PTQ_LIBRARY_FOLDER}) {
    llvm::SmallString<128> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
    llvm::sys::path::append(path, folder, "libPTQMpi.so");
    paths.push_back(path.str().str());
  }
  return paths;
}

static int run(int argc, char **argv) {
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
  if (!ptq::distributed::Communicator::world().isRoot())
    return asMainReturnCode(MlirOptMain(llvm::nulls(), std::move(input), registry, config));
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

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  ptq::checkpoint::installMappedFileGuard();
  if (!ptq::distributed::isStartedByMpi())
    return run(argc, argv);
  auto session =
      ptq::distributed::MpiSession::start(mpiModules(argv[0]), ptq::numerics::describeArithmetic());
  if (!session)
    return fail(toString(session.takeError()));
  return (*session)->finish(run(argc, argv));
}

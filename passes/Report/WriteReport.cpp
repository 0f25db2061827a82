// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The report, as a file.

#include "HtmlReport.h"
#include "ModelReport.h"

#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Distributed/Communicator.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Raise/PendingPasses.h"
#include "ptq/Report/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/FormatVariadic.h"

namespace ptq {
#define GEN_PASS_DEF_WRITEREPORT
#include "ptq/Report/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct WriteReportPass : ptq::impl::WriteReportBase<WriteReportPass> {
  using WriteReportBase::WriteReportBase;

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    ModuleOp module = getOperation();
    bool html = StringRef(file).ends_with(".html");
    if (!html && !StringRef(file).ends_with(".json")) {
      mlir::emitError(module.getLoc(), "write-report needs file=F.json or file=F.html, not '")
          << file << "'";
      return signalPassFailure();
    }
    if (!distributed::Communicator::world().isRoot())
      return;
    llvm::json::Value report = describeModel(module);
    llvm::Error error = checkpoint::writeFileAtomically(file, [&](llvm::raw_pwrite_stream &os) {
      if (html)
        writeHtml(os, std::move(report));
      else
        os << llvm::formatv("{0:2}\n", report);
      return llvm::Error::success();
    });
    if (error) {
      mlir::emitError(module.getLoc(), "write-report: " + toString(std::move(error)));
      signalPassFailure();
    }
  }
};

} // namespace

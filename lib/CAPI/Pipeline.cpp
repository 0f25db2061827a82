// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq-c/Pipeline.h"

#include "Messages.h"

#include "ptq-c/Registration.h"
#include "ptq/Raise/Passes.h"

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/CAPI/Wrap.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ptq;

DEFINE_C_API_PTR_METHODS(PtqPipeline, OpPassManager)

/// Appends what `parse` adds; if it fails, nothing, and an error with what it wrote.
static MlirLogicalResult
append(PtqPipeline pipeline, PtqMessageHandler messages,
       llvm::function_ref<LogicalResult(OpPassManager &, llvm::raw_ostream &)> parse) {
  OpPassManager added(ModuleOp::getOperationName(), OpPassManager::Nesting::Implicit);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (failed(parse(added, os)))
    return capi::reportError(messages, llvm::StringRef(text).trim());
  // What could be added once can be added again.
  return wrap(parse(*unwrap(pipeline), os));
}

/// An option's value, between delimiters that do not occur in it.
static std::optional<std::string> quote(llvm::StringRef value) {
  for (char delimiter : {'"', '\''})
    if (!value.contains(delimiter))
      return (llvm::Twine(delimiter) + value + llvm::Twine(delimiter)).str();
  return std::nullopt;
}

static MlirLogicalResult addPassWithFile(PtqPipeline pipeline, llvm::StringRef name,
                                         llvm::StringRef option, llvm::StringRef file,
                                         const llvm::Twine &more, PtqMessageHandler messages) {
  if (file.empty())
    return capi::reportError(messages, name + ": the file's name is empty");
  std::optional<std::string> quoted = quote(file);
  if (!quoted)
    return capi::reportError(messages, name +
                                           ": a file's name with both kinds of quotation marks, " +
                                           file + ", cannot be an option's value; rename the file");
  std::string options = (option + "=" + *quoted + more).str();
  return ptqPipelineAddPass(pipeline, wrap(name), wrap(llvm::StringRef(options)), messages);
}

PtqPipeline ptqPipelineCreate() {
  ptqRegisterAllPasses();
  return wrap(new OpPassManager(ModuleOp::getOperationName(), OpPassManager::Nesting::Implicit));
}

void ptqPipelineDestroy(PtqPipeline pipeline) { delete unwrap(pipeline); }

MlirLogicalResult ptqPipelineAddPass(PtqPipeline pipeline, MlirStringRef name,
                                     MlirStringRef options, PtqMessageHandler messages) {
  const PassInfo *info = PassInfo::lookup(unwrap(name));
  if (!info)
    return capi::reportError(messages, "there is no pass named '" + unwrap(name) + "'");
  return append(pipeline, messages, [&](OpPassManager &passes, llvm::raw_ostream &os) {
    auto fail = [&](const llvm::Twine &message) {
      os << unwrap(name) << ": " << message;
      return failure();
    };
    return info->addToPipeline(passes, unwrap(options), fail);
  });
}

MlirLogicalResult ptqPipelineAddText(PtqPipeline pipeline, MlirStringRef text,
                                     PtqMessageHandler messages) {
  return append(pipeline, messages, [&](OpPassManager &passes, llvm::raw_ostream &os) {
    return parsePassPipeline(unwrap(text), passes, os);
  });
}

MlirLogicalResult ptqPipelineLoadParameters(PtqPipeline pipeline, MlirStringRef file,
                                            PtqMessageHandler messages) {
  return addPassWithFile(pipeline, "load-parameters", "file", unwrap(file), "", messages);
}

MlirLogicalResult ptqPipelineCalibrate(PtqPipeline pipeline, MlirStringRef data, int64_t maxSamples,
                                       PtqMessageHandler messages) {
  return addPassWithFile(pipeline, "calibrate", "data", unwrap(data),
                         " max-samples=" + llvm::Twine(maxSamples), messages);
}

MlirLogicalResult ptqPipelineSaveParameters(PtqPipeline pipeline, MlirStringRef file,
                                            PtqMessageHandler messages) {
  return addPassWithFile(pipeline, "save-parameters", "file", unwrap(file), "", messages);
}

MlirLogicalResult ptqPipelineRun(PtqPipeline pipeline, MlirModule module,
                                 PtqMessageHandler messages) {
  ModuleOp op = unwrap(module);
  capi::DiagnosticForwarding forwarding(op.getContext(), messages);
  PassManager passes(op.getContext());
  static_cast<OpPassManager &>(passes) = *unwrap(pipeline);
  passes.addPass(createRunPending());
  if (succeeded(passes.run(op)))
    return mlirLogicalResultSuccess();
  if (!forwarding.hasErrors())
    return capi::reportError(messages, "a pass failed and did not say why");
  return mlirLogicalResultFailure();
}

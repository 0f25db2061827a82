// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ReferenceModule.h"

#include "ptq/Raise/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace ptq;

ReferenceModule::ReferenceModule(MLIRContext &like)
    : context(like.getDialectRegistry(), MLIRContext::Threading::DISABLED) {
  context.allowUnregisteredDialects(like.allowsUnregisteredDialects());
}

llvm::Expected<std::unique_ptr<ReferenceModule>>
ReferenceModule::open(StringRef path, ArrayRef<std::string> parameters, MLIRContext &like) {
  std::unique_ptr<ReferenceModule> reference(new ReferenceModule(like));
  MLIRContext &context = reference->context;
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (!message.empty() || diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return success();
    llvm::raw_string_ostream os(message);
    if (auto location = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
      os << location.getFilename().getValue() << ':' << location.getLine() << ':'
         << location.getColumn() << ": ";
    os << diagnostic;
    return success();
  });
  auto failed = [&]() -> llvm::Error {
    return llvm::createStringError("reference '" + path +
                                   "': " + (message.empty() ? "it cannot be read" : message));
  };
  reference->module = parseSourceFile<ModuleOp>(path, ParserConfig(&context));
  if (!reference->module)
    return failed();
  if (parameters.empty())
    return reference;
  PassManager pipeline(&context, ModuleOp::getOperationName());
  LoadParametersOptions options;
  options.files.assign(parameters.begin(), parameters.end());
  pipeline.addPass(createLoadParameters(options));
  if (mlir::failed(pipeline.run(*reference->module)))
    return failed();
  return reference;
}

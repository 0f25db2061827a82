// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Model.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

static llvm::Expected<OwningOpRef<ModuleOp>> parse(MLIRContext &context, StringRef path) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (!message.empty() || diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return success();
    llvm::raw_string_ostream stream(message);
    if (auto location = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
      stream << location.getFilename().getValue() << ":" << location.getLine() << ":"
             << location.getColumn() << ": ";
    stream << diagnostic;
    return success();
  });
  auto module = parseSourceFile<ModuleOp>(path, ParserConfig(&context));
  if (!module)
    return llvm::createStringError(message.empty() ? "cannot read '" + path.str() + "'" : message);
  return module;
}

static llvm::Expected<func::FuncOp> findFunction(ModuleOp module, StringRef path, StringRef name) {
  if (auto function = module.lookupSymbol<func::FuncOp>(name))
    return function;
  std::vector<std::string> names;
  for (auto function : module.getOps<func::FuncOp>())
    names.push_back(function.getName().str());
  return llvm::createStringError("'" + path + "' has no function '" + name + "'" +
                                 (names.empty() ? "" : "; it has " + llvm::join(names, ", ")));
}

llvm::Expected<std::unique_ptr<Model>>
Model::open(MLIRContext &context, StringRef path, StringRef functionName,
            ArrayRef<std::string> parameterFiles,
            std::shared_ptr<const checkpoint::Checkpoint> inputs,
            std::shared_ptr<KernelCache> kernels) {
  auto model = std::make_unique<Model>();
  auto module = parse(context, path);
  if (!module)
    return module.takeError();
  model->module = std::move(*module);
  auto function = findFunction(*model->module, path, functionName);
  if (!function)
    return function.takeError();
  model->function = *function;

  std::shared_ptr<const checkpoint::Checkpoint> parameters;
  if (!parameterFiles.empty()) {
    auto opened = checkpoint::Checkpoint::open(parameterFiles);
    if (!opened)
      return opened.takeError();
    parameters = std::move(*opened);
  }
  auto samples = SampleSet::open(*function, parameters, std::move(inputs));
  if (!samples)
    return samples.takeError();
  model->sampleSet = std::move(*samples);

  ExecutorOptions options;
  options.kernels = std::move(kernels);
  auto executor = Executor::create(*function, std::move(options));
  if (!executor)
    return executor.takeError();
  model->executor = std::move(*executor);
  return std::move(model);
}

std::vector<std::string> Model::outputNames() {
  std::vector<std::string> names;
  for (unsigned index = 0; index != function.getNumResults(); ++index)
    names.push_back(getResultName(function, index));
  return names;
}

std::optional<unsigned> Model::findArgument(StringRef name) {
  for (unsigned index = 0; index != function.getNumArguments(); ++index)
    if (getArgumentName(function, index) == name)
      return index;
  return std::nullopt;
}

llvm::Expected<Outputs> Model::run(int64_t first, int64_t count) {
  return executor->run(sampleSet->samples(first, count));
}

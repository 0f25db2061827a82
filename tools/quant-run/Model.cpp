// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Model.h"

#include "ptq/Lower/Passes.h"
#include "ptq/Raise/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

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

llvm::Error Model::read(MLIRContext &context, StringRef path, StringRef name) {
  auto parsed = parse(context, path);
  if (!parsed)
    return parsed.takeError();
  module = std::move(*parsed);
  auto found = findFunction(*module, path, name);
  if (!found)
    return found.takeError();
  function = *found;
  return llvm::Error::success();
}

llvm::Error Model::bind(std::shared_ptr<const checkpoint::Checkpoint> parameters,
                        std::shared_ptr<const checkpoint::Checkpoint> inputs) {
  auto samples = SampleSet::open(function, std::move(parameters), std::move(inputs));
  if (!samples)
    return samples.takeError();
  sampleSet = std::move(*samples);
  for (unsigned index = 0; index != function.getNumArguments(); ++index)
    argumentNames.push_back(getArgumentName(function, index));
  for (unsigned index = 0; index != function.getNumResults(); ++index)
    resultNames.push_back(getResultName(function, index));
  llvm::append_range(resultTypes, function.getResultTypes());
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<Model>>
Model::open(MLIRContext &context, StringRef path, StringRef functionName,
            ArrayRef<std::string> parameterFiles,
            std::shared_ptr<const checkpoint::Checkpoint> inputs,
            std::shared_ptr<KernelCache> kernels) {
  auto model = std::make_unique<Model>();
  if (llvm::Error error = model->read(context, path, functionName))
    return error;
  std::shared_ptr<const checkpoint::Checkpoint> parameters;
  if (!parameterFiles.empty()) {
    auto opened = checkpoint::Checkpoint::open(parameterFiles);
    if (!opened)
      return opened.takeError();
    parameters = std::move(*opened);
  }
  if (llvm::Error error = model->bind(std::move(parameters), std::move(inputs)))
    return error;
  ExecutorOptions options;
  options.kernels = std::move(kernels);
  auto executor = Executor::create(model->function, std::move(options));
  if (!executor)
    return executor.takeError();
  model->executor = std::move(*executor);
  return std::move(model);
}

/// Runs passes; their first error becomes ours, remarks and warnings are printed.
static llvm::Error runPasses(PassManager &passes, ModuleOp module) {
  std::string message;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure();
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (succeeded(passes.run(module)))
    return llvm::Error::success();
  return llvm::createStringError(message.empty() ? "the model cannot be lowered to kernels"
                                                 : message);
}

llvm::Expected<std::unique_ptr<Model>>
Model::openOnDevice(MLIRContext &context, StringRef path, StringRef functionName,
                    ArrayRef<std::string> parameterFiles,
                    std::shared_ptr<const checkpoint::Checkpoint> inputs, emulator::Device &device,
                    StringRef chip) {
  auto model = std::make_unique<Model>();
  if (llvm::Error error = model->read(context, path, functionName))
    return error;
  if (!parameterFiles.empty()) {
    PassManager loading(&context);
    LoadParametersOptions options;
    llvm::append_range(options.files, parameterFiles);
    loading.addPass(createLoadParameters(options));
    if (llvm::Error error = runPasses(loading, *model->module))
      return error;
  }
  if (llvm::Error error = model->bind(nullptr, std::move(inputs)))
    return error;
  PassManager lowering(&context);
  PTQModuleToGpuOptions options;
  options.chip = chip.str();
  lowering.addPass(createPTQModuleToGpu(options));
  if (llvm::Error error = runPasses(lowering, *model->module))
    return error;
  auto loaded = DeviceFunction::load(model->function, device);
  if (!loaded)
    return loaded.takeError();
  model->deviceFunction = std::move(*loaded);
  return std::move(model);
}

std::optional<unsigned> Model::findArgument(StringRef name) const {
  auto found = llvm::find(argumentNames, name);
  if (found == argumentNames.end())
    return std::nullopt;
  return found - argumentNames.begin();
}

llvm::Expected<Outputs> Model::run(int64_t first, int64_t count) {
  std::vector<std::vector<Tensor>> samples = sampleSet->samples(first, count);
  if (executor)
    return executor->run(samples);
  Outputs outputs;
  for (const std::vector<Tensor> &sample : samples) {
    auto results = deviceFunction->run(sample);
    if (!results)
      return results.takeError();
    outputs.push_back(std::move(*results));
  }
  return outputs;
}

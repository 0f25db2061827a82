// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels: their modules and launches.

#include "HostOps.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

llvm::Error HostOps::loadBinary(gpu::BinaryOp binary) {
  for (Attribute attribute : binary.getObjects()) {
    auto object = cast<gpu::ObjectAttr>(attribute);
    if (object.getFormat() != gpu::CompilationTarget::Assembly)
      continue;
    StringRef ptx = object.getObject().getValue();
    auto module = device.load(ptx.rtrim('\0'), binary.getName());
    if (!module)
      return module.takeError();
    modules[binary.getName()] = std::move(*module);
    return llvm::Error::success();
  }
  return llvm::createStringError("the kernels of '" + binary.getName() +
                                 "' are machine code; a device here takes PTX (format=ptx)");
}

template <class T> static void append(std::vector<std::vector<char>> &to, T value) {
  to.push_back(emulator::argument(value));
}

std::vector<std::vector<char>> HostOps::kernelArguments(gpu::LaunchFuncOp op, size_t count) const {
  bool bare = count == op.getNumKernelOperands();
  std::vector<std::vector<char>> arguments;
  for (Value operand : op.getKernelOperands()) {
    if (!isa<MemRefType>(operand.getType())) {
      arguments.push_back(bytesOf(std::get<Attribute>(values.find(operand)->second)));
      continue;
    }
    const BufferView &buffer = view(operand);
    append(arguments, buffer.buffer.address);
    if (bare)
      continue;
    append(arguments, buffer.buffer.address);
    append(arguments, buffer.offset);
    for (int64_t size : buffer.sizes)
      append(arguments, size);
    for (int64_t stride : buffer.strides)
      append(arguments, stride);
  }
  return arguments;
}

llvm::Error HostOps::launch(gpu::LaunchFuncOp op) {
  StringRef moduleName = op.getKernelModuleName(), kernel = op.getKernelName();
  auto module = modules.find(moduleName);
  if (module == modules.end())
    return llvm::createStringError("a launch of '" + moduleName + "::" + kernel +
                                   "', whose kernels are not compiled: run --ptq-module-to-gpu");
  auto parameters = module->second->parameters(kernel);
  if (!parameters)
    return parameters.takeError();
  emulator::LaunchConfig config;
  auto dimensions = [&](gpu::KernelDim3 values) {
    return emulator::Dim3{uint32_t(number(values.x)), uint32_t(number(values.y)),
                          uint32_t(number(values.z))};
  };
  config.grid = dimensions(op.getGridSizeOperandValues());
  config.block = dimensions(op.getBlockSizeOperandValues());
  if (config.grid.count() == 0)
    return llvm::Error::success(); // of an empty result
  if (Value shared = op.getDynamicSharedMemorySize())
    config.dynamicShared = number(shared);
  std::vector<std::vector<char>> arguments = kernelArguments(op, parameters->size());
  auto result = device.launch(*module->second, kernel, config, arguments);
  if (!result)
    return result.takeError();
  ++statistics.launches;
  if (result->counters)
    statistics.warpInstructions += result->counters->total.instructions;
  if (result->findings.empty())
    return llvm::Error::success();
  constexpr size_t shown = 5;
  std::string text = "the emulator has findings in '" + kernel.str() + "':";
  for (const emulator::Finding &finding : llvm::ArrayRef(result->findings).take_front(shown))
    text += "\n  " + emulator::describe(finding);
  if (result->findings.size() > shown)
    text += "\n  and " + std::to_string(result->findings.size() - shown) + " more";
  return llvm::createStringError(text);
}

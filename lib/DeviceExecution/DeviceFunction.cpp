// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/DeviceExecution/DeviceFunction.h"

#include "HostOps.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

struct DeviceFunction::Implementation {
  Implementation(func::FuncOp function, emulator::Device &device)
      : function(function), host(device) {}

  llvm::Error load();

  func::FuncOp function;
  HostOps host;
  /// Values whose last use is that operation.
  llvm::DenseMap<Operation *, SmallVector<Value>> lastUses;
};

DeviceFunction::DeviceFunction(std::unique_ptr<Implementation> implementation)
    : implementation(std::move(implementation)) {}
DeviceFunction::~DeviceFunction() = default;

const DeviceStatistics &DeviceFunction::statistics() const {
  return implementation->host.statistics;
}

llvm::Error DeviceFunction::Implementation::load() {
  if (!function.getBody().hasOneBlock())
    return llvm::createStringError("function '" + function.getName() +
                                   "' has control flow, which does not run on a device");
  auto module = function->getParentOfType<ModuleOp>();
  for (auto binary : module.getOps<gpu::BinaryOp>())
    if (llvm::Error error = host.loadBinary(binary))
      return error;
  for (auto global : module.getOps<memref::GlobalOp>())
    if (llvm::Error error = host.loadGlobal(global))
      return error;
  for (Operation &op : function.front())
    if (llvm::Error error = host.check(op))
      return error;
  // The memory of a view is kept by the view, so that each value may go after its last use.
  llvm::DenseMap<Value, Operation *> last;
  for (Operation &op : function.front()) {
    for (Value operand : op.getOperands())
      last[operand] = &op;
    for (Value result : op.getResults())
      last[result] = &op;
  }
  for (auto [value, op] : last)
    lastUses[op].push_back(value);
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<DeviceFunction>> DeviceFunction::load(func::FuncOp function,
                                                                     emulator::Device &device) {
  auto made = std::make_unique<Implementation>(function, device);
  if (llvm::Error error = made->load())
    return error;
  return std::unique_ptr<DeviceFunction>(new DeviceFunction(std::move(made)));
}

llvm::Expected<std::vector<Tensor>> DeviceFunction::run(ArrayRef<Tensor> arguments) {
  func::FuncOp function = implementation->function;
  HostOps &host = implementation->host;
  host.values.clear();
  if (arguments.size() != function.getNumArguments())
    return llvm::createStringError("function '" + function.getName() + "' takes " +
                                   llvm::Twine(function.getNumArguments()) + " arguments, not " +
                                   llvm::Twine(arguments.size()));
  for (auto [tensor, argument] : llvm::zip_equal(arguments, function.getArguments())) {
    auto view = host.upload(tensor);
    if (!view)
      return view.takeError();
    host.values[argument] = std::move(*view);
  }
  for (Operation &op : function.front()) {
    if (isa<func::ReturnOp>(op))
      break;
    if (llvm::Error error = host.execute(op))
      return error;
    for (Value value : implementation->lastUses.lookup(&op))
      host.values.erase(value);
  }
  std::vector<Tensor> results;
  for (Value value : function.front().getTerminator()->getOperands()) {
    auto tensor = host.download(value);
    if (!tensor)
      return tensor.takeError();
    results.push_back(std::move(*tensor));
  }
  host.values.clear();
  return results;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a function whose work is kernels (--ptq-module-to-gpu) on a device: the emulator or a GPU.
// It does what is left for the host: sizes, buffers, views, launches.
//
#ifndef PTQ_DEVICEEXECUTION_DEVICEFUNCTION_H
#define PTQ_DEVICEEXECUTION_DEVICEFUNCTION_H

#include "ptq/Emulator/Device.h"
#include "ptq/Execution/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <memory>
#include <string>
#include <vector>

namespace ptq::execution {

/// What all launches did. Instructions are counted by the emulator only.
struct DeviceStatistics {
  int64_t launches = 0;
  uint64_t warpInstructions = 0;
};

class DeviceFunction {
public:
  /// Loads the PTX of the module's gpu.binary operations and copies its constants to the device.
  /// `function` takes and returns memrefs of identity layout and has one block without control
  /// flow. It and the device have to outlive the result. Errors: kernels without PTX, operations
  /// that the host cannot run (by name), what the device refuses.
  static llvm::Expected<std::unique_ptr<DeviceFunction>> load(mlir::func::FuncOp function,
                                                              emulator::Device &device);
  ~DeviceFunction();

  /// Runs it on one sample. An error too if the emulator has findings, with their text.
  llvm::Expected<std::vector<Tensor>> run(llvm::ArrayRef<Tensor> arguments);

  const DeviceStatistics &statistics() const;

private:
  struct Implementation;
  explicit DeviceFunction(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation;
};

} // namespace ptq::execution

#endif // PTQ_DEVICEEXECUTION_DEVICEFUNCTION_H

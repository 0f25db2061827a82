// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations that a host function is made of, on a device.
//
#ifndef PTQ_LIB_DEVICEEXECUTION_HOSTOPS_H
#define PTQ_LIB_DEVICEEXECUTION_HOSTOPS_H

#include "HostValue.h"
#include "ptq/DeviceExecution/DeviceFunction.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace ptq::execution {

/// A number's bytes as they lie in memory, little endian; narrow integers take a whole byte.
std::vector<char> bytesOf(mlir::Attribute number);

class HostOps {
public:
  explicit HostOps(emulator::Device &device) : device(device) {}

  llvm::Error loadBinary(mlir::gpu::BinaryOp binary);
  llvm::Error loadGlobal(mlir::memref::GlobalOp global);
  /// Whether execute() knows the operation.
  llvm::Error check(mlir::Operation &op) const;
  llvm::Error execute(mlir::Operation &op);

  llvm::Expected<BufferView> upload(const Tensor &tensor);
  llvm::Expected<Tensor> download(mlir::Value value);

  llvm::DenseMap<mlir::Value, HostValue> values;
  DeviceStatistics statistics;

private:
  llvm::Expected<DeviceBuffer> allocate(int64_t bytes);
  /// Operands as integers, an attribute's static ones in their places.
  llvm::SmallVector<int64_t, 4> numbers(llvm::ArrayRef<mlir::OpFoldResult> mixed) const;
  int64_t number(mlir::Value value) const;
  const BufferView &view(mlir::Value value) const;

  llvm::Error fold(mlir::Operation &op);
  llvm::Error allocate(mlir::memref::AllocOp op);
  void takeSubview(mlir::memref::SubViewOp op);
  void reinterpret(mlir::memref::ReinterpretCastOp op);
  llvm::Error reshape(mlir::memref::ReshapeOp op);
  void expand(mlir::memref::ExpandShapeOp op);
  void collapse(mlir::memref::CollapseShapeOp op);
  llvm::Error loadScalar(mlir::memref::LoadOp op);
  llvm::Error storeScalar(mlir::memref::StoreOp op);
  llvm::Error launch(mlir::gpu::LaunchFuncOp op);
  std::vector<std::vector<char>> kernelArguments(mlir::gpu::LaunchFuncOp op, size_t count) const;

  emulator::Device &device;
  llvm::StringMap<std::unique_ptr<emulator::Module>> modules;
  llvm::StringMap<BufferView> globals;
};

} // namespace ptq::execution

#endif // PTQ_LIB_DEVICEEXECUTION_HOSTOPS_H

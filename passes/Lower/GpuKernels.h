// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the lowerings of single operations to GPU kernels share: the module that collects kernels,
// launches, and constants in a kernel's layout.

#ifndef PTQ_PASSES_LOWER_GPUKERNELS_H
#define PTQ_PASSES_LOWER_GPUKERNELS_H

#include "ptq/IR/PTQ.h"
#include "ptq/Kernels/BoundModel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace ptq {

/// A kernel as it is launched.
struct KernelLaunch {
  std::string kernel;
  kernels::GemmTile tile;
  int64_t sharedBytes;
  int64_t columns; ///< of the result
};

/// Collects the kernels of a module: one for each different specification.
class GpuKernels {
public:
  GpuKernels(mlir::ModuleOp module, const kernels::Chip &chip) : module(module), chip(chip) {}

  const kernels::Chip &getChip() const { return chip; }
  /// gpu.module, null as long as there is no kernel.
  mlir::gpu::GPUModuleOp getKernelModule() const { return kernelModule; }

  /// Emits the kernel `name` unless it is there already. The name says all that the kernel depends
  /// on.
  void require(llvm::StringRef name, llvm::function_ref<void(mlir::gpu::GPUModuleOp)> emit);

  /// Launches a kernel on the operands, then the buffer of a new result of `resultType`, then the
  /// number of rows: all of the result's dimensions but the last, of `like`'s sizes. Returns the
  /// result.
  mlir::Value launch(mlir::OpBuilder &b, mlir::Location loc, const KernelLaunch &launch,
                     mlir::ValueRange operands, mlir::RankedTensorType resultType,
                     mlir::Value like);

private:
  mlir::ModuleOp module;
  const kernels::Chip &chip;
  mlir::gpu::GPUModuleOp kernelModule;
};

/// The rows that a tile is chosen for: those of a static shape, else an assumption.
int64_t expectedRows(mlir::RankedTensorType type);

/// "f16", "bf16", "f32": what kernels read and write; empty for other types.
llvm::StringRef kernelTypeName(mlir::Type type);

/// The elements of a constant, little endian as stored; nothing if the value is not one. A splat is
/// written out.
std::optional<std::vector<char>> constantBytes(mlir::Value value);

/// Replaces the operation by a launch. An error says why that cannot be, and that nothing was
/// changed.
llvm::Error lowerToGpu(IntegerLinearOp op, GpuKernels &kernels);
llvm::Error lowerToGpu(WeightOnlyLinearOp op, GpuKernels &kernels);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_GPUKERNELS_H

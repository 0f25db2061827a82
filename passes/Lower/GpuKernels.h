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
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace ptq {

/// A kernel whose result is divided into tiles, as it is launched.
struct KernelLaunch {
  std::string kernel;
  kernels::GemmTile tile;
  int64_t sharedBytes;
  int64_t columns;                             ///< of the result
  llvm::SmallVector<mlir::Value> numbers = {}; ///< i32, arguments after the number of rows
};

/// Any kernel as it is launched.
struct KernelGrid {
  std::string kernel;
  mlir::Value blocks; ///< index: their number, along x
  int64_t threads;    ///< of a block
  int64_t sharedBytes = 0;
  /// Of each result; if empty, those of the tensor that the results are like.
  llvm::SmallVector<mlir::OpFoldResult> sizes;
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
  /// number of rows: all of the result's dimensions but the last, of `like`'s sizes; with splits
  /// the workspace, last. Returns the result.
  mlir::Value launch(mlir::OpBuilder &b, mlir::Location loc, const KernelLaunch &launch,
                     mlir::ValueRange operands, mlir::RankedTensorType resultType,
                     mlir::Value like);

  /// Launches a kernel on the operands (tensors: their buffers; numbers as they are), then the
  /// buffers of new results of `resultTypes`, whose dynamic dimensions have `like`'s sizes, then
  /// `numbers`. Returns the results.
  llvm::SmallVector<mlir::Value> launch(mlir::OpBuilder &b, mlir::Location loc,
                                        const KernelGrid &grid, mlir::ValueRange operands,
                                        llvm::ArrayRef<mlir::RankedTensorType> resultTypes,
                                        mlir::Value like, mlir::ValueRange numbers);

  /// A remark on the operation that says why this tile was chosen, if `explains`.
  void explain(mlir::Operation *op, const kernels::GemmProblem &problem,
               const kernels::TileChoice &choice);
  bool explains = false;

  /// What float32 activations of weight-only layers are rounded to; null: there is no kernel then.
  mlir::Type narrowActivations;

  /// Activations that are packed already, two int4 in a byte, by what they were.
  llvm::DenseMap<mlir::Value, mlir::Value> packedActivations;

private:
  /// What blocks that share a tile exchange their sums through; operands after the numbers.
  llvm::SmallVector<mlir::Value, 2> createWorkspace(mlir::OpBuilder &b, mlir::Location loc,
                                                    const kernels::GemmTile &tile,
                                                    mlir::Value tiles);
  /// Zeros for so many counters, which every launch leaves as they are; filled once in a block.
  llvm::DenseMap<std::pair<mlir::Block *, int64_t>, mlir::Value> counters;

  mlir::ModuleOp module;
  const kernels::Chip &chip;
  mlir::gpu::GPUModuleOp kernelModule;
};

/// What remarks call an operation: its layer, or its kind.
std::string nameForRemark(mlir::Operation *op);

/// The product of all of a tensor's dimensions but the last, as an index.
mlir::Value createRowCount(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor);

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
llvm::Error lowerToGpu(DynamicQuantizeOp op, GpuKernels &kernels);
llvm::Error lowerToGpu(QuantizeOp op, GpuKernels &kernels);
llvm::Error lowerToGpu(IntegerBatchMatmulOp op, GpuKernels &kernels);
llvm::Error lowerToGpu(WeightOnlyLinearOp op, GpuKernels &kernels);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_GPUKERNELS_H

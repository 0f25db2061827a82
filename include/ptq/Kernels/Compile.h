// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From kernels in upstream's dialects to PTX and machine code.

#ifndef PTQ_KERNELS_COMPILE_H
#define PTQ_KERNELS_COMPILE_H

#include "ptq/Kernels/Chip.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/Support/Error.h"

#include <string>

namespace ptq::kernels {

/// Registers what translating kernels needs. Call before a context is made from `registry`.
void registerKernelTranslations(mlir::DialectRegistry &registry);

/// Adds the passes of lowerToNVVM, for a pipeline on gpu.module.
void addNVVMLowering(mlir::OpPassManager &pm);

/// Lowers the functions of `module` (arith, scf, gpu, nvvm), which is part of a builtin module, to
/// the LLVM dialect.
mlir::LogicalResult lowerToNVVM(mlir::gpu::GPUModuleOp module);

/// The target that kernels for `chip` are compiled for.
mlir::Attribute targetOf(mlir::MLIRContext *context, const Chip &chip);

/// Replaces the module by a gpu.binary of its name with these gpu.object.
void replaceByBinary(mlir::gpu::GPUModuleOp module, llvm::ArrayRef<mlir::Attribute> objects);

/// The PTX of a module lowered by lowerToNVVM.
llvm::Expected<std::string> translateToPtx(mlir::gpu::GPUModuleOp module, const Chip &chip);

/// What ptxas says of one function.
struct PtxasReport {
  std::string function;
  int64_t registers = 0, spillStoreBytes = 0, spillLoadBytes = 0, sharedBytes = 0;
};
struct Cubin {
  std::string image;
  std::vector<PtxasReport> functions;
  std::string report; ///< all that it said
};

/// ptxas on PATH, or in $CUDA_HOME/bin or /usr/local/cuda/bin; empty if there is none.
std::string findPtxas();

/// Assembles PTX by ptxas. An error says what ptxas said, or where it was looked for.
llvm::Expected<Cubin> assemble(llvm::StringRef ptx, const Chip &chip);

/// A module as PTX or machine code.
struct DeviceImage {
  enum class Kind { Ptx, Machine };
  Kind kind;
  const Chip &chip;
  std::string content;
};

/// One image (a fat binary) of several, of which the CUDA driver takes the one for the GPU at hand:
/// machine code where there is some for it, else PTX that it translates. By fatbinary of the CUDA
/// toolkit; an error says what that said, or where it was looked for.
llvm::Expected<std::string> bundle(llvm::ArrayRef<DeviceImage> images);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_COMPILE_H

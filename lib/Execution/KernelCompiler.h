// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From loops to machine code: upstream's lowering to LLVM, LLVM's optimizer for this CPU, its JIT.
//
#ifndef PTQ_LIB_EXECUTION_KERNELCOMPILER_H
#define PTQ_LIB_EXECUTION_KERNELCOMPILER_H

#include "ptq/Execution/KernelCache.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace llvm {
class TargetMachine;
namespace orc {
class LLJIT;
}
} // namespace llvm

namespace ptq::execution {

/// Has a context of its own: kernels come as text, so that no dialect has to be loaded into the
/// caller's context, which passes must not do.
class KernelCompiler {
public:
  KernelCompiler();
  ~KernelCompiler();

  struct Request {
    llvm::StringRef text;
    /// Begins an error message about this kernel.
    std::string description;
  };

  /// Compiles all requests into one module, and returns their functions in the same order.
  llvm::Expected<std::vector<KernelFunction>> compile(llvm::ArrayRef<Request> requests);

private:
  llvm::Error start();
  mlir::OwningOpRef<mlir::ModuleOp> lowerAll(llvm::ArrayRef<Request> requests,
                                             llvm::ArrayRef<std::string> names);
  llvm::Error addToJIT(mlir::ModuleOp module);

  mlir::MLIRContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  int64_t kernelCount = 0;
};

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELCOMPILER_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GpuKernels.h"
#include "ptq/Kernels/Compile.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace ptq {
#define GEN_PASS_DEF_PTQTOGPU
#include "ptq/Lower/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

namespace {

struct PTQToGpuPass : ptq::impl::PTQToGpuBase<PTQToGpuPass> {
  using PTQToGpuBase::PTQToGpuBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    PTQToGpuBase::getDependentDialects(registry);
    kernels::registerKernelTranslations(registry);
  }

  void runOnOperation() override {
    if (failed(runPendingRounding(getOperation(), [&](OpPassManager &pipeline) {
          return runPipeline(pipeline, getOperation());
        })))
      return signalPassFailure();
    const kernels::Chip *target = kernels::findChip(chip);
    if (!target) {
      std::string names;
      for (const kernels::Chip &known : kernels::chips())
        names += (names.empty() ? "" : ", ") + known.name.str();
      emitError(getOperation().getLoc())
          << "--ptq-to-gpu knows no chip '" << chip << "'; it knows " << names;
      return signalPassFailure();
    }
    if (format != "ptx" && format != "cubin") {
      emitError(getOperation().getLoc())
          << "--ptq-to-gpu writes no format '" << format << "'; it writes ptx and cubin";
      return signalPassFailure();
    }
    if (float32Activations != "f16" && float32Activations != "bf16" &&
        float32Activations != "keep") {
      emitError(getOperation().getLoc())
          << "--ptq-to-gpu: float32-activations is f16, bf16 or keep, not '" << float32Activations
          << "'";
      return signalPassFailure();
    }
    GpuKernels collected(getOperation(), *target);
    Builder types(&getContext());
    if (float32Activations != "keep")
      collected.narrowActivations =
          float32Activations == "f16" ? Type(types.getF16Type()) : types.getBF16Type();
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<IntegerLinearOp, WeightOnlyLinearOp, IntegerBatchMatmulOp, DynamicQuantizeOp,
              QuantizeOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      lower(op, collected);
    if (collected.getKernelModule() && failed(compile(collected)))
      signalPassFailure();
  }

private:
  void lower(Operation *op, GpuKernels &collected) {
    Location loc = op->getLoc();
    std::string name = "'" + op->getName().getStringRef().str() + "'";
    if (auto layer = dyn_cast<LayerOpInterface>(op))
      name = "layer '" + layer.getLayerName().str() + "'";
    llvm::SetVector<Operation *> producers;
    auto addProducers = [&](Operation *of) {
      for (Value operand : of->getOperands())
        if (Operation *producer = operand.getDefiningOp())
          producers.insert(producer);
    };
    addProducers(op);
    llvm::Error error =
        llvm::TypeSwitch<Operation *, llvm::Error>(op)
            .Case<IntegerLinearOp, WeightOnlyLinearOp, IntegerBatchMatmulOp, DynamicQuantizeOp,
                  QuantizeOp>([&](auto typed) { return lowerToGpu(typed, collected); });
    if (!error) {
      ++numLaunches;
      // Constants that are in another layout now.
      while (!producers.empty())
        if (Operation *producer = producers.pop_back_val(); isOpTriviallyDead(producer)) {
          addProducers(producer);
          producer->erase();
        }
      return;
    }
    emitRemark(loc) << name << " is left as it is: " << llvm::toString(std::move(error));
  }

  /// Replaces the gpu.module by a gpu.binary.
  LogicalResult compile(GpuKernels &collected) {
    gpu::GPUModuleOp module = collected.getKernelModule();
    for (Operation &op : *module.getBody())
      numKernels += isa<gpu::GPUFuncOp>(op);
    OpPassManager lowering(gpu::GPUModuleOp::getOperationName());
    kernels::addNVVMLowering(lowering);
    if (failed(runPipeline(lowering, module)))
      return failure();
    const kernels::Chip &target = collected.getChip();
    llvm::Expected<std::string> ptx = kernels::translateToPtx(module, target);
    if (!ptx)
      return emitError(module.getLoc()) << llvm::toString(ptx.takeError());
    std::string object = std::move(*ptx);
    auto kind = gpu::CompilationTarget::Assembly;
    if (format == "cubin") {
      llvm::Expected<kernels::Cubin> cubin = kernels::assemble(object, target);
      if (!cubin)
        return emitError(module.getLoc()) << llvm::toString(cubin.takeError());
      object = std::move(cubin->image);
      kind = gpu::CompilationTarget::Binary;
    }
    OpBuilder b(module);
    auto attribute = NVVM::NVVMTargetAttr::get(b.getContext(), 3, "nvptx64-nvidia-cuda",
                                               target.name, target.ptxFeature);
    Attribute objects[] = {gpu::ObjectAttr::get(attribute, kind, b.getStringAttr(object))};
    gpu::BinaryOp::create(b, module.getLoc(), module.getName(), Attribute(),
                          ArrayRef<Attribute>(objects));
    module.erase();
    return success();
  }
};

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GpuKernels.h"
#include "ptq/Kernels/Compile.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Raise/PendingPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
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
    std::optional<SmallVector<const kernels::Chip *>> targets = findChips();
    if (!targets)
      return signalPassFailure();
    if (format != "ptx" && format != "cubin" && format != "fatbin") {
      emitError(getOperation().getLoc())
          << "--ptq-to-gpu writes no format '" << format << "'; it writes ptx, cubin and fatbin";
      return signalPassFailure();
    }
    if (float32Activations != "f16" && float32Activations != "bf16" &&
        float32Activations != "keep") {
      emitError(getOperation().getLoc())
          << "--ptq-to-gpu: float32-activations is f16, bf16 or keep, not '" << float32Activations
          << "'";
      return signalPassFailure();
    }
    kernels::Chip common = kernels::commonChip(*targets);
    GpuKernels collected(getOperation(), common);
    collected.explains = explain;
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
    if (collected.getKernelModule() && failed(compile(collected, *targets)))
      signalPassFailure();
  }

private:
  /// Those that the option names; an error is reported.
  std::optional<SmallVector<const kernels::Chip *>> findChips() {
    SmallVector<const kernels::Chip *> found;
    for (const std::string &name : chip) {
      llvm::Expected<const kernels::Chip *> target = kernels::requireChip(name);
      if (!target) {
        emitError(getOperation().getLoc()) << "--ptq-to-gpu " << llvm::toString(target.takeError());
        return std::nullopt;
      }
      if (!llvm::is_contained(found, *target))
        found.push_back(*target);
    }
    if (found.empty())
      found.push_back(kernels::findChip("sm_80"));
    return found;
  }

  void lower(Operation *op, GpuKernels &collected) {
    Location loc = op->getLoc();
    std::string name = nameForRemark(op);
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
  LogicalResult compile(GpuKernels &collected, ArrayRef<const kernels::Chip *> targets) {
    gpu::GPUModuleOp module = collected.getKernelModule();
    for (Operation &op : *module.getBody())
      numKernels += isa<gpu::GPUFuncOp>(op);
    OpPassManager lowering(gpu::GPUModuleOp::getOperationName());
    kernels::addNVVMLowering(lowering);
    if (failed(runPipeline(lowering, module)))
      return failure();
    llvm::Expected<SmallVector<Attribute>> objects = createObjects(module, targets);
    if (!objects)
      return emitError(module.getLoc()) << llvm::toString(objects.takeError());
    kernels::replaceByBinary(module, *objects);
    return success();
  }

  /// A gpu.object for each chip, or one fat binary for all.
  llvm::Expected<SmallVector<Attribute>> createObjects(gpu::GPUModuleOp module,
                                                       ArrayRef<const kernels::Chip *> targets) {
    using Kind = kernels::DeviceImage::Kind;
    Builder b(module.getContext());
    SmallVector<Attribute> objects;
    auto addObject = [&](gpu::CompilationTarget kind, const kernels::Chip &target,
                         const std::string &content) {
      objects.push_back(gpu::ObjectAttr::get(kernels::targetOf(b.getContext(), target), kind,
                                             b.getStringAttr(content)));
    };
    std::vector<kernels::DeviceImage> images;
    bool hasPtx = false;
    for (const kernels::Chip *target : targets) {
      llvm::Expected<std::string> ptx = kernels::translateToPtx(module, *target);
      if (!ptx)
        return ptx.takeError();
      if (format == "ptx") {
        addObject(gpu::CompilationTarget::Assembly, *target, *ptx);
        continue;
      }
      llvm::Expected<kernels::Cubin> cubin = kernels::assemble(*ptx, *target);
      if (!cubin)
        return cubin.takeError();
      if (format == "cubin") {
        addObject(gpu::CompilationTarget::Binary, *target, cubin->image);
        continue;
      }
      images.push_back({Kind::Machine, *target, std::move(cubin->image)});
      // For the chips to come; that of an "a" architecture is for no other.
      if (!hasPtx && !target->name.ends_with("a")) {
        images.push_back({Kind::Ptx, *target, std::move(*ptx)});
        hasPtx = true;
      }
    }
    if (images.empty())
      return objects;
    llvm::Expected<std::string> bundled = kernels::bundle(images);
    if (!bundled)
      return bundled.takeError();
    addObject(gpu::CompilationTarget::Fatbin, *targets.front(), *bundled);
    return objects;
  }
};

} // namespace

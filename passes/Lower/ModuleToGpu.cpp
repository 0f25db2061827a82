// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The whole of a module to the GPU: --ptq-to-gpu for quantized layers, and upstream's passes for
// the rest: linalg, buffers, parallel loops, kernels of one thread for each point of the result.
//
// A linalg operation's parallel iterators become one parallel loop, cut into blocks of 128 threads;
// its reductions become loops of a thread. Functions that are left for the host only compute sizes,
// allocate, take views and launch.

#include "LinalgToThreads.h"
#include "ptq/Kernels/Compile.h"
#include "ptq/Lower/Passes.h"
#include "ptq/Math/ExpandMath.h"
#include "ptq/Math/Float16.h"

#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/GPU/Transforms/ParallelLoopMapper.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

namespace ptq {
#define GEN_PASS_DEF_PTQMODULETOGPU
#include "ptq/Lower/Passes.h.inc"
} // namespace ptq

using namespace mlir;
using namespace ptq;

/// Threads of a block: one for each point of a result.
static constexpr int64_t blockThreads = 128;

/// Whether fusion computes nothing twice: the producer has no other user, and each of its points is
/// read at one of the consumer's.
static bool fusesOnce(OpOperand *operand) {
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  return consumer && operand->get().hasOneUse() &&
         consumer.getMatchingIndexingMap(operand).isPermutation();
}

/// Cuts the loop into blocks.
static LogicalResult mapToBlocks(IRRewriter &rewriter, scf::ParallelOp loop) {
  auto [blocks, threads] = scf::tileParallelLoop(loop, {blockThreads}, /*noMinMaxBounds=*/true);
  auto map = [&](scf::ParallelOp of, gpu::Processor processor) {
    AffineMap identity = rewriter.getDimIdentityMap();
    return gpu::setMappingAttr(of, {gpu::ParallelLoopDimMappingAttr::get(
                                       rewriter.getContext(), processor, identity, identity)});
  };
  return success(succeeded(map(blocks, gpu::Processor::BlockX)) &&
                 succeeded(map(threads, gpu::Processor::ThreadX)));
}

/// Bounds have to be constants for the mapping, where they can be. A loop of one iteration stays
/// one: it would run on the host otherwise.
static LogicalResult foldBounds(ModuleOp module) {
  MLIRContext *context = module.getContext();
  RewritePatternSet patterns(context);
  for (RegisteredOperationName name : context->getRegisteredOperations())
    if (name.getStringRef() != scf::ParallelOp::getOperationName())
      name.getCanonicalizationPatterns(patterns, context);
  return applyPatternsGreedily(module, std::move(patterns));
}

static SmallVector<scf::ParallelOp> outerLoops(func::FuncOp function) {
  SmallVector<scf::ParallelOp> loops;
  for (Block &block : function.getBody())
    llvm::append_range(loops, block.getOps<scf::ParallelOp>());
  return loops;
}

/// The text of a kernel without its name: what tells it from others.
static std::string textOf(gpu::GPUFuncOp function) {
  std::string name = function.getName().str(), text;
  function.setName("kernel");
  llvm::raw_string_ostream stream(text);
  function->print(stream, OpPrintingFlags().useLocalScope().skipRegions(false));
  function.setName(name);
  return text;
}

/// All kernels of single launches in one module, equal ones once. Null if there are none.
static gpu::GPUModuleOp gatherKernels(ModuleOp module) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  gpu::GPUModuleOp gathered;
  llvm::StringMap<gpu::GPUFuncOp> known;
  llvm::DenseMap<Attribute, SymbolRefAttr> renamed;
  for (auto source : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
    if (source == gathered)
      break;
    if (!gathered) {
      gathered = gpu::GPUModuleOp::create(b, module.getLoc(), "module_kernels");
      for (int i = 0; module.lookupSymbol(gathered.getName()) != gathered.getOperation(); ++i)
        gathered.setName("module_kernels_" + std::to_string(i));
    }
    for (auto function : llvm::make_early_inc_range(source.getOps<gpu::GPUFuncOp>())) {
      auto old =
          SymbolRefAttr::get(source.getNameAttr(), FlatSymbolRefAttr::get(function.getNameAttr()));
      auto [found, isNew] = known.try_emplace(textOf(function), function);
      if (isNew) {
        function->moveBefore(gathered.getBody(), gathered.getBody()->end());
        function.setName("kernel_" + std::to_string(known.size() - 1));
      }
      renamed[old] = SymbolRefAttr::get(gathered.getNameAttr(),
                                        FlatSymbolRefAttr::get(found->second.getNameAttr()));
    }
    source.erase();
  }
  module.walk([&](gpu::LaunchFuncOp launch) {
    auto found = renamed.find(launch.getKernel());
    if (found != renamed.end())
      launch.setKernelAttr(found->second);
  });
  return gathered;
}

namespace {
struct PTQModuleToGpuPass : ptq::impl::PTQModuleToGpuBase<PTQModuleToGpuPass> {
  using PTQModuleToGpuBase::PTQModuleToGpuBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    PTQModuleToGpuBase::getDependentDialects(registry);
    kernels::registerKernelTranslations(registry);
    registerConvertMemRefToLLVMInterface(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<const kernels::Chip *> target = kernels::requireChip(chip);
    if (!target) {
      emitError(module.getLoc()) << "--ptq-module-to-gpu " << llvm::toString(target.takeError());
      return signalPassFailure();
    }
    if (failed(lowerToBuffers()))
      return signalPassFailure();
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(lowerLinalgToThreads(function)))
        return signalPassFailure();
    if (failed(foldBounds(module)))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    for (auto function : module.getOps<func::FuncOp>())
      for (scf::ParallelOp loop : outerLoops(function))
        if (failed(mapToBlocks(rewriter, loop))) {
          emitError(loop.getLoc(), "a parallel loop cannot be mapped to blocks of threads");
          return signalPassFailure();
        }
    OpPassManager outlining(ModuleOp::getOperationName());
    outlining.addNestedPass<func::FuncOp>(createConvertParallelLoopToGpuPass());
    outlining.addPass(createLowerAffinePass());
    outlining.addPass(createCanonicalizerPass());
    outlining.addPass(createCSEPass());
    // Constants into the kernels: they fold there.
    outlining.addPass(createGpuLaunchSinkIndexComputationsPass());
    outlining.addPass(createGpuKernelOutliningPass());
    if (failed(runPipeline(outlining, module)))
      return signalPassFailure();
    if (failed(checkHost()))
      return signalPassFailure();
    if (gpu::GPUModuleOp kernels = gatherKernels(module))
      if (failed(compile(kernels, **target)))
        return signalPassFailure();
  }

private:
  LogicalResult lowerToBuffers() {
    ModuleOp module = getOperation();
    OpPassManager layers(ModuleOp::getOperationName());
    PTQToGpuOptions options;
    options.chip.assign({chip});
    layers.addPass(createPTQToGpu(options));
    layers.addPass(createPTQToLinalg());
    layers.addPass(createCanonicalizerPass());
    if (failed(runPipeline(layers, module)))
      return failure();
    RewritePatternSet patterns(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return failure();
    OpPassManager generics(ModuleOp::getOperationName());
    generics.addNestedPass<func::FuncOp>(createConvertElementwiseToLinalgPass());
    generics.addNestedPass<func::FuncOp>(createLinalgGeneralizeNamedOpsPass());
    if (failed(runPipeline(generics, module)))
      return failure();
    RewritePatternSet fusion(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(fusion, fusesOnce);
    if (failed(applyPatternsGreedily(module, std::move(fusion))))
      return failure();
    OpPassManager buffers(ModuleOp::getOperationName());
    buffers.addPass(createCSEPass());
    buffers.addPass(bufferization::createEmptyTensorToAllocTensorPass());
    bufferization::OneShotBufferizePassOptions bufferize;
    bufferize.bufferizeFunctionBoundaries = true;
    bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
    buffers.addPass(bufferization::createOneShotBufferizePass(bufferize));
    buffers.addPass(createCanonicalizerPass());
    buffers.addPass(createCSEPass());
    return runPipeline(buffers, module);
  }

  /// What runs on the host has to be straight.
  LogicalResult checkHost() {
    auto result = getOperation().walk<WalkOrder::PreOrder>([](Operation *op) {
      if (isa<gpu::GPUModuleOp>(op))
        return WalkResult::skip();
      if (isa<func::FuncOp, ModuleOp>(op) || op->getNumRegions() == 0)
        return WalkResult::advance();
      emitError(op->getLoc()) << "--ptq-module-to-gpu: '" << op->getName()
                              << "' would have to run on the host, which only computes sizes and "
                                 "launches kernels; control flow has to be gone before";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  LogicalResult compile(gpu::GPUModuleOp kernels, const kernels::Chip &target) {
    OpPassManager pm(gpu::GPUModuleOp::getOperationName());
    pm.addPass(createLowerAffinePass());
    pm.addPass(memref::createExpandStridedMetadataPass());
    pm.addPass(createLowerAffinePass());
    addFloat16Emulation(pm);
    pm.addPass(createCanonicalizerPass());
    if (failed(runPipeline(pm, kernels)))
      return failure();
    // Mathematical functions by the processor's own arithmetic: there is no device library.
    RewritePatternSet patterns(&getContext());
    populateExpandMathPatterns(patterns);
    populateMathPolynomialApproximationPatterns(patterns);
    // All but fma, which is one instruction.
    math::populateExpansionPatterns(patterns, {"sinh", "cosh", "tan", "asinh", "acosh", "atanh",
                                               "fpowi", "powf", "exp2", "rsqrt", "clampf"});
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    arith::populateExpandBFloat16Patterns(patterns);
    if (failed(applyPatternsGreedily(kernels, std::move(patterns))))
      return failure();
    OpPassManager nvvm(gpu::GPUModuleOp::getOperationName());
    nvvm.addPass(createCSEPass());
    nvvm.addPass(createLoopInvariantCodeMotionPass());
    nvvm.addPass(createSCFToControlFlowPass());
    // Without mathematics, which would become calls of the device library.
    ConvertGpuOpsToNVVMOpsOptions options;
    options.allowedDialects = {"arith", "cf", "memref"};
    nvvm.addPass(createConvertGpuOpsToNVVMOps(options));
    nvvm.addPass(createConvertMathToLLVMPass());
    nvvm.addPass(createReconcileUnrealizedCastsPass());
    if (failed(runPipeline(nvvm, kernels)))
      return failure();
    llvm::Expected<std::string> ptx = kernels::translateToPtx(kernels, target);
    if (!ptx)
      return emitError(kernels.getLoc()) << llvm::toString(ptx.takeError());
    Attribute object = gpu::ObjectAttr::get(kernels::targetOf(&getContext(), target),
                                            gpu::CompilationTarget::Assembly,
                                            StringAttr::get(&getContext(), *ptx));
    kernels::replaceByBinary(kernels, object);
    return success();
  }
};
} // namespace

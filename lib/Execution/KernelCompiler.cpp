// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelCompiler.h"
#include "KernelEmitter.h"
#include "VectorMath.h"
#include "ptq/Math/ExpandMath.h"
#include "ptq/Math/Float16.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace ptq::execution {

KernelCompiler::KernelCompiler() : context(MLIRContext::Threading::DISABLED) {
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<cf::ControlFlowDialect, index::IndexDialect, linalg::LinalgDialect,
                      math::MathDialect, tensor::TensorDialect, ub::UBDialect>();
  loadKernelDialects(context);
}

KernelCompiler::~KernelCompiler() = default;

/// Makes the JIT; nothing is done for a function that needs no kernel.
llvm::Error KernelCompiler::start() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return host.takeError();
  host->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  auto made = host->createTargetMachine();
  if (!made)
    return made.takeError();
  machine = std::move(*made);
  auto lljit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*host)).create();
  if (!lljit)
    return lljit.takeError();
  jit = std::move(*lljit);
  return llvm::Error::success();
}

/// Rewrites what has no direct form in the LLVM dialect.
static LogicalResult expandOperations(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  arith::populateExpandBFloat16Patterns(patterns);
  // Without branches: the C library's vector exp leaves its fast path for arguments below -87,
  // which is every masked attention score.
  populateMathPolynomialApproximationPatterns(patterns,
                                              [](StringRef name) { return name == "math.exp"; });
  // Those that the GPU's kernels have.
  populateTrigonometricPatterns(patterns);
  return applyPatternsGreedily(module, std::move(patterns));
}

static void addLoweringPasses(PassManager &passes) {
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createConvertMathToLibmPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

static LogicalResult lower(ModuleOp module) {
  PassManager first(module.getContext());
  first.addPass(createCanonicalizerPass());
  first.addPass(createCSEPass());
  addFloat16Emulation(first);
  if (failed(first.run(module)) || failed(expandOperations(module)))
    return failure();
  PassManager second(module.getContext());
  addLoweringPasses(second);
  if (failed(second.run(module)))
    return failure();
  // The passes leave what they have no pattern for.
  auto result = module.walk([](Operation *op) {
    if (isa<ModuleOp>(op) || isa<LLVM::LLVMDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitError("cannot be lowered: ") << op->getOperandTypes() << " -> " << op->getResultTypes();
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = false;
  llvm::PassBuilder passes(&machine, tuning);
  functions.registerPass([&] {
    llvm::TargetLibraryInfoImpl library(machine.getTargetTriple());
    unsigned bits = 0;
    if (!module.empty())
      for (const llvm::Function &function : module)
        if (!function.isDeclaration()) {
          bits = machine.getTargetTransformInfo(function)
                     .getRegisterBitWidth(llvm::TargetTransformInfo::RGK_FixedWidthVector)
                     .getFixedValue();
          break;
        }
    addVectorMath(library, bits);
    return llvm::TargetLibraryAnalysis(library);
  });
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

/// The requests as one module in the LLVM dialect; null if one of them cannot be lowered.
OwningOpRef<ModuleOp> KernelCompiler::lowerAll(llvm::ArrayRef<Request> requests,
                                               llvm::ArrayRef<std::string> names) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  for (auto [request, name] : llvm::zip_equal(requests, names)) {
    auto source = parseSourceString<ModuleOp>(request.text, ParserConfig(&context));
    if (!source || failed(emitKernel(*source->getOps<func::FuncOp>().begin(), *module, name)))
      return nullptr;
  }
  if (failed(verify(*module)) || failed(lower(*module)))
    return nullptr;
  return module;
}

/// Hands the module to the JIT, optimized.
llvm::Error KernelCompiler::addToJIT(ModuleOp module) {
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto llvmModule = translateModuleToLLVMIR(module, *llvmContext, "kernels");
  if (!llvmModule)
    return llvm::createStringError("the kernels cannot be translated to LLVM IR");
  llvmModule->setDataLayout(jit->getDataLayout());
  llvmModule->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *llvmModule)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", machine->getTargetCPU());
      function.addFnAttr("target-features", machine->getTargetFeatureString());
    }
  optimize(*llvmModule, *machine);
  return jit->addIRModule(
      llvm::orc::ThreadSafeModule(std::move(llvmModule), std::move(llvmContext)));
}

llvm::Expected<std::vector<KernelFunction>>
KernelCompiler::compile(llvm::ArrayRef<Request> requests) {
  if (!jit)
    if (llvm::Error error = start())
      return std::move(error);

  std::string diagnostics;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      diagnostics += (diagnostics.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  std::vector<std::string> names;
  for (size_t i = 0; i != requests.size(); ++i)
    names.push_back("kernel" + std::to_string(kernelCount++));
  OwningOpRef<ModuleOp> module = lowerAll(requests, names);
  if (!module) {
    // Which one is it?
    for (auto [request, name] : llvm::zip_equal(requests, names)) {
      diagnostics.clear();
      if (!lowerAll(request, name))
        return llvm::createStringError(request.description +
                                       " cannot be compiled for the CPU: " + diagnostics);
    }
    return llvm::createStringError("kernels cannot be compiled together: " + diagnostics);
  }
  if (llvm::Error error = addToJIT(*module))
    return std::move(error);
  std::vector<KernelFunction> functions;
  for (const std::string &name : names) {
    auto address = jit->lookup(name);
    if (!address)
      return address.takeError();
    functions.push_back(address->toPtr<KernelFunction>());
  }
  return functions;
}

} // namespace ptq::execution

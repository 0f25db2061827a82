// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/Compile.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVM/NVVM/Target.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ptq::kernels;

void ptq::kernels::registerKernelTranslations(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, gpu::GPUDialect, LLVM::LLVMDialect,
                  NVVM::NVVMDialect, scf::SCFDialect>();
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  NVVM::registerNVVMTargetInterfaceExternalModels(registry);
}

void ptq::kernels::addNVVMLowering(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  ConvertGpuOpsToNVVMOpsOptions options;
  options.useBarePtrCallConv = true;
  pm.addPass(createConvertGpuOpsToNVVMOps(options));
  pm.addPass(createReconcileUnrealizedCastsPass());
}

LogicalResult ptq::kernels::lowerToNVVM(gpu::GPUModuleOp module) {
  if (!module->getParentOfType<ModuleOp>()) // whose data layout the conversion asks for
    return emitError(module.getLoc(), "kernels are lowered inside of a module");
  PassManager pm(module.getContext(), gpu::GPUModuleOp::getOperationName());
  addNVVMLowering(pm);
  return pm.run(module);
}

llvm::Expected<std::string> ptq::kernels::translateToPtx(gpu::GPUModuleOp module,
                                                         const Chip &chip) {
  MLIRContext *context = module.getContext();
  auto target = NVVM::NVVMTargetAttr::get(context, /*optLevel=*/3, "nvptx64-nvidia-cuda", chip.name,
                                          chip.ptxFeature);
  auto interface = dyn_cast<gpu::TargetAttrInterface>(Attribute(target));
  if (!interface)
    return llvm::createStringError("the NVVM target is not registered in this context");
  gpu::TargetOptions options({}, {}, {}, {}, gpu::CompilationTarget::Assembly);
  std::string message;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str() + '\n';
    return success();
  });
  std::optional<SmallVector<char, 0>> text = interface.serializeToObject(module, options);
  if (!text)
    return llvm::createStringError("no PTX for " + module.getName() + ": " + message);
  StringRef ptx(text->data(), text->size());
  return ptx.rtrim('\0').str();
}

std::string ptq::kernels::findPtxas() {
  SmallVector<std::string> folders;
  if (const char *value = std::getenv("CUDA_HOME"))
    folders.push_back(std::string(value) + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  SmallVector<StringRef> paths(folders.begin(), folders.end());
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas", paths))
    return *found;
  return {};
}

/// The number before `unit` in a line such as "Used 40 registers, 16 bytes smem".
static int64_t numberBefore(StringRef line, StringRef unit) {
  size_t at = line.find(unit);
  if (at == StringRef::npos)
    return 0;
  StringRef head = line.take_front(at).rtrim();
  size_t start = head.find_last_not_of("0123456789");
  int64_t value = 0;
  head.drop_front(start + 1).getAsInteger(10, value);
  return value;
}

static std::vector<PtxasReport> parseReports(StringRef text) {
  std::vector<PtxasReport> reports;
  SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      reports.emplace_back();
      reports.back().function = line.split('\'').second.split('\'').first.str();
    }
    if (reports.empty())
      continue;
    PtxasReport &report = reports.back();
    if (line.contains("spill stores")) {
      report.spillStoreBytes = numberBefore(line, "bytes spill stores");
      report.spillLoadBytes = numberBefore(line, "bytes spill loads");
    }
    if (line.contains("Used ")) {
      report.registers = numberBefore(line, "registers");
      report.sharedBytes = numberBefore(line, "bytes smem");
    }
  }
  return reports;
}

llvm::Expected<Cubin> ptq::kernels::assemble(StringRef ptx, const Chip &chip) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return llvm::createStringError(
        "ptxas not found on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin; install the CUDA "
        "toolkit, or ask for format=ptx");
  SmallString<128> input, output, log;
  std::error_code error = llvm::sys::fs::createTemporaryFile("kernel", "ptx", input);
  if (!error)
    error = llvm::sys::fs::createTemporaryFile("kernel", "cubin", output);
  if (!error)
    error = llvm::sys::fs::createTemporaryFile("kernel", "log", log);
  auto remove = llvm::make_scope_exit([&] {
    for (StringRef file : {input, output, log})
      llvm::sys::fs::remove(file);
  });
  if (error)
    return llvm::createStringError(error, "cannot create a temporary file for ptxas");
  {
    llvm::raw_fd_ostream stream(input, error);
    stream << ptx;
    stream.close();
    if (stream.has_error())
      return llvm::createStringError(stream.error(), "cannot write " + input);
  }
  std::string arch = "-arch=" + chip.name.str();
  StringRef arguments[] = {ptxas, arch, "-v", input, "-o", output};
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(log), StringRef(log)};
  std::string message;
  int status = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, 0, 0, &message);
  auto said = llvm::MemoryBuffer::getFile(log);
  StringRef text = said ? (*said)->getBuffer() : StringRef();
  if (status != 0)
    return llvm::createStringError("ptxas failed on " + chip.name + ": " + message + text);
  auto image = llvm::MemoryBuffer::getFile(output);
  if (!image)
    return llvm::createStringError(image.getError(), "ptxas left no cubin");
  return Cubin{(*image)->getBuffer().str(), parseReports(text)};
}

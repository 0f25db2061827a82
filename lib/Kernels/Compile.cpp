// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/Compile.h"

#include "CudaTools.h"

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

Attribute ptq::kernels::targetOf(MLIRContext *context, const Chip &chip) {
  return NVVM::NVVMTargetAttr::get(context, /*optLevel=*/3, "nvptx64-nvidia-cuda", chip.name,
                                   chip.ptxFeature);
}

void ptq::kernels::replaceByBinary(gpu::GPUModuleOp module, ArrayRef<Attribute> objects) {
  OpBuilder b(module);
  gpu::BinaryOp::create(b, module.getLoc(), module.getName(), Attribute(), objects);
  module.erase();
}

llvm::Expected<std::string> ptq::kernels::translateToPtx(gpu::GPUModuleOp module,
                                                         const Chip &chip) {
  MLIRContext *context = module.getContext();
  auto interface = dyn_cast<gpu::TargetAttrInterface>(targetOf(context, chip));
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

std::string ptq::kernels::findPtxas() { return findCudaTool("ptxas"); }

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
  llvm::Expected<TemporaryFile> input = TemporaryFile::create("ptx", "ptxas");
  if (!input)
    return input.takeError();
  llvm::Expected<TemporaryFile> output = TemporaryFile::create("cubin", "ptxas");
  if (!output)
    return output.takeError();
  if (llvm::Error error = input->write(ptx))
    return error;
  llvm::Expected<std::string> said = runCudaTool(
      "ptxas", {"-arch=" + chip.name.str(), "-v", input->name().str(), "-o", output->name().str()});
  if (!said)
    return said.takeError();
  llvm::Expected<std::string> image = output->read();
  if (!image)
    return image.takeError();
  std::vector<PtxasReport> functions = parseReports(*said);
  return Cubin{std::move(*image), std::move(functions), std::move(*said)};
}

llvm::Expected<std::string> ptq::kernels::bundle(ArrayRef<DeviceImage> images) {
  constexpr StringLiteral tool = "fatbinary";
  std::vector<TemporaryFile> files;
  auto add = [&](StringRef suffix) -> llvm::Error {
    llvm::Expected<TemporaryFile> file = TemporaryFile::create(suffix, tool);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    return llvm::Error::success();
  };
  if (llvm::Error error = add("fatbin"))
    return error;
  std::vector<std::string> arguments{"-64", "--create", files.front().name().str()};
  for (const DeviceImage &image : images) {
    bool text = image.kind == DeviceImage::Kind::Ptx;
    if (llvm::Error error = add(text ? "ptx" : "cubin"))
      return error;
    if (llvm::Error error = files.back().write(image.content))
      return error;
    arguments.push_back("--image3=kind=" + std::string(text ? "ptx" : "elf") + ",sm=" +
                        image.chip.name.drop_front(3).str() + ",file=" + files.back().name().str());
  }
  if (llvm::Expected<std::string> said = runCudaTool(tool, arguments); !said)
    return said.takeError();
  return files.front().read();
}

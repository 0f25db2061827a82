// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CUDA's driver API, opened at run time: nothing of CUDA is needed to build, and a machine without
// it gets a message.

#include "Syntax.h"
#include "ptq/Emulator/Device.h"

#include "llvm/ADT/StringExtras.h"

#include <dlfcn.h>

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

namespace {
// cuda.h's declarations that are used here.
using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = void *;
using CUmodule = void *;
using CUfunction = void *;
constexpr int maxDynamicSharedAttribute = 8; // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
constexpr int errorLogBuffer = 5, errorLogSize = 6; // CU_JIT_ERROR_LOG_BUFFER and its size

struct Driver {
  CUresult (*cuInit)(unsigned);
  CUresult (*cuDeviceGetCount)(int *);
  CUresult (*cuDeviceGet)(CUdevice *, int);
  CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
  CUresult (*cuDevicePrimaryCtxRelease)(CUdevice);
  CUresult (*cuCtxSetCurrent)(CUcontext);
  CUresult (*cuCtxSynchronize)();
  CUresult (*cuModuleLoadDataEx)(CUmodule *, const void *, unsigned, int *, void **);
  CUresult (*cuModuleUnload)(CUmodule);
  CUresult (*cuModuleGetFunction)(CUfunction *, CUmodule, const char *);
  CUresult (*cuFuncSetAttribute)(CUfunction, int, int);
  CUresult (*cuMemAlloc)(CUdeviceptr *, size_t);
  CUresult (*cuMemFree)(CUdeviceptr);
  CUresult (*cuMemcpyHtoD)(CUdeviceptr, const void *, size_t);
  CUresult (*cuMemcpyDtoH)(void *, CUdeviceptr, size_t);
  CUresult (*cuMemsetD8)(CUdeviceptr, unsigned char, size_t);
  CUresult (*cuLaunchKernel)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                             unsigned, void *, void **, void **);
  CUresult (*cuGetErrorString)(CUresult, const char **);
  /// Null before CUDA 12. Types, rank, address, sizes, strides, box, steps, then the modes:
  /// interleave, swizzle, promotion, fill.
  CUresult (*cuTensorMapEncodeTiled)(void *, uint32_t, uint32_t, void *, const uint64_t *,
                                     const uint64_t *, const uint32_t *, const uint32_t *, int, int,
                                     int, int);

  Error open();
  Error check(CUresult result, const llvm::Twine &what) const;
};
} // namespace

Error Driver::open() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return llvm::createStringError(
        "no CUDA driver here (libcuda.so.1 cannot be opened: " + llvm::Twine(dlerror()) +
        "); install NVIDIA's driver, or use the emulator");
  const std::pair<const char *, void **> symbols[] = {
      {"cuInit", reinterpret_cast<void **>(&cuInit)},
      {"cuDeviceGetCount", reinterpret_cast<void **>(&cuDeviceGetCount)},
      {"cuDeviceGet", reinterpret_cast<void **>(&cuDeviceGet)},
      {"cuDevicePrimaryCtxRetain", reinterpret_cast<void **>(&cuDevicePrimaryCtxRetain)},
      {"cuDevicePrimaryCtxRelease_v2", reinterpret_cast<void **>(&cuDevicePrimaryCtxRelease)},
      {"cuCtxSetCurrent", reinterpret_cast<void **>(&cuCtxSetCurrent)},
      {"cuCtxSynchronize", reinterpret_cast<void **>(&cuCtxSynchronize)},
      {"cuModuleLoadDataEx", reinterpret_cast<void **>(&cuModuleLoadDataEx)},
      {"cuModuleUnload", reinterpret_cast<void **>(&cuModuleUnload)},
      {"cuModuleGetFunction", reinterpret_cast<void **>(&cuModuleGetFunction)},
      {"cuFuncSetAttribute", reinterpret_cast<void **>(&cuFuncSetAttribute)},
      {"cuMemAlloc_v2", reinterpret_cast<void **>(&cuMemAlloc)},
      {"cuMemFree_v2", reinterpret_cast<void **>(&cuMemFree)},
      {"cuMemcpyHtoD_v2", reinterpret_cast<void **>(&cuMemcpyHtoD)},
      {"cuMemcpyDtoH_v2", reinterpret_cast<void **>(&cuMemcpyDtoH)},
      {"cuMemsetD8_v2", reinterpret_cast<void **>(&cuMemsetD8)},
      {"cuLaunchKernel", reinterpret_cast<void **>(&cuLaunchKernel)},
      {"cuGetErrorString", reinterpret_cast<void **>(&cuGetErrorString)},
  };
  for (const auto &[name, target] : symbols)
    if (!(*target = dlsym(library, name)))
      return llvm::createStringError("the CUDA driver is too old: it has no " + llvm::Twine(name));
  cuTensorMapEncodeTiled =
      reinterpret_cast<decltype(cuTensorMapEncodeTiled)>(dlsym(library, "cuTensorMapEncodeTiled"));
  return Error::success();
}

Error Driver::check(CUresult result, const llvm::Twine &what) const {
  if (result == 0)
    return Error::success();
  const char *text = nullptr;
  cuGetErrorString(result, &text);
  return llvm::createStringError("CUDA: " + what + ": " +
                                 (text ? llvm::Twine(text) : "error " + llvm::Twine(result)));
}

namespace {
class CudaModule : public Module {
public:
  CudaModule(const Driver &driver, std::unique_ptr<ParsedModule> parsed)
      : driver(driver), parsed(std::move(parsed)) {}
  ~CudaModule() override {
    if (handle)
      driver.cuModuleUnload(handle);
  }
  std::vector<std::string> kernels() const override {
    std::vector<std::string> names;
    for (const auto &function : parsed->functions)
      if (function->isEntry && function->hasBody)
        names.push_back(function->name);
    return names;
  }
  llvm::Expected<std::vector<Parameter>> parameters(StringRef kernel) const override {
    const Function *function = parsed->findFunction(kernel);
    if (!function || !function->isEntry)
      return llvm::createStringError("'" + parsed->file + "' has no kernel '" + kernel +
                                     "'; it has " + llvm::join(kernels(), ", "));
    std::vector<Parameter> result;
    for (const Variable *variable : function->parameters)
      result.push_back({variable->name, variable->type, static_cast<uint32_t>(variable->bytes),
                        static_cast<uint32_t>(variable->alignment)});
    return result;
  }

  const Driver &driver;
  std::unique_ptr<ParsedModule> parsed;
  CUmodule handle = nullptr;
};

class CudaDevice : public Device {
public:
  ~CudaDevice() override {
    if (context)
      driver.cuDevicePrimaryCtxRelease(device);
  }
  Error open(int ordinal);
  llvm::Expected<std::unique_ptr<Module>> load(StringRef ptx, StringRef name) override;
  llvm::Expected<uint64_t> allocate(uint64_t bytes) override {
    CUdeviceptr address = 0;
    if (Error error = driver.check(driver.cuMemAlloc(&address, std::max<uint64_t>(bytes, 1)),
                                   "allocating " + llvm::Twine(bytes) + " bytes"))
      return std::move(error);
    return address;
  }
  Error free(uint64_t address) override {
    return driver.check(driver.cuMemFree(address), "freeing a buffer");
  }
  Error write(uint64_t address, llvm::ArrayRef<char> data) override {
    return data.empty() ? Error::success()
                        : driver.check(driver.cuMemcpyHtoD(address, data.data(), data.size()),
                                       "copying to the GPU");
  }
  Error read(uint64_t address, llvm::MutableArrayRef<char> data) override {
    return data.empty() ? Error::success()
                        : driver.check(driver.cuMemcpyDtoH(data.data(), address, data.size()),
                                       "copying from the GPU");
  }
  Error fill(uint64_t address, uint64_t bytes, uint8_t value) override {
    return bytes ? driver.check(driver.cuMemsetD8(address, value, bytes), "filling a buffer")
                 : Error::success();
  }
  llvm::Expected<std::vector<char>> encodeTensorMap(const TensorMap &map) override;
  llvm::Expected<LaunchResult> launch(Module &module, StringRef kernel, const LaunchConfig &config,
                                      llvm::ArrayRef<std::vector<char>> arguments) override;

private:
  Driver driver{};
  CUdevice device = 0;
  CUcontext context = nullptr;
};
} // namespace

Error CudaDevice::open(int ordinal) {
  if (Error error = driver.open())
    return error;
  if (Error error = driver.check(driver.cuInit(0), "starting the driver"))
    return error;
  int count = 0;
  if (Error error = driver.check(driver.cuDeviceGetCount(&count), "counting GPUs"))
    return error;
  if (ordinal < 0 || ordinal >= count)
    return llvm::createStringError("no GPU number " + llvm::Twine(ordinal) + ": there are " +
                                   llvm::Twine(count));
  if (Error error = driver.check(driver.cuDeviceGet(&device, ordinal), "finding the GPU"))
    return error;
  if (Error error =
          driver.check(driver.cuDevicePrimaryCtxRetain(&context, device), "making a context"))
    return error;
  return driver.check(driver.cuCtxSetCurrent(context), "using the context");
}

llvm::Expected<std::unique_ptr<Module>> CudaDevice::load(StringRef ptx, StringRef name) {
  // Parsed here for the kernels' parameters, which the driver does not tell.
  auto parsed = parseModule(ptx, name);
  if (!parsed)
    return parsed.takeError();
  auto module = std::make_unique<CudaModule>(driver, std::move(*parsed));
  std::string log(16384, '\0');
  int options[] = {errorLogBuffer, errorLogSize};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  CUresult result =
      driver.cuModuleLoadDataEx(&module->handle, module->parsed->text.c_str(), 2, options, values);
  if (Error error = driver.check(result, "loading '" + name + "'"))
    return llvm::joinErrors(std::move(error), llvm::createStringError(log.c_str()));
  return std::move(module);
}

llvm::Expected<std::vector<char>> CudaDevice::encodeTensorMap(const TensorMap &map) {
  if (Error error = checkTensorMap(map))
    return std::move(error);
  if (!driver.cuTensorMapEncodeTiled)
    return llvm::createStringError(
        "the CUDA driver is too old for tensor maps: it has no cuTensorMapEncodeTiled");
  alignas(64) char bytes[128];
  CUresult result = driver.cuTensorMapEncodeTiled(
      bytes, static_cast<uint32_t>(map.element), map.rank, reinterpret_cast<void *>(map.address),
      map.size.data(), map.stride.data(), map.box.data(), map.step.data(), 0,
      static_cast<int>(map.swizzle), static_cast<int>(map.promotion), 0);
  if (Error error = driver.check(result, "encoding a tensor map"))
    return std::move(error);
  return std::vector<char>(bytes, bytes + sizeof(bytes));
}

llvm::Expected<LaunchResult> CudaDevice::launch(Module &module, StringRef kernel,
                                                const LaunchConfig &config,
                                                llvm::ArrayRef<std::vector<char>> arguments) {
  auto &cuda = static_cast<CudaModule &>(module);
  auto parameters = cuda.parameters(kernel);
  if (!parameters)
    return parameters.takeError();
  if (parameters->size() != arguments.size())
    return llvm::createStringError("'" + kernel + "' has " + llvm::Twine(parameters->size()) +
                                   " parameters, not " + llvm::Twine(arguments.size()));
  std::vector<void *> pointers;
  for (size_t index = 0; index != arguments.size(); ++index) {
    if (arguments[index].size() != (*parameters)[index].bytes)
      return llvm::createStringError("parameter " + llvm::Twine(index) + " of '" + kernel +
                                     "' has " + llvm::Twine((*parameters)[index].bytes) +
                                     " bytes, not " + llvm::Twine(arguments[index].size()));
    pointers.push_back(const_cast<char *>(arguments[index].data()));
  }
  CUfunction function;
  if (Error error = driver.check(
          driver.cuModuleGetFunction(&function, cuda.handle, kernel.str().c_str()), kernel))
    return std::move(error);
  if (config.dynamicShared)
    if (Error error =
            driver.check(driver.cuFuncSetAttribute(function, maxDynamicSharedAttribute,
                                                   static_cast<int>(config.dynamicShared)),
                         "dynamic shared memory of '" + kernel + "'"))
      return std::move(error);
  if (Error error = driver.check(
          driver.cuLaunchKernel(function, config.grid.x, config.grid.y, config.grid.z,
                                config.block.x, config.block.y, config.block.z,
                                config.dynamicShared, nullptr, pointers.data(), nullptr),
          "launching '" + kernel + "'"))
    return std::move(error);
  if (Error error = driver.check(driver.cuCtxSynchronize(), "running '" + kernel + "'"))
    return std::move(error);
  return LaunchResult();
}

llvm::Expected<std::unique_ptr<Device>> ptq::emulator::createCudaDevice(int ordinal) {
  auto device = std::make_unique<CudaDevice>();
  if (Error error = device->open(ordinal))
    return std::move(error);
  return std::move(device);
}

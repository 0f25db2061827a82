// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads any bytes as a PTX module: a module or an error, no crash and no hang. What loads has all
// its kernels decoded.

#include "ptq/Emulator/Device.h"

using namespace ptq::emulator;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::unique_ptr<Device> device = createEmulator();
  auto module =
      device->load(llvm::StringRef(reinterpret_cast<const char *>(data), size), "input.ptx");
  if (!module) {
    llvm::consumeError(module.takeError());
    return 0;
  }
  for (const std::string &kernel : (*module)->kernels())
    if (auto parameters = (*module)->parameters(kernel); !parameters)
      llvm::consumeError(parameters.takeError());
  return 0;
}

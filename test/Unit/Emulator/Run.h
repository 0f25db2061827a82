// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running kernels in tests: buffers from vectors, a launch, vectors back.
//
#ifndef PTQ_TEST_UNIT_EMULATOR_RUN_H
#define PTQ_TEST_UNIT_EMULATOR_RUN_H

#include "ptq/Emulator/Device.h"

#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

namespace ptq::emulator {

/// Text of a file in Inputs/.
inline std::string readInput(llvm::StringRef name) {
  auto file = llvm::MemoryBuffer::getFile(std::string(PTQ_EMULATOR_INPUTS) + "/" + name.str());
  EXPECT_TRUE(static_cast<bool>(file)) << name.str();
  return file ? (*file)->getBuffer().str() : std::string();
}

/// NAME.ptx: compiled from NAME.cu by the nvcc that is installed, with the flags after "nvcc" in
/// its first lines; the kept file where there is none.
std::string compileInput(llvm::StringRef name);

/// A kernel's body with the header that every module needs.
inline std::string entry(llvm::StringRef parameters, llvm::StringRef body,
                         llvm::StringRef declarations = "") {
  return (".version 8.0\n.target sm_90\n.address_size 64\n" + declarations +
          "\n.visible .entry kernel(" + parameters + ")\n{\n" + body + "\n}\n")
      .str();
}

/// The message of a module that does not load, or "" if it does.
inline std::string loadError(llvm::StringRef ptx) {
  auto device = createEmulator();
  auto module = device->load(ptx, "test.ptx");
  return module ? std::string() : llvm::toString(module.takeError());
}

class Session {
public:
  explicit Session(llvm::StringRef ptx, const EmulatorOptions &options = {})
      : device(createEmulator(options)) {
    auto loaded = device->load(ptx, "test.ptx");
    if (loaded)
      module = std::move(*loaded);
    else
      ADD_FAILURE() << llvm::toString(loaded.takeError());
  }

  template <class T> uint64_t buffer(const std::vector<T> &data) {
    uint64_t address = undefined(data.size() * sizeof(T));
    llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(data.data()),
                               data.size() * sizeof(T));
    check(device->write(address, bytes));
    return address;
  }
  uint64_t undefined(uint64_t bytes) {
    auto address = device->allocate(bytes);
    EXPECT_TRUE(static_cast<bool>(address));
    return *address;
  }
  template <class T> std::vector<T> read(uint64_t address, size_t count) {
    std::vector<T> data(count);
    check(device->read(address, llvm::MutableArrayRef<char>(reinterpret_cast<char *>(data.data()),
                                                            count * sizeof(T))));
    return data;
  }
  LaunchResult launch(llvm::StringRef kernel, Dim3 grid, Dim3 block,
                      const std::vector<std::vector<char>> &arguments, uint32_t shared = 0) {
    if (!module)
      return {};
    auto result = device->launch(*module, kernel, {grid, block, shared}, arguments);
    if (result)
      return std::move(*result);
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  void check(llvm::Error error) {
    if (error)
      ADD_FAILURE() << llvm::toString(std::move(error));
  }

  std::unique_ptr<Device> device;
  std::unique_ptr<Module> module;
};

inline void expectClean(const LaunchResult &result) {
  for (const Finding &finding : result.findings)
    ADD_FAILURE() << describe(finding);
}

} // namespace ptq::emulator

#endif // PTQ_TEST_UNIT_EMULATOR_RUN_H

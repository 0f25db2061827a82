// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A device that runs PTX kernels: the emulator, or a GPU through CUDA's driver. What uses a Device
// cannot tell which it has, except that only the emulator has findings and counters to give.
//
#ifndef PTQ_EMULATOR_DEVICE_H
#define PTQ_EMULATOR_DEVICE_H

#include "ptq/Emulator/Report.h"
#include "ptq/Emulator/TensorMap.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <memory>

namespace ptq::emulator {

/// A parameter of a kernel.
struct Parameter {
  std::string name;
  Type type;
  /// Bytes in all, for arrays (structures by value) too.
  uint32_t bytes, alignment;
};

/// A loaded module. It has to be destroyed before its device.
class Module {
public:
  virtual ~Module() = default;
  virtual std::vector<std::string> kernels() const = 0;
  /// The parameters of a kernel; an error names the kernels there are.
  virtual llvm::Expected<std::vector<Parameter>> parameters(llvm::StringRef kernel) const = 0;
};

struct LaunchConfig {
  Dim3 grid, block;
  /// Bytes of dynamic shared memory.
  uint32_t dynamicShared = 0;
};

struct LaunchResult {
  /// Empty on a GPU.
  std::vector<Finding> findings;
  std::optional<KernelCounters> counters;
};

/// Not for use by several threads at once.
class Device {
public:
  virtual ~Device() = default;
  /// Loads PTX text. `name` is for messages. Everything in it has to be supported, used or not: an
  /// unknown instruction or modifier is an error with line and column.
  virtual llvm::Expected<std::unique_ptr<Module>> load(llvm::StringRef ptx,
                                                       llvm::StringRef name) = 0;
  /// Memory of that many bytes, of undefined content, aligned to 256 bytes. Zero bytes are allowed.
  virtual llvm::Expected<uint64_t> allocate(uint64_t bytes) = 0;
  virtual llvm::Error free(uint64_t address) = 0;
  virtual llvm::Error write(uint64_t address, llvm::ArrayRef<char> data) = 0;
  virtual llvm::Error read(uint64_t address, llvm::MutableArrayRef<char> data) = 0;
  /// Sets every byte.
  virtual llvm::Error fill(uint64_t address, uint64_t bytes, uint8_t value) = 0;
  /// The 128 bytes that describe a tensor to bulk tensor copies, for this device only. An error if
  /// the map breaks one of its rules, or the device has no such copies.
  virtual llvm::Expected<std::vector<char>> encodeTensorMap(const TensorMap &map) = 0;
  /// Runs a kernel to its end. `arguments`: the bytes of each parameter, in order. An error is a
  /// launch that cannot be (no such kernel, wrong sizes, limits) or, on a GPU, one that failed;
  /// findings are no error.
  virtual llvm::Expected<LaunchResult> launch(Module &module, llvm::StringRef kernel,
                                              const LaunchConfig &config,
                                              llvm::ArrayRef<std::vector<char>> arguments) = 0;
};

/// The bytes of a scalar argument.
template <class T> std::vector<char> argument(T value) {
  const char *bytes = reinterpret_cast<const char *>(&value);
  return std::vector<char>(bytes, bytes + sizeof(T));
}

struct EmulatorOptions {
  /// Order of warps and CTAs: 0 is their natural order, others shuffle it.
  uint64_t seed = 0;
  /// Host threads, for kernels whose CTAs do not synchronise with each other.
  unsigned threads = 2;
  /// Warp instructions without a barrier or a CTA's end that are called a deadlock.
  uint64_t watchdog = uint64_t(1) << 27;
  /// CTAs that are resident together, where they may wait for each other.
  unsigned residentCtas = 512;
  /// By Check.
  std::array<bool, numChecks> checks = {true, true, true, true, true, true, true};

  void disable(Check check) { checks[static_cast<unsigned>(check)] = false; }
};

std::unique_ptr<Device> createEmulator(const EmulatorOptions &options = {});

/// The GPU with that number, through libcuda.so.1, which is opened here. An error says what is
/// missing.
llvm::Expected<std::unique_ptr<Device>> createCudaDevice(int ordinal = 0);

} // namespace ptq::emulator

#endif // PTQ_EMULATOR_DEVICE_H

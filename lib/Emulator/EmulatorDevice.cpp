// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "EncodedTensorMap.h"
#include "Machine.h"
#include "OperandDecoder.h"
#include "ptq/Emulator/Device.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

namespace {
class EmulatorModule : public Module {
public:
  explicit EmulatorModule(GlobalMemory &memory) : memory(memory) {}
  ~EmulatorModule() override {
    for (const auto &entry : addresses)
      memory.release(entry.second);
  }

  Error load(StringRef ptx, StringRef name);
  std::vector<std::string> kernels() const override;
  llvm::Expected<std::vector<Parameter>> parameters(StringRef kernel) const override;
  llvm::Expected<const Program *> find(StringRef kernel) const;

private:
  Error place(const Variable &variable);

  GlobalMemory &memory;
  std::unique_ptr<ParsedModule> parsed;
  AddressMap addresses;
  std::vector<std::unique_ptr<Program>> programs;
};

class Emulator : public Device {
public:
  explicit Emulator(const EmulatorOptions &options) {
    this->options.seed = options.seed;
    this->options.threads = options.threads;
    this->options.watchdog = options.watchdog;
    this->options.residentCtas = std::max(1u, options.residentCtas);
    this->options.checks = options.checks;
  }

  llvm::Expected<std::unique_ptr<Module>> load(StringRef ptx, StringRef name) override {
    auto module = std::make_unique<EmulatorModule>(memory);
    if (Error error = module->load(ptx, name))
      return std::move(error);
    return std::move(module);
  }
  llvm::Expected<uint64_t> allocate(uint64_t bytes) override {
    Buffer *buffer = memory.allocate(bytes, false);
    if (!buffer)
      return llvm::createStringError("no memory for a buffer of " + llvm::Twine(bytes) + " bytes");
    return buffer->base;
  }
  Error free(uint64_t address) override {
    if (!memory.release(address))
      return llvm::createStringError("no buffer begins at 0x" + llvm::Twine::utohexstr(address));
    return Error::success();
  }
  Error write(uint64_t address, llvm::ArrayRef<char> data) override;
  Error read(uint64_t address, llvm::MutableArrayRef<char> data) override;
  Error fill(uint64_t address, uint64_t bytes, uint8_t value) override;
  llvm::Expected<std::vector<char>> encodeTensorMap(const TensorMap &map) override {
    if (Error error = checkTensorMap(map))
      return std::move(error);
    return encode(map);
  }
  llvm::Expected<LaunchResult> launch(Module &module, StringRef kernel, const LaunchConfig &config,
                                      llvm::ArrayRef<std::vector<char>> arguments) override;

private:
  llvm::Expected<Buffer *> range(uint64_t address, uint64_t bytes);

  GlobalMemory memory;
  MachineOptions options;
};
} // namespace

//===- Modules
//------------------------------------------------------------------------------------===//

Error EmulatorModule::place(const Variable &variable) {
  if (variable.space != Space::Global && variable.space != Space::Const)
    return Error::success();
  if (variable.isExtern)
    return errorAt(parsed->file, variable.location,
                   "'" + llvm::Twine(variable.name) + "' is external: modules are not linked");
  Buffer *buffer = memory.allocate(variable.bytes, true);
  if (!buffer)
    return errorAt(parsed->file, variable.location, "no memory for this variable");
  std::copy(variable.initializer.begin(), variable.initializer.end(), buffer->data.get());
  buffer->readOnly = variable.space == Space::Const;
  addresses[&variable] = buffer->base;
  return Error::success();
}

Error EmulatorModule::load(StringRef ptx, StringRef name) {
  auto result = parseModule(ptx, name);
  if (!result)
    return result.takeError();
  parsed = std::move(*result);
  std::vector<const Variable *> variables;
  for (const auto &variable : parsed->variables)
    variables.push_back(variable.get());
  for (const auto &function : parsed->functions)
    for (const auto &variable : function->variables)
      variables.push_back(variable.get());
  for (const Variable *variable : variables)
    if (Error error = place(*variable))
      return error;
  for (const Variable *variable : variables)
    for (const Relocation &relocation : variable->relocations) {
      uint64_t target =
          relocation.addend + (relocation.function ? relocation.function->address
                                                   : addresses.lookup(relocation.variable));
      std::memcpy(memory.find(addresses[variable])->data.get() + relocation.offset, &target,
                  std::min(relocation.bytes, 8u));
    }
  for (const auto &function : parsed->functions) {
    if (!function->hasBody)
      continue;
    auto program = decode(*parsed, *function, addresses);
    if (!program)
      return program.takeError();
    if (function->isEntry)
      programs.push_back(std::move(*program));
  }
  return Error::success();
}

std::vector<std::string> EmulatorModule::kernels() const {
  std::vector<std::string> names;
  for (const auto &program : programs)
    names.push_back(program->kernel);
  return names;
}

llvm::Expected<const Program *> EmulatorModule::find(StringRef kernel) const {
  for (const auto &program : programs)
    if (program->kernel == kernel)
      return program.get();
  return llvm::createStringError(
      "'" + parsed->file + "' has no kernel '" + kernel + "'" +
      (programs.empty() ? "" : "; it has " + llvm::join(kernels(), ", ")));
}

llvm::Expected<std::vector<Parameter>> EmulatorModule::parameters(StringRef kernel) const {
  auto program = find(kernel);
  if (!program)
    return program.takeError();
  std::vector<Parameter> result;
  for (const Variable *variable : (*program)->functions.front()->function->parameters)
    result.push_back({variable->name, variable->type, static_cast<uint32_t>(variable->bytes),
                      static_cast<uint32_t>(variable->alignment)});
  return result;
}

//===- Memory
//-------------------------------------------------------------------------------------===//

llvm::Expected<Buffer *> Emulator::range(uint64_t address, uint64_t bytes) {
  Buffer *buffer = memory.find(address);
  if (!buffer || !buffer->contains(address, bytes))
    return llvm::createStringError(llvm::Twine(bytes) + " bytes at 0x" +
                                   llvm::Twine::utohexstr(address) + " are not within a buffer");
  return buffer;
}

static void markDefined(Buffer &buffer, uint64_t offset, uint64_t bytes) {
  if (!buffer.state)
    return;
  if (bytes == buffer.size)
    buffer.state.reset();
  else
    std::memset(buffer.state.get() + offset, static_cast<int>(ByteState::Defined), bytes);
}

Error Emulator::write(uint64_t address, llvm::ArrayRef<char> data) {
  auto buffer = range(address, data.size());
  if (!buffer)
    return buffer.takeError();
  uint64_t offset = address - (*buffer)->base;
  if (!data.empty())
    std::memcpy((*buffer)->data.get() + offset, data.data(), data.size());
  markDefined(**buffer, offset, data.size());
  return Error::success();
}

Error Emulator::read(uint64_t address, llvm::MutableArrayRef<char> data) {
  auto buffer = range(address, data.size());
  if (!buffer)
    return buffer.takeError();
  if (!data.empty())
    std::memcpy(data.data(), (*buffer)->data.get() + (address - (*buffer)->base), data.size());
  return Error::success();
}

Error Emulator::fill(uint64_t address, uint64_t bytes, uint8_t value) {
  auto buffer = range(address, bytes);
  if (!buffer)
    return buffer.takeError();
  uint64_t offset = address - (*buffer)->base;
  if (bytes)
    std::memset((*buffer)->data.get() + offset, value, bytes);
  markDefined(**buffer, offset, bytes);
  return Error::success();
}

//===- Launch
//-------------------------------------------------------------------------------------===//

/// Compute capability 8.0 and later: CUDA's limits.
static Error checkConfig(const Program &program, const LaunchConfig &config) {
  const Dim3 &block = config.block, &grid = config.grid;
  const Function &function = *program.functions.front()->function;
  auto text = [](const Dim3 &d) {
    return (llvm::Twine(d.x) + "x" + llvm::Twine(d.y) + "x" + llvm::Twine(d.z)).str();
  };
  if (block.count() == 0 || grid.count() == 0)
    return llvm::createStringError("grid and block have to be of at least one thread");
  if (block.count() > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64)
    return llvm::createStringError("a block of " + text(block) +
                                   " threads is too large: 1024 in all, 1024x1024x64 at most");
  if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    return llvm::createStringError("a grid of " + text(grid) + " blocks is too large");
  const uint32_t dims[] = {block.x, block.y, block.z};
  uint64_t most = 1;
  for (unsigned axis = 0; axis != 3; ++axis) {
    uint32_t required = function.requiredThreads[axis];
    if (required && required != dims[axis])
      return llvm::createStringError("'" + llvm::Twine(program.kernel) +
                                     "' requires other block sizes (.reqntid) than " + text(block));
    most *= std::max(1u, function.maximumThreads[axis]);
  }
  if (function.maximumThreads[0] && block.count() > most)
    return llvm::createStringError(
        "'" + llvm::Twine(program.kernel) + "' is compiled for at most " + llvm::Twine(most) +
        " threads a block (.maxntid), not " + llvm::Twine(block.count()));
  // 227 KiB, what sm_90 has; the gaps between variables are the emulator's own.
  uint64_t shared = config.dynamicShared;
  for (const auto &variable : program.sharedVariables)
    shared += variable.end - variable.begin;
  if (shared > 227 * 1024)
    return llvm::createStringError("'" + llvm::Twine(program.kernel) + "' needs " +
                                   llvm::Twine(shared) +
                                   " bytes of shared memory; no GPU has more than 232448");
  return Error::success();
}

llvm::Expected<LaunchResult> Emulator::launch(Module &module, StringRef kernel,
                                              const LaunchConfig &config,
                                              llvm::ArrayRef<std::vector<char>> arguments) {
  auto program = static_cast<EmulatorModule &>(module).find(kernel);
  if (!program)
    return program.takeError();
  if (Error error = checkConfig(**program, config))
    return std::move(error);
  const auto &parameters = (*program)->functions.front()->function->parameters;
  if (arguments.size() != parameters.size())
    return llvm::createStringError("'" + kernel + "' has " + llvm::Twine(parameters.size()) +
                                   " parameters, not " + llvm::Twine(arguments.size()));
  std::vector<uint8_t> bytes((*program)->parameterBytes);
  for (size_t index = 0; index != parameters.size(); ++index) {
    if (arguments[index].size() != parameters[index]->bytes)
      return llvm::createStringError("parameter " + llvm::Twine(index) + " of '" + kernel +
                                     "' has " + llvm::Twine(parameters[index]->bytes) +
                                     " bytes, not " + llvm::Twine(arguments[index].size()));
    std::copy(arguments[index].begin(), arguments[index].end(),
              bytes.begin() + (*program)->parameterOffsets[index]);
  }
  Machine machine(**program, memory, options, config.grid, config.block, config.dynamicShared,
                  bytes);
  machine.run();
  LaunchResult result;
  result.counters = machine.counters();
  result.findings = machine.takeFindings();
  return result;
}

std::unique_ptr<Device> ptq::emulator::createEmulator(const EmulatorOptions &options) {
  return std::make_unique<Emulator>(options);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelHarness.h"

#include "ptq/Checkpoint/Float16.h"

#include "mlir/IR/Verifier.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

MLIRContext &kernels::test::context() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerKernelTranslations(registry);
    auto *created = new MLIRContext(registry);
    created->loadAllAvailableDialects();
    return created;
  }();
  return *context;
}

std::string kernels::test::compile(const std::function<void(gpu::GPUModuleOp)> &emit,
                                   llvm::StringRef chip) {
  OpBuilder b(&context());
  OwningOpRef<ModuleOp> root = ModuleOp::create(b.getUnknownLoc());
  b.setInsertionPointToStart(root->getBody());
  auto module = gpu::GPUModuleOp::create(b, b.getUnknownLoc(), "kernels");
  emit(module);
  EXPECT_TRUE(succeeded(verify(*root)));
  EXPECT_TRUE(succeeded(lowerToNVVM(module)));
  llvm::Expected<std::string> ptx = translateToPtx(module, *findChip(chip));
  EXPECT_TRUE(bool(ptx)) << llvm::toString(ptx.takeError());
  return ptx ? *ptx : std::string();
}

kernels::test::Bytes kernels::test::toType(const std::vector<float> &values, Type type) {
  if (type.isF32())
    return bytesOf(values);
  std::vector<uint16_t> bits;
  for (float value : values)
    bits.push_back(type.isBF16() ? checkpoint::floatToBFloat16(value)
                                 : checkpoint::floatToHalf(value));
  return bytesOf(bits);
}

std::vector<float> kernels::test::fromType(const Bytes &bytes, Type type) {
  std::vector<float> values(bytes.size() / (type.getIntOrFloatBitWidth() / 8));
  if (type.isF32()) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    values[i] = type.isBF16() ? checkpoint::bfloat16ToFloat(bits) : checkpoint::halfToFloat(bits);
  }
  return values;
}

float kernels::test::roundTo(float value, Type type) {
  return fromType(toType({value}, type), type).front();
}

kernels::test::KernelRun kernels::test::run(const std::string &ptx, int64_t grid, int64_t threads,
                                            int64_t shared, const std::vector<Bytes> &inputs,
                                            int64_t outputBytes, int64_t rows,
                                            const std::vector<int64_t> &more) {
  KernelOutputs done =
      runWithOutputs(ptx, grid, threads, shared, inputs, {outputBytes}, rows, more);
  if (done.outputs.empty())
    return {};
  return {std::move(done.outputs.front()), std::move(done.counters)};
}

namespace {

/// What a launch needs beside inputs and outputs.
struct Extras {
  std::vector<int64_t> numbers;
  int64_t sumBytes = 0, counterBytes = 0;
  uint64_t seed = 0;
};

} // namespace

static KernelOutputs launch(const std::string &ptx, int64_t grid, int64_t threads, int64_t shared,
                            const std::vector<Bytes> &inputs,
                            const std::vector<int64_t> &outputBytes, int64_t rows,
                            const Extras &extras) {
  emulator::EmulatorOptions options;
  options.seed = extras.seed;
  std::unique_ptr<emulator::Device> device = emulator::createEmulator(options);
  auto module = device->load(ptx, "kernel.ptx");
  if (!module) {
    ADD_FAILURE() << llvm::toString(module.takeError());
    return {};
  }
  auto allocate = [&](int64_t bytes) {
    llvm::Expected<uint64_t> address = device->allocate(bytes);
    EXPECT_TRUE(bool(address)) << llvm::toString(address.takeError());
    return address ? *address : 0;
  };
  std::vector<std::vector<char>> arguments;
  for (const Bytes &input : inputs) {
    uint64_t address = allocate(input.size());
    llvm::cantFail(device->write(address, input));
    arguments.push_back(emulator::argument(address));
  }
  std::vector<uint64_t> addresses;
  for (int64_t bytes : outputBytes) {
    addresses.push_back(allocate(bytes));
    arguments.push_back(emulator::argument(addresses.back()));
  }
  arguments.push_back(emulator::argument(static_cast<int32_t>(rows)));
  for (int64_t number : extras.numbers)
    arguments.push_back(emulator::argument(static_cast<int32_t>(number)));
  uint64_t counters = 0;
  if (extras.counterBytes) {
    arguments.push_back(emulator::argument(allocate(extras.sumBytes)));
    counters = allocate(extras.counterBytes);
    llvm::cantFail(device->fill(counters, extras.counterBytes, 0));
    arguments.push_back(emulator::argument(counters));
  }

  emulator::LaunchConfig config;
  config.grid.x = grid;
  config.block.x = threads;
  config.dynamicShared = shared;
  auto result = device->launch(**module, "kernel", config, arguments);
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  for (const emulator::Finding &finding : result->findings)
    ADD_FAILURE() << emulator::describe(finding);
  KernelOutputs done{{}, std::move(*result->counters)};
  for (auto [address, bytes] : llvm::zip_equal(addresses, outputBytes)) {
    done.outputs.emplace_back(bytes);
    EXPECT_FALSE(bool(device->read(address, done.outputs.back())));
  }
  Bytes counted(extras.counterBytes);
  if (extras.counterBytes)
    EXPECT_FALSE(bool(device->read(counters, counted)));
  EXPECT_TRUE(llvm::all_of(counted, [](char byte) { return byte == 0; }));
  return done;
}

kernels::test::KernelOutputs kernels::test::runWithOutputs(const std::string &ptx, int64_t grid,
                                                           int64_t threads, int64_t shared,
                                                           const std::vector<Bytes> &inputs,
                                                           const std::vector<int64_t> &outputBytes,
                                                           int64_t rows,
                                                           const std::vector<int64_t> &more) {
  return launch(ptx, grid, threads, shared, inputs, outputBytes, rows, {more});
}

kernels::test::KernelRun kernels::test::runTiles(const std::string &ptx, const GemmTile &tile,
                                                 int64_t m, int64_t n, int64_t shared,
                                                 const std::vector<Bytes> &inputs, Type outputType,
                                                 const std::vector<int64_t> &more, uint64_t seed) {
  Extras extras{more};
  extras.seed = seed;
  if (tile.splits > 1) {
    extras.sumBytes = Workspace::sumBytes(tile, m, n);
    extras.counterBytes = Workspace::counterBytes(tile, m, n);
  }
  int64_t bytes = m * n * outputType.getIntOrFloatBitWidth() / 8;
  KernelOutputs done =
      launch(ptx, tile.blocks(m, n), tile.threads(), shared, inputs, {bytes}, m, extras);
  if (done.outputs.empty())
    return {};
  return {std::move(done.outputs.front()), std::move(done.counters)};
}

std::vector<float> kernels::test::someFloats(int64_t count, float base) {
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = base * (1 + (i * 37 % 101) / 101.0f);
  return values;
}

std::vector<int8_t> kernels::test::randomCodes(int64_t count, int low, int high, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> distribution(low, high);
  std::vector<int8_t> codes(count);
  for (int8_t &code : codes)
    code = distribution(generator);
  return codes;
}

kernels::test::ScaledLayer::ScaledLayer(int64_t m, int64_t n, const std::vector<int8_t> &weight,
                                        bool perToken, bool perChannel, int low)
    : zeroPoints(randomCodes(perToken ? m : 1, low, -1 - low, 3)), weightSums(n),
      inputScales(someFloats(perToken ? m : 1, 0.01f)),
      weightScales(someFloats(perChannel ? n : 1, 0.001f)), bias(someFloats(n, -0.3f)) {
  int64_t k = weight.size() / n;
  for (size_t i = 0; i < weight.size(); ++i)
    weightSums[i / k] += weight[i];
}

void kernels::test::ScaledLayer::expectResult(const std::vector<int32_t> &sums,
                                              const std::vector<float> &actual,
                                              mlir::Type outputType, bool hasZeroPoints,
                                              bool hasBias) const {
  ASSERT_EQ(actual.size(), sums.size());
  int64_t columns = weightSums.size();
  auto of = [](const auto &values, int64_t index) {
    return values[values.size() == 1 ? 0 : index];
  };
  for (size_t i = 0; i < sums.size(); ++i) {
    int64_t m = i / columns, n = i % columns;
    int32_t sum = sums[i];
    if (hasZeroPoints)
      sum -= of(zeroPoints, m) * weightSums[n];
    float y = float(sum) * of(weightScales, n);
    y = y * of(inputScales, m);
    if (hasBias)
      y = y + bias[n];
    ASSERT_EQ(actual[i], roundTo(y, outputType)) << "at " << m << ", " << n;
  }
}

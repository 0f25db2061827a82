// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits a kernel, compiles it to PTX and runs it in the emulator with all checks on.

#ifndef PTQ_TEST_UNIT_KERNELS_KERNELHARNESS_H
#define PTQ_TEST_UNIT_KERNELS_KERNELHARNESS_H

#include "ptq/Emulator/Device.h"
#include "ptq/Kernels/Compile.h"
#include "ptq/Kernels/GemmTile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace ptq::kernels::test {

/// A context in which kernels can be compiled.
mlir::MLIRContext &context();

/// The PTX of what `emit` adds to a module; fails the test if it cannot be compiled.
std::string compile(const std::function<void(mlir::gpu::GPUModuleOp)> &emit,
                    llvm::StringRef chip = "sm_80");

using Bytes = std::vector<char>;

template <typename T> Bytes bytesOf(const std::vector<T> &values) {
  const char *data = reinterpret_cast<const char *>(values.data());
  return Bytes(data, data + values.size() * sizeof(T));
}

/// Values as f16, bf16 or f32, and back. The values are to be exact in the type.
Bytes toType(const std::vector<float> &values, mlir::Type type);
std::vector<float> fromType(const Bytes &bytes, mlir::Type type);
/// The value rounded to the type.
float roundTo(float value, mlir::Type type);

struct KernelRun {
  Bytes output;
  emulator::KernelCounters counters;
};

/// Runs kernel "kernel" on the inputs, an output of that size, the number of rows and `more`. A
/// finding, or a byte written beyond the output, fails the test.
KernelRun run(const std::string &ptx, int64_t grid, int64_t threads, int64_t shared,
              const std::vector<Bytes> &inputs, int64_t outputBytes, int64_t rows,
              const std::vector<int64_t> &more = {});

/// The same for a kernel of an m x n result with the tile, whose splits get a workspace; that the
/// counters are zero afterwards is checked. `seed`: of the order in which blocks and warps run.
KernelRun runTiles(const std::string &ptx, const GemmTile &tile, int64_t m, int64_t n,
                   int64_t shared, const std::vector<Bytes> &inputs, mlir::Type outputType,
                   const std::vector<int64_t> &more = {}, uint64_t seed = 0);

struct KernelOutputs {
  std::vector<Bytes> outputs;
  emulator::KernelCounters counters;
};

/// The same with several outputs.
KernelOutputs runWithOutputs(const std::string &ptx, int64_t grid, int64_t threads, int64_t shared,
                             const std::vector<Bytes> &inputs,
                             const std::vector<int64_t> &outputBytes, int64_t rows,
                             const std::vector<int64_t> &more = {});

/// base · (1 … 2), different from one to the next: scales for tests.
std::vector<float> someFloats(int64_t count, float base);

/// Integers in [low, high].
std::vector<int8_t> randomCodes(int64_t count, int low, int high, unsigned seed);

/// An integer layer of m x n results besides its codes: what its scales, zero points and bias are
/// in tests, and what they make of the sums.
struct ScaledLayer {
  /// `weight`: n rows. Zero points are in [low, -1 - low].
  ScaledLayer(int64_t m, int64_t n, const std::vector<int8_t> &weight, bool perToken,
              bool perChannel, int low);

  std::vector<int8_t> zeroPoints;
  std::vector<int32_t> weightSums;
  std::vector<float> inputScales, weightScales, bias;

  /// `actual` is, bit for bit, the sums scaled in the order of the kernels' epilogue.
  void expectResult(const std::vector<int32_t> &sums, const std::vector<float> &actual,
                    mlir::Type outputType, bool hasZeroPoints, bool hasBias) const;
};

} // namespace ptq::kernels::test

#endif // PTQ_TEST_UNIT_KERNELS_KERNELHARNESS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the kernels move, by the emulator's counters: sectors of global memory against the least
// that the division into tiles asks for, wavefronts of shared memory against theirs, and barriers.
//
// The least: every tile of the product reads its rows of both operands, and parameters of groups,
// once along k; every result is written once, a row's and a column's scale read once by a tile.
// Blocks that share a tile also write their sums, and one reads them.

#include "KernelHarness.h"
#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Kernels/PackedIntegerLinear.h"
#include "ptq/Kernels/WeightOnlyLinear.h"

#include <gtest/gtest.h>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

constexpr int64_t outputBytes = 2;

struct Shape {
  GemmTile tile;
  int64_t m, n, k;
};

std::ostream &operator<<(std::ostream &os, const Shape &s) {
  return os << s.m << "x" << s.n << "x" << s.k << " tile " << s.tile.blockM << "x" << s.tile.blockN
            << "x" << s.tile.blockK << "/" << s.tile.splits;
}

/// Operands of zeros.
Bytes zeros(double bytes) { return Bytes(static_cast<size_t>(bytes)); }

class MovedBytes : public testing::TestWithParam<Shape> {
protected:
  const Shape &shape = GetParam();
  mlir::Builder b{&context()};

  int64_t rowTiles() const { return (shape.m + shape.tile.blockM - 1) / shape.tile.blockM; }
  int64_t columnTiles() const { return (shape.n + shape.tile.blockN - 1) / shape.tile.blockN; }

  /// leftBytes, rightBytes: of the whole operands and what belongs to their rows.
  void check(const std::string &ptx, int64_t shared, const std::vector<Bytes> &inputs,
             double leftBytes, double rightBytes, bool floatSums) {
    const GemmTile &tile = shape.tile;
    KernelRun result =
        runTiles(ptx, tile, shape.m, shape.n, shared, inputs, mlir::Type(b.getF16Type()));
    double results = double(shape.m) * shape.n;
    double least = columnTiles() * leftBytes + rowTiles() * rightBytes + results * outputBytes;
    if (tile.splits > 1) {
      double tileSums = double(tile.tiles(shape.m, shape.n)) * tile.blockM * tile.blockN * 4;
      least += tileSums * (tile.splits + (floatSums ? tile.splits : tile.splits - 1));
    }
    const emulator::InstructionCounters &total = result.counters.total;
    EXPECT_LE(total.global.sectors * 32, 1.05 * least);
    EXPECT_GE(total.global.sectors * 32, least); // or the kernel did not do its work
    EXPECT_EQ(total.shared.wavefronts, total.shared.idealWavefronts);

    // One for each tile along k; before the first, after the last, and those of sums in parts.
    int64_t depth = (shape.k + tile.blockK - 1) / tile.blockK;
    int64_t around = 2 + (tile.warpsK > 1 ? 1 : 0) + (tile.splits > 1 ? 2 : 0);
    int64_t warps = tile.tiles(shape.m, shape.n) * tile.warps();
    EXPECT_EQ(int64_t(result.counters.barriers), warps * (depth + around * tile.splits));
  }
};

class MovedBytesW8A8 : public MovedBytes {};
class MovedBytesW4A16 : public MovedBytes {};
class MovedBytesW4A8 : public MovedBytes {};

} // namespace

TEST_P(MovedBytesW8A8, AreTheLeast) {
  IntegerLinearSpec spec;
  spec.n = shape.n;
  spec.k = shape.k;
  spec.inputScaleType = spec.weightScaleType = b.getF32Type();
  spec.outputType = b.getF16Type();
  ASSERT_TRUE(isValidTile(spec, shape.tile));
  double left = double(shape.m) * shape.k, right = double(shape.n) * shape.k;
  check(compile([&](mlir::gpu::GPUModuleOp module) {
          emitIntegerLinear(module, "kernel", spec, shape.tile);
        }),
        sharedBytes(spec, shape.tile),
        {zeros(left), zeros(shape.m * 4), zeros(right), zeros(shape.n * 4)}, left + shape.m * 4,
        right + shape.n * 4,
        /*floatSums=*/false);
}

TEST_P(MovedBytesW4A16, AreTheLeast) {
  for (int64_t groupSize : {0, 128}) {
    SCOPED_TRACE(groupSize);
    WeightOnlyLinearSpec spec;
    spec.n = shape.n;
    spec.k = shape.k;
    spec.bits = 4;
    spec.groupSize = groupSize;
    spec.inputType = spec.outputType = b.getF16Type();
    spec.scaleType = b.getF32Type();
    ASSERT_TRUE(isValidTile(spec, shape.tile));
    double left = double(shape.m) * shape.k * 2, weight = double(shape.n) * shape.k / 2;
    double scales = groupSize ? double(shape.n) * shape.k / groupSize * 2 : shape.n * 4;
    check(compile([&](mlir::gpu::GPUModuleOp module) {
            emitWeightOnlyLinear(module, "kernel", spec, shape.tile);
          }),
          sharedBytes(spec, shape.tile), {zeros(left), zeros(weight), zeros(scales)}, left,
          weight + scales, /*floatSums=*/true);
  }
}

TEST_P(MovedBytesW4A8, AreTheLeast) {
  for (int64_t groupSize : {0, 128}) {
    SCOPED_TRACE(groupSize);
    PackedIntegerLinearSpec spec;
    spec.linear.n = shape.n;
    spec.linear.k = shape.k;
    spec.linear.inputScaleType = spec.linear.weightScaleType = b.getF32Type();
    spec.linear.outputType = b.getF16Type();
    spec.groupSize = groupSize;
    ASSERT_TRUE(isValidTile(spec, shape.tile));
    double left = double(shape.m) * shape.k, weight = double(shape.n) * shape.k / 2;
    double parameters = groupSize ? double(shape.n) * shape.k / groupSize * 2 : 0;
    std::vector<Bytes> inputs{zeros(left), zeros(shape.m * 4), zeros(weight)};
    if (groupSize)
      inputs.push_back(zeros(parameters));
    inputs.push_back(zeros(shape.n * 4));
    check(compile([&](mlir::gpu::GPUModuleOp module) {
            emitPackedIntegerLinear(module, "kernel", spec, shape.tile);
          }),
          sharedBytes(spec, shape.tile), inputs, left + shape.m * 4,
          weight + parameters + shape.n * 4, /*floatSums=*/false);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, MovedBytesW8A8,
                         testing::Values(Shape{{128, 256, 64, 2, 4, 4}, 256, 512, 1024},
                                         Shape{{128, 128, 64, 2, 2, 4}, 256, 256, 1024},
                                         Shape{{128, 80, 128, 4, 1, 3}, 128, 160, 1024},
                                         Shape{{16, 128, 128, 1, 4, 4}, 16, 256, 2048},
                                         Shape{{16, 64, 128, 1, 4, 4, 1, 4}, 16, 128, 4096},
                                         Shape{{64, 64, 64, 2, 2, 3, 1, 3}, 128, 128, 4160}));

INSTANTIATE_TEST_SUITE_P(Tiles, MovedBytesW4A16,
                         testing::Values(Shape{{128, 256, 64, 2, 4, 4}, 128, 512, 1024},
                                         Shape{{64, 256, 64, 1, 4, 4}, 128, 256, 1024},
                                         Shape{{16, 256, 128, 1, 4, 4}, 16, 512, 2048},
                                         Shape{{16, 64, 128, 1, 1, 4, 4}, 1, 256, 4096},
                                         Shape{{16, 64, 128, 1, 1, 4, 4, 4}, 16, 128, 8192}));

INSTANTIATE_TEST_SUITE_P(Tiles, MovedBytesW4A8,
                         testing::Values(Shape{{128, 256, 64, 2, 4, 4}, 128, 512, 1024},
                                         Shape{{128, 128, 64, 2, 2, 4}, 256, 256, 1024},
                                         Shape{{16, 128, 128, 1, 4, 4}, 16, 256, 4096}));

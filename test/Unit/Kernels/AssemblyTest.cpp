// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ptxas says of the kernels, for every chip: no spills, and registers that let the block
// launch. Skipped where there is no ptxas.

#include "KernelHarness.h"
#include "ptq/Kernels/BoundModel.h"
#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Kernels/WeightOnlyLinear.h"

#include <gtest/gtest.h>

using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

class Assembly : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (findPtxas().empty())
      GTEST_SKIP() << "no ptxas";
  }
  /// One chip sees all tiles; the others, as compiling takes its time, the one with the most
  /// registers and the smallest.
  std::vector<GemmTile> someTiles(GemmProblem::Kind kind) {
    llvm::ArrayRef<GemmTile> all = tiles(kind);
    if (std::string(GetParam()) == "sm_80")
      return all;
    return {all.front(), all.back()};
  }
  void check(const std::function<void(mlir::gpu::GPUModuleOp)> &emit, const GemmTile &tile) {
    const Chip &chip = *findChip(GetParam());
    std::string ptx = compile(emit, chip.name);
    llvm::Expected<Cubin> cubin = assemble(ptx, chip);
    ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
    ASSERT_EQ(cubin->functions.size(), 1u);
    const PtxasReport &report = cubin->functions[0];
    EXPECT_EQ(report.function, "kernel");
    EXPECT_EQ(report.spillStoreBytes, 0);
    EXPECT_EQ(report.spillLoadBytes, 0);
    EXPECT_GT(report.registers, 0);
    EXPECT_LE(report.registers * tile.threads(), Chip::registersPerMultiprocessor);
  }
};

} // namespace

TEST_P(Assembly, IntegerLinearHasNoSpills) {
  mlir::Builder b(&context());
  IntegerLinearSpec spec;
  spec.n = spec.k = 4096;
  spec.inputScaleType = spec.weightScaleType = spec.biasType = b.getF32Type();
  spec.outputType = b.getF16Type();
  for (const GemmTile &tile : someTiles(GemmProblem::Kind::IntegerLinear)) {
    SCOPED_TRACE(testing::Message() << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
    ASSERT_TRUE(isValidTile(spec, tile));
    check([&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, tile); },
          tile);
  }
}

TEST_P(Assembly, WeightOnlyLinearHasNoSpills) {
  mlir::Builder b(&context());
  WeightOnlyLinearSpec spec;
  spec.n = spec.k = 4096;
  spec.bits = 4;
  spec.groupSize = 128;
  spec.zeroPoints = true;
  spec.inputType = spec.outputType = b.getF16Type();
  spec.scaleType = spec.biasType = b.getF32Type();
  for (const GemmTile &tile : someTiles(GemmProblem::Kind::WeightOnlyLinear)) {
    SCOPED_TRACE(testing::Message() << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
    ASSERT_TRUE(isValidTile(spec, tile));
    check(
        [&](mlir::gpu::GPUModuleOp module) { emitWeightOnlyLinear(module, "kernel", spec, tile); },
        tile);
  }
}

INSTANTIATE_TEST_SUITE_P(Chips, Assembly, testing::Values("sm_80", "sm_86", "sm_89", "sm_90a"));

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ptxas says of the kernels, for every chip: no spills, and registers that let the block
// launch. Skipped where there is no ptxas.

#include "KernelHarness.h"
#include "ptq/Kernels/ActivationQuantization.h"
#include "ptq/Kernels/BoundModel.h"
#include "ptq/Kernels/IntegerBatchMatmul.h"
#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Kernels/PackedIntegerLinear.h"
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
    if (std::string(GetParam()) == "sm_80")
      return mmaTiles(kind);
    return ends(kind);
  }
  std::vector<GemmTile> ends(GemmProblem::Kind kind) {
    std::vector<GemmTile> all = mmaTiles(kind);
    return {all.front(), all.back()};
  }
  std::vector<GemmTile> mmaTiles(GemmProblem::Kind kind) {
    GemmProblem problem;
    problem.kind = kind;
    problem.tail = true; // none by wgmma
    llvm::SmallVector<GemmTile> all = tiles(*findChip(GetParam()), problem);
    return {all.begin(), all.end()};
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
    // ptxas waits after every wgmma where it does not understand the registers' use, and says so.
    EXPECT_EQ(cubin->report.find("serialized"), std::string::npos) << cubin->report;
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

TEST_P(Assembly, WarpgroupsHaveNoSpills) {
  mlir::Builder b(&context());
  IntegerLinearSpec spec;
  spec.n = spec.k = 4096;
  spec.inputScaleType = spec.weightScaleType = spec.biasType = b.getF32Type();
  spec.zeroPointType = b.getI8Type();
  spec.outputType = b.getF16Type();
  GemmProblem problem;
  problem.kind = GemmProblem::Kind::IntegerLinear;
  int64_t count = 0;
  for (const GemmTile &tile : tiles(*findChip(GetParam()), problem)) {
    if (!tile.wgmma)
      continue;
    SCOPED_TRACE(testing::Message() << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
    ++count;
    ASSERT_TRUE(isValidTile(spec, tile));
    check([&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, tile); },
          tile);
  }
  EXPECT_EQ(count > 0, findChip(GetParam())->hasWgmma);
}

TEST_P(Assembly, SplitsHaveNoSpills) {
  mlir::Builder b(&context());
  IntegerLinearSpec integer;
  integer.n = integer.k = 4096;
  integer.inputScaleType = integer.weightScaleType = integer.biasType = b.getF32Type();
  integer.outputType = b.getF16Type();
  for (GemmTile tile : ends(GemmProblem::Kind::IntegerLinear)) {
    SCOPED_TRACE(testing::Message() << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
    tile.splits = 5;
    ASSERT_TRUE(isValidTile(integer, tile));
    check(
        [&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", integer, tile); },
        tile);
  }
  WeightOnlyLinearSpec weightOnly;
  weightOnly.n = weightOnly.k = 4096;
  weightOnly.bits = 4;
  weightOnly.groupSize = 128;
  weightOnly.zeroPoints = true;
  weightOnly.inputType = weightOnly.outputType = b.getF16Type();
  weightOnly.scaleType = weightOnly.biasType = b.getF32Type();
  for (GemmTile tile : ends(GemmProblem::Kind::WeightOnlyLinear)) {
    SCOPED_TRACE(testing::Message() << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
    tile.splits = 5;
    ASSERT_TRUE(isValidTile(weightOnly, tile));
    check(
        [&](mlir::gpu::GPUModuleOp module) {
          emitWeightOnlyLinear(module, "kernel", weightOnly, tile);
        },
        tile);
  }
}

TEST_P(Assembly, OutlierTailHasNoSpills) {
  mlir::Builder b(&context());
  IntegerLinearSpec spec;
  spec.n = spec.k = 4096;
  spec.inputScaleType = spec.weightScaleType = spec.biasType = b.getF32Type();
  spec.zeroPointType = b.getI8Type();
  spec.outputType = spec.outlierType = b.getF16Type();
  for (int64_t columns : {int64_t(32), spec.dynamicOutliers})
    for (const GemmTile &tile : someTiles(GemmProblem::Kind::IntegerLinear)) {
      SCOPED_TRACE(testing::Message() << columns << " outliers " << tile.blockM << "x"
                                      << tile.blockN << "x" << tile.blockK);
      spec.outlierColumns = columns;
      check([&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, tile); },
            tile);
    }
}

TEST_P(Assembly, IntegerBatchMatmulHasNoSpills) {
  mlir::Builder b(&context());
  IntegerBatchMatmulSpec spec;
  spec.leftScaleType = spec.rightScaleType = b.getF32Type();
  spec.outputType = b.getF16Type();
  for (bool dynamic : {false, true})
    for (const GemmTile &tile : someTiles(GemmProblem::Kind::IntegerLinear)) {
      SCOPED_TRACE(testing::Message() << (dynamic ? "dynamic " : "static ") << tile.blockM << "x"
                                      << tile.blockN << "x" << tile.blockK);
      spec.n = dynamic ? spec.dynamic : 1000;
      spec.k = dynamic ? spec.dynamic : 128;
      ASSERT_TRUE(isValidTile(spec, tile));
      check(
          [&](mlir::gpu::GPUModuleOp module) {
            emitIntegerBatchMatmul(module, "kernel", spec, tile);
          },
          tile);
    }
}

TEST_P(Assembly, ActivationQuantizationHasNoSpills) {
  using Norm = ActivationQuantizationSpec::Norm;
  mlir::Builder b(&context());
  ActivationQuantizationSpec spec;
  spec.scaleType = b.getF32Type();
  // The longest rows have 64 columns in a thread's registers.
  for (int64_t k : {576, 4096, 11008, 32767, 32768})
    for (mlir::Type type : {mlir::Type(b.getF16Type()), mlir::Type(b.getF32Type())})
      for (Norm norm : {Norm::None, Norm::Layer}) {
        SCOPED_TRACE(testing::Message() << k << " " << type.getIntOrFloatBitWidth());
        spec.k = k;
        spec.inputType = type;
        spec.norm = norm;
        spec.symmetric = norm == Norm::Layer;
        spec.zeroPointType = spec.symmetric ? mlir::Type() : b.getI8Type();
        spec.gammaType = spec.betaType = norm == Norm::Layer ? type : mlir::Type();
        GemmTile tile{};
        tile.warpsM = divideRows(spec)->threads() / 32;
        tile.warpsN = 1;
        check(
            [&](mlir::gpu::GPUModuleOp module) {
              emitActivationQuantization(module, "kernel", spec);
            },
            tile);
      }
}

TEST_P(Assembly, WeightOnlyLinearHasNoSpills) {
  mlir::Builder b(&context());
  WeightOnlyLinearSpec spec;
  spec.n = spec.k = 4096;
  spec.groupSize = 128;
  spec.zeroPoints = true;
  spec.scaleType = spec.biasType = b.getF32Type();
  auto checkTiles = [&](unsigned bits, mlir::Type type, llvm::ArrayRef<GemmTile> tiles) {
    spec.bits = bits;
    spec.inputType = spec.outputType = type;
    for (const GemmTile &tile : tiles) {
      SCOPED_TRACE(testing::Message()
                   << bits << " bits " << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
      ASSERT_TRUE(isValidTile(spec, tile));
      check(
          [&](mlir::gpu::GPUModuleOp module) {
            emitWeightOnlyLinear(module, "kernel", spec, tile);
          },
          tile);
    }
  };
  checkTiles(4, b.getF16Type(), someTiles(GemmProblem::Kind::WeightOnlyLinear));
  // The kernels with the most registers for each of the others.
  GemmTile largest = mmaTiles(GemmProblem::Kind::WeightOnlyLinear).front();
  checkTiles(2, b.getBF16Type(), largest);
  checkTiles(3, b.getF16Type(), largest);
  checkTiles(8, b.getBF16Type(), largest);
}

TEST_P(Assembly, PackedIntegerLinearHasNoSpills) {
  mlir::Builder b(&context());
  PackedIntegerLinearSpec spec;
  spec.linear.n = spec.linear.k = 4096;
  spec.linear.inputScaleType = spec.linear.weightScaleType = b.getF32Type();
  spec.linear.zeroPointType = b.getI8Type();
  spec.linear.biasType = b.getF32Type();
  spec.linear.outputType = b.getF16Type();
  auto checkTiles = [&](GemmProblem::Kind kind) {
    for (const GemmTile &tile : someTiles(kind)) {
      SCOPED_TRACE(testing::Message()
                   << "A" << spec.activationBits << " group " << spec.groupSize << " "
                   << tile.blockM << "x" << tile.blockN << "x" << tile.blockK);
      ASSERT_TRUE(isValidTile(spec, tile));
      check(
          [&](mlir::gpu::GPUModuleOp module) {
            emitPackedIntegerLinear(module, "kernel", spec, tile);
          },
          tile);
    }
  };
  for (int64_t groupSize : {0, 128}) {
    spec.groupSize = groupSize;
    checkTiles(GemmProblem::Kind::PackedIntegerLinear);
  }
  spec.groupSize = 0;
  spec.activationBits = 4;
  if (findChip(GetParam())->hasMmaS4)
    checkTiles(GemmProblem::Kind::Int4Linear);
}

INSTANTIATE_TEST_SUITE_P(Chips, Assembly, testing::Values("sm_80", "sm_86", "sm_89", "sm_90a"));

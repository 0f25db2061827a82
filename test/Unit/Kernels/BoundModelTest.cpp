// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/BoundModel.h"

#include <gtest/gtest.h>

using namespace ptq::kernels;
using Kind = GemmProblem::Kind;

static GemmProblem integer(int64_t m, int64_t n, int64_t k) {
  return {Kind::IntegerLinear, m, n, k};
}

static GemmProblem weightOnly(int64_t m, int64_t n, int64_t k, int64_t groupSize) {
  GemmProblem problem{Kind::WeightOnlyLinear, m, n, k};
  problem.weightBits = 4;
  problem.groupSize = groupSize;
  return problem;
}

TEST(BoundModel, CountsTensorCoreCycles) {
  const Chip &a100 = *findChip("sm_80");
  // 108 blocks of 128 × 128, one a multiprocessor: 8·16·(4096/32) mma of 8 cycles on 4 tensor
  // cores.
  GemmTile tile{128, 128, 64, 2, 2, 4};
  std::optional<Bound> b = bound(a100, integer(128 * 27, 128 * 4, 4096), tile);
  ASSERT_TRUE(b);
  EXPECT_EQ(b->blocks, 108);
  EXPECT_EQ(b->waves, 1);
  EXPECT_DOUBLE_EQ(b->mma, 8 * 16 * 128 * 8 / 4);
  // One block more is a second wave.
  EXPECT_EQ(bound(a100, integer(128 * 27 + 1, 128 * 4, 4096), tile)->waves, 2);
}

TEST(BoundModel, RooflineIsPeakOrBandwidth) {
  const Chip &a100 = *findChip("sm_80");
  // 624 TOPS at 1.41 GHz.
  double seconds = rooflineCycles(a100, integer(8192, 8192, 8192)) / 1.41e9;
  EXPECT_NEAR(2.0 * 8192 * 8192 * 8192 / seconds / 624e12, 1, 0.01);
  GemmProblem thin = integer(1, 4096, 4096);
  EXPECT_NEAR(rooflineCycles(a100, thin) / 1.41e9, thin.leastBytes() / 1555e9, 1e-12);
}

TEST(BoundModel, RejectsWhatDoesNotFit) {
  // 96 KiB and a KiB of the system's fit where 99 are.
  EXPECT_TRUE(bound(*findChip("sm_86"), integer(256, 256, 256), {128, 256, 64, 2, 4, 4}));
  EXPECT_FALSE(bound(*findChip("sm_86"), integer(256, 256, 256), {128, 256, 64, 2, 4, 5}));
  EXPECT_FALSE(bound(*findChip("sm_80"), integer(256, 256, 256), {128, 256, 64, 1, 2, 4}));
}

TEST(BoundModel, InstructionEstimatesAgreeWithSass) {
  // As scripts/kernel-counts measured them on sm_80.
  auto near = [](const GemmProblem &p, const GemmTile &t, double measured) {
    EXPECT_NEAR(estimateInstructionsPerMma(p, t) / measured, 1, 0.1) << measured;
  };
  near(integer(4096, 4096, 4096), {128, 256, 64, 2, 4, 4}, 1.86);
  near(integer(4096, 4096, 4096), {128, 128, 64, 2, 2, 4}, 2.02);
  near(integer(4096, 4096, 4096), {16, 128, 128, 1, 4, 4}, 4.69);
  near(integer(4096, 4080, 4096), {128, 80, 64, 4, 1, 4}, 2.53);
  near(integer(4096, 4096, 4096), {128, 112, 64, 4, 1, 4}, 2.45);
  near(integer(4096, 4096, 4096), {128, 80, 128, 4, 1, 3}, 2.51);
  near(weightOnly(64, 4096, 4096, 128), {64, 256, 64, 1, 4, 4}, 3.33);
  near(weightOnly(64, 4096, 4096, 0), {64, 256, 64, 1, 4, 4}, 2.69);
  near(weightOnly(16, 4096, 4096, 128), {16, 256, 128, 1, 4, 4}, 8.91);
}

TEST(BoundModel, EveryChipHasATileForEveryShape) {
  for (const Chip &chip : chips())
    for (int64_t m : {1, 16, 100, 4096})
      for (int64_t n : {1, 100, 4096})
        for (int64_t k : {1, 77, 4096}) {
          EXPECT_TRUE(chooseTile(chip, integer(m, n, k))) << chip.name.str();
          EXPECT_TRUE(chooseTile(chip, weightOnly(m, n, k, 0))) << chip.name.str();
        }
}

TEST(BoundModel, LlamaShapesStayNearTheRoofline) {
  const Chip &a100 = *findChip("sm_80");
  for (auto [n, k] :
       {std::pair<int64_t, int64_t>{12288, 4096}, {4096, 4096}, {22016, 4096}, {4096, 11008}})
    for (int64_t m : {1, 16, 256, 4096})
      for (const GemmProblem &p : {integer(m, n, k), weightOnly(m, n, k, 128)}) {
        std::optional<TileChoice> choice = chooseTile(a100, p);
        ASSERT_TRUE(choice);
        EXPECT_LE(choice->bound.cycles() / rooflineCycles(a100, p), 1.25)
            << m << "x" << n << "x" << k << " kind " << int(p.kind);
      }
}

TEST(BoundModel, SplitsFeedTheMemory) {
  const Chip &a100 = *findChip("sm_80");
  // Keys of grouped-query attention: 16 tiles of 64 columns cannot ask for all of the bandwidth.
  for (const GemmProblem &p : {integer(1, 1024, 8192), weightOnly(1, 1024, 8192, 128)}) {
    std::optional<TileChoice> choice = chooseTile(a100, p);
    ASSERT_TRUE(choice);
    EXPECT_GT(choice->tile.splits, 1);
    GemmTile whole = choice->tile;
    whole.splits = 1;
    EXPECT_GT(bound(a100, p, whole)->cycles(), 1.1 * choice->bound.cycles());
  }
  // Nothing to gain where there are tiles enough, and not done by kernels that have no splits.
  EXPECT_EQ(chooseTile(a100, integer(4096, 4096, 4096))->tile.splits, 1);
  GemmProblem batch = integer(1, 1024, 8192);
  batch.batch = 2;
  EXPECT_EQ(chooseTile(a100, batch)->tile.splits, 1);
}

TEST(BoundModel, SplitsAreCounted) {
  const Chip &a100 = *findChip("sm_80");
  GemmProblem p = integer(16, 64, 4096);
  GemmTile tile{16, 64, 128, 1, 4, 4};
  std::optional<Bound> whole = bound(a100, p, tile);
  tile.splits = 4;
  std::optional<Bound> split = bound(a100, p, tile);
  ASSERT_TRUE(whole && split);
  EXPECT_EQ(split->blocks, 4);
  EXPECT_DOUBLE_EQ(split->mma, whole->mma / 4);
  // Three round trips to L2, and its own sums and those of three others at 64 bytes a cycle.
  EXPECT_DOUBLE_EQ(split->epilogue - whole->epilogue, 3 * 300 + 4 * 16 * 64 * 4 / 64.0);
}

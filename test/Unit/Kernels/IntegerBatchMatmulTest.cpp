// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The int8 batched product in the emulator against lib/Numerics, bit for bit, on every chip.

#include "ptq/Kernels/IntegerBatchMatmul.h"
#include "KernelHarness.h"
#include "ptq/Numerics/IntegerMatmul.h"

#include <gtest/gtest.h>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

constexpr GemmTile large{128, 256, 64, 2, 4, 4}, square{128, 128, 64, 2, 2, 4},
    medium{64, 64, 128, 2, 2, 4}, small{16, 64, 64, 1, 4, 4};

struct Case {
  int64_t batch, m, n, k;
  GemmTile tile;
  enum Type { F16, BF16, F32 } output = F16;
  bool perTokenLeft = true, perTokenRight = true, dynamicN = false, dynamicK = false;
  const char *chip = "sm_80";
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.batch << " of " << c.m << "x" << c.n << "x" << c.k << " tile " << c.tile.blockM
            << "x" << c.tile.blockN << " output " << c.output << (c.dynamicN ? " dynamic n" : "")
            << (c.dynamicK ? " dynamic k" : "") << " on " << c.chip;
}

class IntegerBatchMatmul : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(IntegerBatchMatmul, EqualsNumerics) {
  const Case &c = GetParam();
  mlir::Builder b(&context());
  IntegerBatchMatmulSpec spec;
  spec.n = c.dynamicN ? spec.dynamic : c.n;
  spec.k = c.dynamicK ? spec.dynamic : c.k;
  spec.perTokenLeft = c.perTokenLeft;
  spec.perTokenRight = c.perTokenRight;
  spec.leftScaleType = b.getF32Type();
  spec.rightScaleType = b.getF16Type();
  spec.outputType = c.output == Case::F32    ? mlir::Type(b.getF32Type())
                    : c.output == Case::BF16 ? mlir::Type(b.getBF16Type())
                                             : mlir::Type(b.getF16Type());
  ASSERT_TRUE(isValidTile(spec, c.tile));

  std::vector<int8_t> left = randomCodes(c.batch * c.m * c.k, -128, 127, 1),
                      right = randomCodes(c.batch * c.n * c.k, -128, 127, 2);
  std::vector<float> leftScales = someFloats(c.perTokenLeft ? c.batch * c.m : 1, 0.01f),
                     rightScales = someFloats(c.perTokenRight ? c.batch * c.n : 1, 0.125f);
  Bytes rightBytes = toType(rightScales, spec.rightScaleType);
  rightScales = fromType(rightBytes, spec.rightScaleType);

  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) {
        emitIntegerBatchMatmul(module, "kernel", spec, c.tile);
      },
      c.chip);
  int64_t count = c.batch * c.m * c.n;
  KernelRun result =
      run(ptx, c.batch * c.tile.blocks(c.m, c.n), c.tile.threads(), sharedBytes(spec, c.tile),
          {bytesOf(left), bytesOf(leftScales), bytesOf(right), rightBytes},
          count * spec.outputType.getIntOrFloatBitWidth() / 8, c.m, {c.n, c.k});

  std::vector<float> actual = fromType(result.output, spec.outputType);
  std::vector<int32_t> sums(c.m * c.n);
  ASSERT_EQ(int64_t(actual.size()), count);
  for (int64_t i = 0; i < c.batch; ++i) {
    numerics::multiplyInt8({left.data() + i * c.m * c.k, c.m, c.k},
                           {right.data() + i * c.n * c.k, c.n, c.k}, {sums.data(), c.m, c.n});
    for (int64_t m = 0; m < c.m; ++m)
      for (int64_t n = 0; n < c.n; ++n) {
        float y = float(sums[m * c.n + n]) * rightScales[c.perTokenRight ? i * c.n + n : 0];
        y = y * leftScales[c.perTokenLeft ? i * c.m + m : 0];
        ASSERT_EQ(actual[(i * c.m + m) * c.n + n], roundTo(y, spec.outputType))
            << "in " << i << " at " << m << ", " << n;
      }
  }
  const emulator::MemoryCounters &shared = result.counters.total.shared;
  EXPECT_EQ(shared.wavefronts, shared.idealWavefronts);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, IntegerBatchMatmul,
    testing::Values(Case{2, 128, 256, 128, large, Case::F32}, Case{1, 1, 1, 1, small},
                    Case{5, 1, 200, 64, small, Case::BF16}, Case{3, 17, 64, 200, small},
                    Case{4, 33, 65, 77, medium, Case::F32}, Case{3, 2, 3, 5, medium},
                    Case{2, 200, 136, 96, square, Case::BF16, false, true},
                    Case{2, 70, 130, 130, square, Case::F16, true, false},
                    Case{3, 64, 72, 4, medium, Case::F32, false, false},
                    Case{7, 16, 40, 24, small, Case::F16}));

INSTANTIATE_TEST_SUITE_P(
    DynamicSizes, IntegerBatchMatmul,
    testing::Values(Case{3, 20, 50, 64, small, Case::F32, true, true, true, false},
                    Case{2, 40, 64, 75, medium, Case::F16, true, true, false, true},
                    Case{2, 65, 129, 192, square, Case::BF16, true, true, true, true},
                    Case{3, 1, 1, 1, small, Case::F32, true, true, true, true}));

INSTANTIATE_TEST_SUITE_P(
    Chips, IntegerBatchMatmul,
    testing::Values(Case{2, 65, 72, 80, medium, Case::F16, true, true, false, false, "sm_86"},
                    Case{2, 65, 72, 80, medium, Case::F32, true, true, false, false, "sm_89"},
                    Case{2, 65, 72, 80, medium, Case::BF16, true, true, false, false, "sm_90a"},
                    Case{2, 19, 33, 45, small, Case::F16, true, true, true, true, "sm_86"},
                    Case{2, 19, 33, 45, small, Case::F16, true, true, true, true, "sm_89"},
                    Case{2, 19, 33, 45, small, Case::F16, true, true, true, true, "sm_90a"}));

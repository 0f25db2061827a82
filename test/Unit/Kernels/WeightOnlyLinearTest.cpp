// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weight-only kernel in the emulator. Activations are integers and group scales powers of two,
// so that every product and sum is exact in float32 whatever the order: results must be equal bit
// for bit. Arbitrary scales are tested against the bound of their rounding.

#include "ptq/Kernels/WeightOnlyLinear.h"
#include "KernelHarness.h"
#include "ptq/Checkpoint/Float16.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

struct Case {
  int64_t m, n, k;
  unsigned bits;
  int64_t groupSize;
  GemmTile tile;
  bool bfloat = false, zeroPoints = false, bias = false, floatOutput = true;
  bool exact = true;
  const char *chip = "sm_80";
};

GemmTile split(GemmTile tile, int64_t splits) {
  tile.splits = splits;
  return tile;
}

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.m << "x" << c.n << "x" << c.k << " bits " << c.bits << " group " << c.groupSize
            << " tile " << c.tile.blockM << "x" << c.tile.blockN << "x" << c.tile.blockK << "/"
            << c.tile.warpsK << "/" << c.tile.splits << (c.bfloat ? " bf16" : " f16")
            << (c.zeroPoints ? " zero points" : "") << " " << c.chip;
}

class WeightOnlyLinear : public testing::TestWithParam<Case> {};

std::vector<uint16_t> narrow(const std::vector<float> &values, bool bfloat) {
  std::vector<uint16_t> bits;
  for (float value : values)
    bits.push_back(bfloat ? checkpoint::floatToBFloat16(value) : checkpoint::floatToHalf(value));
  return bits;
}

} // namespace

TEST_P(WeightOnlyLinear, EqualsReference) {
  const Case &c = GetParam();
  mlir::Builder b(&context());
  WeightOnlyLinearSpec spec;
  spec.n = c.n;
  spec.k = c.k;
  spec.bits = c.bits;
  spec.groupSize = c.groupSize;
  spec.zeroPoints = c.zeroPoints;
  spec.inputType = c.bfloat ? mlir::Type(b.getBF16Type()) : mlir::Type(b.getF16Type());
  spec.scaleType = b.getF32Type();
  spec.biasType = c.bias ? mlir::Type(b.getF32Type()) : mlir::Type();
  spec.outputType = c.floatOutput ? mlir::Type(b.getF32Type()) : spec.inputType;
  ASSERT_TRUE(isValidTile(spec, c.tile));

  int low = -(1 << (c.bits - 1)), high = -low - 1;
  std::vector<int8_t> integers = randomCodes(c.m * c.k, -8, 8, 1),
                      q = randomCodes(c.n * c.k, low, high, 2);
  std::vector<float> x(integers.begin(), integers.end());
  int64_t groupSize = c.groupSize ? c.groupSize : c.k, groups = c.k / groupSize;
  std::vector<int8_t> integerZero =
      randomCodes(c.n * groups, std::max(low, -8), std::min(high, 7), 3);
  std::vector<float> zero(integerZero.begin(), integerZero.end());
  std::vector<float> scales(c.n * groups), bias(c.n);
  std::vector<int8_t> exponents = randomCodes(c.n * groups, -3, 0, 4);
  for (size_t i = 0; i < scales.size(); ++i)
    scales[i] = c.exact && c.groupSize ? std::ldexp(1.0f, exponents[i])
                                       : 0.01f * (1 + (i * 37 % 101) / 101.0f);
  if (c.groupSize)
    for (float &scale : scales)
      scale = roundTo(scale, spec.inputType);
  for (int64_t i = 0; i < c.n; ++i)
    bias[i] = i % 13 - 6;

  WeightLayout layout = spec.layout();
  std::vector<Bytes> inputs{toType(x, spec.inputType), bytesOf(shuffleWeight(q, layout))};
  if (c.groupSize)
    inputs.push_back(bytesOf(shuffleGroups(narrow(scales, c.bfloat), groupSize, layout)));
  else
    inputs.push_back(bytesOf(scales));
  if (c.zeroPoints)
    inputs.push_back(bytesOf(shuffleGroups(narrow(zero, c.bfloat), groupSize, layout)));
  if (c.bias)
    inputs.push_back(bytesOf(bias));
  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) { emitWeightOnlyLinear(module, "kernel", spec, c.tile); },
      c.chip);
  KernelRun result =
      runTiles(ptx, c.tile, c.m, c.n, sharedBytes(spec, c.tile), inputs, spec.outputType);
  if (c.tile.splits > 1) // whichever block is the last
    for (uint64_t seed : {1, 2, 3})
      EXPECT_EQ(result.output, runTiles(ptx, c.tile, c.m, c.n, sharedBytes(spec, c.tile), inputs,
                                        spec.outputType, {}, seed)
                                   .output);

  std::vector<float> actual = fromType(result.output, spec.outputType);
  ASSERT_EQ(actual.size(), size_t(c.m * c.n));
  double unit = c.bfloat ? std::ldexp(1.0, -9) : std::ldexp(1.0, -12);
  for (int64_t m = 0; m < c.m; ++m)
    for (int64_t n = 0; n < c.n; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < c.k; ++k) {
        int64_t group = n * groups + k / groupSize;
        double w = q[n * c.k + k] - (c.zeroPoints ? integerZero[group] : 0);
        if (c.groupSize)
          w *= scales[group];
        sum += x[m * c.k + k] * w;
        magnitude += std::abs(x[m * c.k + k] * w);
      }
      float y = sum;
      if (!c.groupSize)
        y *= scales[n];
      if (c.bias)
        y += bias[n];
      float got = actual[m * c.n + n];
      if (c.exact)
        ASSERT_EQ(got, roundTo(y, spec.outputType)) << "at " << m << ", " << n;
      else // the scaled weight is rounded; sums as the tensor core's
        ASSERT_NEAR(got, y, magnitude * (unit + c.k / 8 * 5.5 * std::ldexp(1.0, -23)))
            << "at " << m << ", " << n;
    }
  const emulator::MemoryCounters &shared = result.counters.total.shared;
  EXPECT_EQ(shared.wavefronts, shared.idealWavefronts);
}

static constexpr GemmTile large{128, 256, 64, 2, 4, 3}, wide{64, 256, 64, 1, 4, 4},
    deep{16, 64, 128, 1, 1, 4, 4}, flat{16, 256, 128, 1, 4, 4}, half{64, 128, 64, 1, 2, 4, 2};

INSTANTIATE_TEST_SUITE_P(
    Shapes, WeightOnlyLinear,
    testing::Values(
        Case{64, 256, 256, 4, 128, wide}, Case{65, 300, 192, 4, 64, wide, false, false, true},
        Case{1, 64, 128, 4, 0, deep}, Case{16, 64, 512, 4, 128, deep, false, true},
        Case{17, 130, 96, 4, 32, deep, false, true, true}, Case{130, 256, 128, 4, 32, large},
        Case{16, 256, 384, 4, 128, flat}, Case{3, 200, 320, 4, 16, flat, true, true},
        Case{70, 128, 128, 4, 64, half, true},
        Case{5, 70, 72, 4, 0, half, false, true, false, false},
        Case{9, 65, 33, 4, 0, deep, false, false, true}, // x: rows of odd length
        Case{40, 96, 128, 8, 64, half}, Case{20, 64, 144, 8, 0, deep, false, true},
        Case{33, 96, 96, 4, 48, wide}, // a group that is no power of two
        Case{24, 128, 256, 4, 128, deep, false, true, false, true, false},
        Case{24, 128, 256, 4, 64, wide, true, false, false, true, false},
        // bfloat, zeroPoints, bias
        Case{40, 96, 128, 8, 64, half, true, true, true}, Case{16, 130, 192, 8, 32, flat, true},
        Case{9, 65, 33, 8, 0, deep, true, true}, Case{64, 256, 256, 3, 128, wide, false, true},
        Case{17, 130, 96, 3, 32, deep, true, true, true}, Case{130, 256, 128, 3, 32, large},
        Case{1, 65, 33, 3, 0, deep, false, true}, Case{64, 256, 256, 2, 128, wide, true, true},
        Case{3, 200, 320, 2, 16, flat, false, true, true}, Case{70, 128, 128, 2, 64, half},
        Case{5, 70, 72, 2, 0, deep, true}));

INSTANTIATE_TEST_SUITE_P(
    Splits, WeightOnlyLinear,
    testing::Values(Case{1, 64, 256, 4, 0, split(deep, 2)},
                    Case{16, 128, 1024, 4, 128, split(deep, 8)},
                    Case{17, 130, 480, 4, 32, split(deep, 3), false, true, true},
                    Case{16, 256, 640, 4, 128, split(flat, 5)},
                    Case{70, 128, 320, 4, 64, split(half, 2), true},
                    Case{5, 70, 200, 4, 0, split(half, 4), false, true, false, false},
                    Case{65, 300, 192, 4, 64, split(wide, 3), false, false, true},
                    Case{130, 256, 384, 4, 192, split(large, 4)}, // tiles that share a group
                    Case{17, 130, 384, 3, 96, split(deep, 3), true, true, true},
                    Case{40, 96, 256, 8, 64, split(half, 3), true, true, true},
                    Case{24, 128, 1024, 4, 128, split(deep, 5), false, true, false, true, false},
                    Case{24, 128, 512, 4, 64, split(wide, 4), true, false, false, true, false}));

/// The narrow types' kernels and 8 bits in bf16 with every chip's instructions.
static std::vector<Case> casesOfChips() {
  std::vector<Case> cases;
  for (const char *chip : {"sm_86", "sm_89", "sm_90a"})
    for (unsigned bits : {2u, 3u, 4u, 8u})
      for (bool bfloat : {false, true}) {
        Case c{19, 72, 160, bits, 32, deep, bfloat, true, true};
        c.chip = chip;
        c.tile.splits = bits == 4 ? 2 : 1;
        cases.push_back(c);
      }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Chips, WeightOnlyLinear, testing::ValuesIn(casesOfChips()));

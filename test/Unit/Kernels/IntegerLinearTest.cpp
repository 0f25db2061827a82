// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W8A8 kernel in the emulator against lib/Numerics: integer sums bit for bit, what follows in
// float32 in the order that the kernel's header states, so bit for bit too.

#include "ptq/Kernels/IntegerLinear.h"
#include "KernelHarness.h"
#include "ptq/Numerics/IntegerMatmul.h"

#include <gtest/gtest.h>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

struct Case {
  int64_t m, n, k;
  GemmTile tile;
  enum Type { F16, BF16, F32 } output = F16;
  bool zeroPoints = false, bias = false, perToken = true, perChannel = true;
  const char *chip = "sm_80";
};

GemmTile split(GemmTile tile, int64_t splits) {
  tile.splits = splits;
  return tile;
}

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.m << "x" << c.n << "x" << c.k << " tile " << c.tile.blockM << "x" << c.tile.blockN
            << "x" << c.tile.blockK << "/" << c.tile.splits << " output " << c.output
            << (c.zeroPoints ? " zero points" : "") << (c.bias ? " bias" : "") << " " << c.chip;
}

mlir::Type type(Case::Type type) {
  mlir::Builder b(&context());
  return type == Case::F32    ? mlir::Type(b.getF32Type())
         : type == Case::BF16 ? mlir::Type(b.getBF16Type())
                              : mlir::Type(b.getF16Type());
}

class IntegerLinear : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(IntegerLinear, EqualsNumerics) {
  const Case &c = GetParam();
  mlir::Builder b(&context());
  IntegerLinearSpec spec;
  spec.n = c.n;
  spec.k = c.k;
  spec.perTokenScale = c.perToken;
  spec.perChannelScale = c.perChannel;
  spec.inputScaleType = spec.weightScaleType = b.getF32Type();
  spec.zeroPointType = c.zeroPoints ? mlir::Type(b.getI8Type()) : mlir::Type();
  spec.biasType = c.bias ? mlir::Type(b.getF32Type()) : mlir::Type();
  spec.outputType = type(c.output);
  ASSERT_TRUE(isValidTile(spec, c.tile));

  std::vector<int8_t> q = randomCodes(c.m * c.k, -128, 127, 1),
                      w = randomCodes(c.n * c.k, -127, 127, 2);
  ScaledLayer layer(c.m, c.n, w, c.perToken, c.perChannel, -128);

  std::vector<Bytes> inputs{bytesOf(q), bytesOf(layer.inputScales)};
  if (c.zeroPoints)
    inputs.insert(inputs.end(), {bytesOf(layer.zeroPoints), bytesOf(layer.weightSums)});
  inputs.insert(inputs.end(), {bytesOf(w), bytesOf(layer.weightScales)});
  if (c.bias)
    inputs.push_back(bytesOf(layer.bias));
  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, c.tile); },
      c.chip);
  KernelRun result =
      runTiles(ptx, c.tile, c.m, c.n, sharedBytes(spec, c.tile), inputs, spec.outputType);

  std::vector<int32_t> sums(c.m * c.n);
  numerics::multiplyInt8({q.data(), c.m, c.k}, {w.data(), c.n, c.k}, {sums.data(), c.m, c.n});
  layer.expectResult(sums, fromType(result.output, spec.outputType), spec.outputType, c.zeroPoints,
                     c.bias);
  const emulator::MemoryCounters &shared = result.counters.total.shared;
  EXPECT_EQ(shared.wavefronts, shared.idealWavefronts);
}

static constexpr GemmTile large{128, 256, 64, 2, 4, 4}, square{128, 128, 64, 2, 2, 4},
    medium{64, 64, 128, 2, 2, 4}, small{16, 64, 128, 1, 4, 4};

INSTANTIATE_TEST_SUITE_P(
    Shapes, IntegerLinear,
    testing::Values(Case{128, 256, 256, large}, Case{129, 257, 320, large, Case::F32},
                    Case{200, 136, 192, square, Case::BF16}, Case{1, 64, 128, small},
                    Case{17, 72, 144, small, Case::F32, true, true}, Case{64, 64, 512, medium},
                    Case{70, 130, 130, medium, Case::F16, false, true}, // k: 2 of 4 bytes
                    Case{5, 3, 1, small, Case::F32}, Case{33, 65, 77, medium, Case::F32, true},
                    Case{40, 48, 100, medium, Case::F16, false, false, false, false},
                    Case{1, 1, 16, small, Case::BF16}, Case{100, 64, 24, square, Case::F16, true}));

// Columns that are no power of two; rows that are copied by 16, 4, 2 bytes and 1.
static constexpr GemmTile columns80{128, 80, 128, 4, 1, 3}, columns112{128, 112, 64, 4, 1, 4};

INSTANTIATE_TEST_SUITE_P(
    UnevenTiles, IntegerLinear,
    testing::Values(Case{128, 80, 256, columns80}, Case{130, 163, 320, columns80, Case::F32},
                    Case{70, 81, 130, columns80, Case::BF16, true, true},
                    Case{7, 90, 77, {128, 80, 64, 4, 1, 4}, Case::F16},
                    Case{200, 240, 192, columns112},
                    Case{33, 111, 132, columns112, Case::F32, true},
                    Case{100, 200, 640, split(columns112, 3), Case::F32, false, true}));

INSTANTIATE_TEST_SUITE_P(
    Splits, IntegerLinear,
    testing::Values(Case{1, 64, 256, split(small, 2)}, Case{16, 128, 1024, split(small, 8)},
                    // 7 tiles along k: 3, 2 and 2; a ragged last one
                    Case{17, 72, 830, split(small, 3), Case::F32, true, true},
                    Case{70, 130, 642, split(medium, 5), Case::F16, false, true},
                    Case{5, 3, 129, split(small, 2), Case::F32}, // rows of odd length
                    Case{129, 257, 320, split(large, 2), Case::BF16},
                    Case{200, 136, 192, split(square, 3), Case::F32, false, false, false, false}));

/// Every chip's instructions.
static std::vector<Case> casesOfChips() {
  std::vector<Case> cases;
  for (const char *chip : {"sm_86", "sm_89", "sm_90a"})
    for (int64_t splits : {1, 3})
      cases.push_back({19, 72, 400, split(small, splits), Case::F16, true, true, true, true, chip});
  return cases;
}

static constexpr GemmTile wgmma256{128, 256, 128, 8, 1, 4, 1, 1, true},
    wgmma128{128, 128, 128, 8, 1, 5, 1, 1, true}, wgmma64{64, 64, 128, 4, 1, 4, 1, 1, true},
    wgmma80{64, 80, 128, 4, 1, 3, 1, 1, true};

INSTANTIATE_TEST_SUITE_P(
    Warpgroups, IntegerLinear,
    testing::Values(
        Case{128, 256, 256, wgmma256, Case::F16, false, false, true, true, "sm_90a"},
        Case{129, 257, 320, wgmma256, Case::F32, true, true, true, true, "sm_90a"},
        Case{200, 136, 1024, wgmma128, Case::BF16, false, true, true, true, "sm_90a"},
        Case{1, 64, 128, wgmma64, Case::F16, false, false, true, true, "sm_90a"},
        Case{70, 130, 130, wgmma64, Case::F16, true, true, true, true, "sm_90a"}, // k: 2 of 4 bytes
        Case{5, 3, 1, wgmma64, Case::F32, false, false, true, true, "sm_90a"},
        Case{33, 65, 77, wgmma64, Case::F32, true, false, true, true, "sm_90a"},
        Case{100, 163, 644, wgmma80, Case::F16, false, false, false, false, "sm_90a"},
        Case{130, 200, 1100, split(wgmma128, 3), Case::F32, true, true, true, true, "sm_90a"},
        Case{17, 72, 830, split(wgmma64, 5), Case::F16, false, true, true, true, "sm_90a"}));

INSTANTIATE_TEST_SUITE_P(Chips, IntegerLinear, testing::ValuesIn(casesOfChips()));

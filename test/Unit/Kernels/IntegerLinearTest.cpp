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
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.m << "x" << c.n << "x" << c.k << " tile " << c.tile.blockM << "x" << c.tile.blockN
            << "x" << c.tile.blockK << " output " << c.output
            << (c.zeroPoints ? " zero points" : "") << (c.bias ? " bias" : "");
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
  std::vector<int8_t> z = randomCodes(c.perToken ? c.m : 1, -128, 127, 3);
  std::vector<int32_t> weightSums(c.n);
  for (int64_t i = 0; i < c.n * c.k; ++i)
    weightSums[i / c.k] += w[i];
  std::vector<float> inputScales = someFloats(c.perToken ? c.m : 1, 0.01f),
                     weightScales = someFloats(c.perChannel ? c.n : 1, 0.001f),
                     bias = someFloats(c.n, -0.3f);

  std::vector<Bytes> inputs{bytesOf(q), bytesOf(inputScales)};
  if (c.zeroPoints)
    inputs.insert(inputs.end(), {bytesOf(z), bytesOf(weightSums)});
  inputs.insert(inputs.end(), {bytesOf(w), bytesOf(weightScales)});
  if (c.bias)
    inputs.push_back(bytesOf(bias));
  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, c.tile); });
  int64_t elementBytes = spec.outputType.getIntOrFloatBitWidth() / 8;
  KernelRun result = run(ptx, c.tile.blocks(c.m, c.n), c.tile.threads(), sharedBytes(spec, c.tile),
                         inputs, c.m * c.n * elementBytes, c.m);

  std::vector<int32_t> sums(c.m * c.n);
  numerics::multiplyInt8({q.data(), c.m, c.k}, {w.data(), c.n, c.k}, {sums.data(), c.m, c.n});
  std::vector<float> actual = fromType(result.output, spec.outputType);
  ASSERT_EQ(actual.size(), sums.size());
  for (int64_t m = 0; m < c.m; ++m)
    for (int64_t n = 0; n < c.n; ++n) {
      int32_t sum = sums[m * c.n + n];
      if (c.zeroPoints)
        sum -= z[c.perToken ? m : 0] * weightSums[n];
      float y = float(sum) * weightScales[c.perChannel ? n : 0];
      y = y * inputScales[c.perToken ? m : 0];
      if (c.bias)
        y = y + bias[n];
      ASSERT_EQ(actual[m * c.n + n], roundTo(y, spec.outputType)) << "at " << m << ", " << n;
    }
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

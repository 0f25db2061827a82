// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W4A8 and W4A4 kernels in the emulator against lib/Numerics: integer sums bit for bit, what
// follows in float32 in the order that the kernel's header states, so bit for bit too.

#include "ptq/Kernels/PackedIntegerLinear.h"
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
  unsigned activationBits = 8;
  int64_t groupSize = 0;
  enum Type { F16, BF16, F32 } output = F16;
  bool zeroPoints = false, bias = false, perToken = true, perChannel = true;
  const char *chip = "sm_80";
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.chip << " " << c.m << "x" << c.n << "x" << c.k << " tile " << c.tile.blockM << "x"
            << c.tile.blockN << "x" << c.tile.blockK << " A" << c.activationBits << " group "
            << c.groupSize << " output " << c.output << (c.zeroPoints ? " zero points" : "")
            << (c.bias ? " bias" : "");
}

mlir::Type type(Case::Type type) {
  mlir::Builder b(&context());
  return type == Case::F32    ? mlir::Type(b.getF32Type())
         : type == Case::BF16 ? mlir::Type(b.getBF16Type())
                              : mlir::Type(b.getF16Type());
}

PackedIntegerLinearSpec specOf(const Case &c) {
  mlir::Builder b(&context());
  PackedIntegerLinearSpec spec;
  spec.linear.n = c.n;
  spec.linear.k = c.k;
  spec.linear.perTokenScale = c.perToken;
  spec.linear.perChannelScale = c.perChannel;
  spec.linear.inputScaleType = spec.linear.weightScaleType = b.getF32Type();
  spec.linear.zeroPointType = c.zeroPoints ? mlir::Type(b.getI8Type()) : mlir::Type();
  spec.linear.biasType = c.bias ? mlir::Type(b.getF32Type()) : mlir::Type();
  spec.linear.outputType = type(c.output);
  spec.activationBits = c.activationBits;
  spec.groupSize = c.groupSize;
  return spec;
}

/// A weight in the kernel's order, and the integers that it stands for.
struct Weight {
  std::vector<Bytes> inputs;
  std::vector<int8_t> integers;
};

/// Codes in two's complement, all of them.
Weight plainWeight(const Case &c, const PackedIntegerLayout &layout) {
  Weight weight;
  weight.integers = randomCodes(c.n * c.k, -8, 7, 2);
  weight.inputs = {bytesOf(shuffleWeight(weight.integers, layout))};
  return weight;
}

/// Progressive groups whose integers reach both ends of int8.
Weight groupedWeight(const Case &c, const PackedIntegerLayout &layout) {
  Weight weight;
  int64_t groups = c.k / c.groupSize;
  std::vector<int8_t> codes = randomCodes(c.n * c.k, 0, 15, 4),
                      scaleCodes = randomCodes(c.n * groups, 1, 17, 5),
                      zeroCodes = randomCodes(c.n * groups, 0, 15, 6);
  std::vector<uint8_t> scales(scaleCodes.begin(), scaleCodes.end());
  std::vector<uint8_t> zeroPoints(zeroCodes.begin(), zeroCodes.end());
  weight.integers.resize(codes.size());
  for (int64_t i = 0; i < c.n * c.k; ++i) {
    int64_t group = i / c.k * groups + i % c.k / c.groupSize;
    int s = scales[group], z = zeroPoints[group];
    // Only codes whose integer is one of int8 may occur.
    int least = std::max(0, z - 128 / s), most = std::min(15, z + 127 / s);
    codes[i] = std::clamp<int>(codes[i], least, most);
    weight.integers[i] = (codes[i] - z) * s;
  }
  weight.inputs = {bytesOf(shuffleWeight(codes, layout)),
                   bytesOf(shuffleGroups(scales, zeroPoints, c.groupSize, layout))};
  return weight;
}

/// Two codes in a byte, rows padded.
std::vector<uint8_t> packRows(llvm::ArrayRef<int8_t> codes, int64_t m, int64_t k, int64_t padded) {
  std::vector<uint8_t> bytes(m * padded / 2);
  for (int64_t i = 0; i < m * k; ++i)
    bytes[i / k * (padded / 2) + i % k / 2] |= (codes[i] & 0xf) << (i % k % 2 * 4);
  return bytes;
}

class PackedIntegerLinear : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(PackedIntegerLinear, EqualsNumerics) {
  const Case &c = GetParam();
  PackedIntegerLinearSpec spec = specOf(c);
  ASSERT_TRUE(isValidTile(spec, c.tile)) << whyUnsupported(spec).str();
  PackedIntegerLayout layout = spec.layout();

  int low = c.activationBits == 4 ? -8 : -128;
  std::vector<int8_t> q = randomCodes(c.m * c.k, low, -1 - low, 1);
  Weight weight = c.groupSize ? groupedWeight(c, layout) : plainWeight(c, layout);
  ScaledLayer layer(c.m, c.n, weight.integers, c.perToken, c.perChannel, low);

  Bytes activations = bytesOf(q);
  if (c.activationBits == 4)
    activations = bytesOf(packRows(q, c.m, c.k, layout.paddedK()));
  std::vector<Bytes> inputs{activations, bytesOf(layer.inputScales)};
  if (c.zeroPoints)
    inputs.insert(inputs.end(), {bytesOf(layer.zeroPoints), bytesOf(layer.weightSums)});
  inputs.insert(inputs.end(), weight.inputs.begin(), weight.inputs.end());
  inputs.push_back(bytesOf(layer.weightScales));
  if (c.bias)
    inputs.push_back(bytesOf(layer.bias));
  std::string ptx = compile(
      [&](mlir::gpu::GPUModuleOp module) {
        emitPackedIntegerLinear(module, "kernel", spec, c.tile);
      },
      c.chip);
  int64_t elementBytes = spec.linear.outputType.getIntOrFloatBitWidth() / 8;
  KernelRun result = run(ptx, c.tile.blocks(c.m, c.n), c.tile.threads(), sharedBytes(spec, c.tile),
                         inputs, c.m * c.n * elementBytes, c.m);

  std::vector<int32_t> sums(c.m * c.n);
  numerics::multiplyInt8({q.data(), c.m, c.k}, {weight.integers.data(), c.n, c.k},
                         {sums.data(), c.m, c.n});
  layer.expectResult(sums, fromType(result.output, spec.linear.outputType), spec.linear.outputType,
                     c.zeroPoints, c.bias);
  const emulator::MemoryCounters &shared = result.counters.total.shared;
  EXPECT_EQ(shared.wavefronts, shared.idealWavefronts);
}

TEST(PackedIntegerLinearSpec, DeclinesWhatItCannot) {
  Case c{1, 32, 64, {}};
  EXPECT_EQ(whyUnsupported(specOf(c)), "");
  c.k = 1 << 17;
  EXPECT_NE(whyUnsupported(specOf(c)), "");
  c = {1, 32, 96, {}, 8, 64};
  EXPECT_NE(whyUnsupported(specOf(c)), "");
  c = {1, 32, 128, {}, 4, 64};
  EXPECT_NE(whyUnsupported(specOf(c)), "");
}

static constexpr GemmTile large{128, 256, 64, 2, 4, 4}, square{128, 128, 64, 2, 2, 4},
    medium{64, 64, 128, 2, 2, 4}, small{16, 128, 128, 1, 4, 4}, large4{128, 256, 128, 2, 4, 3},
    medium4{64, 64, 256, 2, 2, 4}, small4{16, 128, 128, 1, 4, 4};

INSTANTIATE_TEST_SUITE_P(
    PerChannel, PackedIntegerLinear,
    testing::Values(
        Case{128, 256, 256, large}, Case{129, 257, 320, large, 8, 0, Case::F32},
        Case{130, 136, 192, square, 8, 0, Case::BF16, false, false, true, true, "sm_86"},
        Case{1, 64, 128, small, 8, 0, Case::F16, false, false, true, true, "sm_90a"},
        Case{17, 72, 144, small, 8, 0, Case::F32, true, true}, Case{64, 64, 512, medium},
        Case{70, 130, 130, medium, 8, 0, Case::F16, false, true},
        Case{5, 3, 1, small, 8, 0, Case::F32},
        Case{33, 65, 77, medium, 8, 0, Case::F32, true, false, true, true, "sm_89"},
        Case{40, 48, 100, medium, 8, 0, Case::F16, false, false, false, false},
        Case{1, 1, 16, small, 8, 0, Case::BF16}, Case{100, 64, 24, square, 8, 0, Case::F16, true}));

INSTANTIATE_TEST_SUITE_P(
    FourBits, PackedIntegerLinear,
    testing::Values(Case{128, 256, 256, large4, 4},
                    Case{129, 257, 320, large4, 4, 0, Case::F32, false, false, true, true, "sm_86"},
                    Case{64, 64, 512, medium4, 4, 0, Case::F16, false, false, true, true, "sm_89"},
                    Case{70, 130, 130, medium4, 4, 0, Case::BF16, false, true},
                    Case{5, 3, 1, small4, 4, 0, Case::F32},
                    Case{33, 65, 77, medium4, 4, 0, Case::F32, true, true},
                    Case{1, 40, 200, small4, 4, 0, Case::F32, false, false, false, false}));

INSTANTIATE_TEST_SUITE_P(
    Groups, PackedIntegerLinear,
    testing::Values(Case{128, 256, 256, large, 8, 128},
                    Case{129, 257, 384, large, 8, 128, Case::F32, false, true, true, true, "sm_86"},
                    Case{130, 136, 192, square, 8, 64, Case::BF16},
                    Case{64, 64, 512, medium, 8, 256, Case::F32, true, false, true, true, "sm_89"},
                    Case{70, 130, 288, medium, 8, 96, Case::F16, false, true},
                    Case{17, 72, 160, small, 8, 32, Case::F32, true, true},
                    Case{1, 64, 128, small, 8, 128, Case::F16, false, false, true, true, "sm_90a"},
                    Case{5, 3, 32, small, 8, 32, Case::F32, false, false, false, false}));

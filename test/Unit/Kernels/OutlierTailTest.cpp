// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLM.int8() in the emulator: the W8A8 kernel with outlier columns, where all partial sums are
// exact, exactly; where they are not, within the bound that the tail's header states.

#include "KernelHarness.h"
#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Numerics/IntegerMatmul.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace ptq;
using namespace ptq::kernels;
using namespace ptq::kernels::test;

namespace {

constexpr GemmTile large{128, 256, 64, 2, 4, 4}, square{128, 128, 64, 2, 2, 4},
    medium{64, 64, 128, 2, 2, 4}, small{16, 64, 64, 1, 4, 4};

struct Case {
  int64_t m, n, k, outliers;
  GemmTile tile;
  bool bfloat = false, dynamic = false, zeroPoints = false, bias = false;
  const char *chip = "sm_80";
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.m << "x" << c.n << "x" << c.k << " + " << c.outliers << " tile " << c.tile.blockM
            << "x" << c.tile.blockN << (c.bfloat ? " bf16" : " f16")
            << (c.dynamic ? " dynamic" : "") << (c.zeroPoints ? " zero points" : "")
            << (c.bias ? " bias" : "") << " on " << c.chip;
}

/// The operands of a layer, the result of the kernel, and what it should be in double.
class OutlierTail : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    mlir::Builder b(&context());
    spec.n = c.n;
    spec.k = c.k;
    spec.inputScaleType = spec.weightScaleType = spec.outputType = b.getF32Type();
    spec.zeroPointType = c.zeroPoints ? mlir::Type(b.getI8Type()) : mlir::Type();
    spec.biasType = c.bias ? mlir::Type(b.getF32Type()) : mlir::Type();
    spec.outlierType = c.bfloat ? mlir::Type(b.getBF16Type()) : mlir::Type(b.getF16Type());
    spec.outlierColumns = c.dynamic ? IntegerLinearSpec::dynamicOutliers : c.outliers;
    ASSERT_TRUE(isValidTile(spec, c.tile));
    q = randomCodes(c.m * c.k, -128, 127, 1);
    w = randomCodes(c.n * c.k, -127, 127, 2);
    z = randomCodes(c.m, -16, 15, 3);
    // Small integers, as floats.
    auto integers = [](int64_t count, unsigned seed) {
      std::vector<int8_t> codes = randomCodes(count, -15, 15, seed);
      return std::vector<float>(codes.begin(), codes.end());
    };
    outliers = integers(c.m * c.outliers, 4);
    outlierWeights = integers(c.n * c.outliers, 5);
    bias = integers(c.n, 6);
    for (int64_t m = 0; m < c.m; ++m)
      inputScales.push_back(std::exp2(m % 3 - 1));
    for (int64_t n = 0; n < c.n; ++n)
      weightScales.push_back(std::exp2(n % 3 - 2));
  }

  std::vector<float> runKernel() {
    std::vector<int32_t> weightSums(c.n);
    for (int64_t i = 0; i < c.n * c.k; ++i)
      weightSums[i / c.k] += w[i];
    std::vector<Bytes> inputs{bytesOf(q), bytesOf(inputScales)};
    if (c.zeroPoints)
      inputs.insert(inputs.end(), {bytesOf(z), bytesOf(weightSums)});
    inputs.insert(inputs.end(),
                  {bytesOf(w), bytesOf(weightScales), toType(outliers, spec.outlierType),
                   toType(outlierWeights, spec.outlierType)});
    if (c.bias)
      inputs.push_back(bytesOf(bias));
    std::string ptx = compile(
        [&](mlir::gpu::GPUModuleOp module) { emitIntegerLinear(module, "kernel", spec, c.tile); },
        c.chip);
    std::vector<int64_t> more;
    if (c.dynamic)
      more.push_back(c.outliers);
    KernelRun result = run(ptx, c.tile.blocks(c.m, c.n), c.tile.threads(),
                           sharedBytes(spec, c.tile), inputs, c.m * c.n * 4, c.m, more);
    const emulator::MemoryCounters &shared = result.counters.total.shared;
    EXPECT_EQ(shared.wavefronts, shared.idealWavefronts);
    return fromType(result.output, spec.outputType);
  }

  /// y(m, n) and the sum of the magnitudes that the tail adds up.
  std::pair<double, double> expected(int64_t m, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 0; i < c.k; ++i)
      sum += (q[m * c.k + i] - (c.zeroPoints ? z[m] : 0)) * w[n * c.k + i];
    double y = float(sum) * weightScales[n] * inputScales[m], magnitude = std::abs(y);
    for (int64_t j = 0; j < c.outliers; ++j) {
      double product = double(outliers[m * c.outliers + j]) * outlierWeights[n * c.outliers + j];
      y += product;
      magnitude += std::abs(product);
    }
    return {y + (c.bias ? bias[n] : 0), magnitude};
  }

  const Case &c = GetParam();
  IntegerLinearSpec spec;
  std::vector<int8_t> q, w, z;
  std::vector<float> outliers, outlierWeights, bias, inputScales, weightScales;
};

} // namespace

TEST_P(OutlierTail, IsExactWhereSumsAre) {
  std::vector<float> actual = runKernel();
  for (int64_t m = 0; m < c.m; ++m)
    for (int64_t n = 0; n < c.n; ++n) {
      auto [y, magnitude] = expected(m, n);
      // Scales are at least 2^-3.
      ASSERT_LT(magnitude * 8, std::exp2(24)) << "the test's data are not exact";
      ASSERT_EQ(actual[m * c.n + n], y) << "at " << m << ", " << n;
    }
}

TEST_P(OutlierTail, IsWithinTheBound) {
  // Any floats, of the outliers' type.
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  for (float &value : outliers)
    value = roundTo(20 * normal(generator), spec.outlierType);
  for (float &value : outlierWeights)
    value = roundTo(normal(generator), spec.outlierType);
  for (float &scale : inputScales)
    scale *= 0.0037f;
  std::vector<float> actual = runKernel();
  double steps = (c.outliers + 15) / 16, unit = std::exp2(-23);
  for (int64_t m = 0; m < c.m; ++m)
    for (int64_t n = 0; n < c.n; ++n) {
      auto [y, magnitude] = expected(m, n);
      // The tail's; the scaled sum's three roundings; the bias's.
      double bound = (steps * 2 * 5.5 + 2) * unit * magnitude + unit * (std::abs(y) + magnitude);
      ASSERT_LE(std::abs(actual[m * c.n + n] - y), bound) << "at " << m << ", " << n;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, OutlierTail,
    testing::Values(Case{128, 256, 64, 32, large}, Case{130, 250, 96, 40, large, true},
                    Case{1, 64, 48, 1, small}, Case{17, 72, 80, 7, small, false, false, true, true},
                    Case{70, 130, 33, 70, medium, true, false, true},
                    Case{100, 96, 64, 6, square, false, false, false, true},
                    Case{3, 5, 1, 100, medium}, Case{33, 65, 30, 16, small, true}));

INSTANTIATE_TEST_SUITE_P(DynamicColumns, OutlierTail,
                         testing::Values(Case{128, 200, 64, 33, large, false, true, false, true},
                                         Case{18, 64, 48, 0, small, false, true},
                                         Case{65, 70, 40, 64, medium, true, true},
                                         Case{1, 1, 1, 1, small, true, true}));

INSTANTIATE_TEST_SUITE_P(
    Chips, OutlierTail,
    testing::Values(Case{20, 72, 64, 24, small, false, false, false, true, "sm_86"},
                    Case{20, 72, 64, 24, small, true, true, true, false, "sm_86"},
                    Case{20, 72, 64, 24, small, false, false, false, true, "sm_89"},
                    Case{20, 72, 64, 24, small, true, true, true, false, "sm_89"},
                    Case{20, 72, 64, 24, small, false, false, false, true, "sm_90a"},
                    Case{20, 72, 64, 24, small, true, true, true, false, "sm_90a"}));

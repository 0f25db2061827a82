// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales in 8 bits: blocks, error bounds, sizes.

#include "ptq/Numerics/DoubleQuantization.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace ptq::numerics;

namespace {

std::vector<float> someScales(int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::lognormal_distribution<float> distribution(-3.0f, 0.4f);
  std::vector<float> scales(count);
  for (float &scale : scales)
    scale = distribution(engine);
  return scales;
}

TEST(DoubleQuantization, TableIsLinear) {
  llvm::ArrayRef<float> table = scaleCodebook();
  ASSERT_EQ(table.size(), 256u);
  EXPECT_EQ(table[128], 0.0f);
  EXPECT_EQ(table[255], 1.0f);
  EXPECT_EQ(table[1], -1.0f);
  for (int i = 1; i < 256; ++i)
    EXPECT_NEAR(table[i] - table[i - 1], 1.0 / 127, 1e-7);
}

TEST(DoubleQuantization, BlocksOf256TheLastOneShorter) {
  for (int64_t count : {1, 255, 256, 257, 1000}) {
    std::vector<float> scales = someScales(count, 5);
    QuantizedScales quantized = quantizeScales(scales);
    ASSERT_EQ(int64_t(quantized.codes.size()), count);
    ASSERT_EQ(int64_t(quantized.blockScales.size()), (count + 255) / 256);
    double sum = 0;
    for (float scale : scales)
      sum += scale;
    EXPECT_FLOAT_EQ(quantized.mean, float(sum / double(count)));
    std::vector<float> back = dequantizeScales(quantized);
    for (int64_t block = 0; block * 256 < count; ++block) {
      float absmax = 0;
      for (int64_t i = block * 256; i < std::min(count, block * 256 + 256); ++i)
        absmax = std::max(absmax, std::fabs(scales[i] - quantized.mean));
      EXPECT_EQ(quantized.blockScales[block], absmax > 0 ? absmax : 1.0f);
      // Half a step, and the last bits of a sum.
      for (int64_t i = block * 256; i < std::min(count, block * 256 + 256); ++i)
        ASSERT_NEAR(back[i], scales[i], absmax / 254 * 1.001 + 1e-7 * quantized.mean) << i;
    }
  }
}

TEST(DoubleQuantization, EqualScalesAreExact) {
  std::vector<float> scales(300, 0.125f);
  EXPECT_EQ(dequantizeScales(quantizeScales(scales)), scales);
  EXPECT_TRUE(quantizeScales({}).codes.empty());
}

TEST(DoubleQuantization, RelativeErrorOfTypicalScales) {
  std::vector<float> scales = someScales(4096, 9), back = dequantizeScales(quantizeScales(scales));
  double error = 0, whole = 0;
  for (size_t i = 0; i < scales.size(); ++i) {
    error += (double(back[i]) - scales[i]) * (double(back[i]) - scales[i]);
    whole += double(scales[i]) * scales[i];
  }
  EXPECT_LT(std::sqrt(error / whole), 0.008);
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales in 8 bits.

#include "ptq/Numerics/DoubleQuantization.h"
#include "ptq/Numerics/Codebook.h"
#include <algorithm>
#include <cmath>

namespace ptq::numerics {
namespace {

constexpr int32_t zeroEntry = 128;

std::vector<float> makeLinear8() {
  std::vector<float> entries;
  for (int i = -128; i < 128; ++i)
    entries.push_back(static_cast<float>(i / 127.0));
  return entries;
}

} // namespace

llvm::ArrayRef<float> scaleCodebook() {
  static const std::vector<float> linear8 = makeLinear8();
  return linear8;
}

QuantizedScales quantizeScales(llvm::ArrayRef<float> scales) {
  static const std::vector<float> midpoints = computeMidpoints(scaleCodebook());
  QuantizedScales result;
  double sum = 0;
  for (float scale : scales)
    sum += scale;
  if (!scales.empty())
    result.mean = static_cast<float>(sum / static_cast<double>(scales.size()));
  result.codes.reserve(scales.size());
  while (!scales.empty()) {
    llvm::ArrayRef<float> block = scales.take_front(scaleBlock);
    scales = scales.drop_front(block.size());
    float absmax = 0;
    for (float scale : block)
      absmax = std::max(absmax, std::fabs(scale - result.mean));
    float blockScale = absmax > 0 ? absmax : 1.0f;
    for (float scale : block)
      result.codes.push_back(static_cast<int8_t>(
          nearestEntry(midpoints, (scale - result.mean) / blockScale) - zeroEntry));
    result.blockScales.push_back(blockScale);
  }
  return result;
}

std::vector<float> dequantizeScales(const QuantizedScales &scales) {
  llvm::ArrayRef<float> table = scaleCodebook();
  std::vector<float> result(scales.codes.size());
  for (size_t i = 0; i < result.size(); ++i) {
    float product = table[scales.codes[i] + zeroEntry] * scales.blockScales[i / scaleBlock];
    result[i] = product + scales.mean;
  }
  return result;
}

} // namespace ptq::numerics

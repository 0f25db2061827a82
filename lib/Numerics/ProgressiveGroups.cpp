// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/ProgressiveGroups.h"
#include "Simd.h"
#include "ptq/Numerics/QuantizedWeight.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>

namespace ptq::numerics {

std::vector<float> progressiveChannelScales(ConstMatrix w) {
  std::vector<float> scales(w.rows, 1.0f);
  for (int64_t i = 0; i < w.rows; ++i) {
    float absmax = 0;
    for (int64_t j = 0; j < w.columns; ++j)
      absmax = std::max(absmax, std::fabs(w(i, j)));
    if (absmax > 0)
      scales[i] = std::max(absmax / protectiveRange, FLT_MIN);
  }
  return scales;
}

void snapToChannelScale(float lo, float channelScale, float &scale, float &zeroPoint) {
  constexpr float offset = 8, greatestCode = 15;
  constexpr float stretch = greatestCode / (greatestCode + 1);
  float s = std::ceil(scale / channelScale * stretch);
  s = std::clamp<float>(s, 1, greatestGroupScale);
  scale = s * channelScale;
  float least = std::ceil(greatestCode - 127 / s), most = std::floor(128 / s);
  least = std::max(least, 0.0f);
  most = std::min(most, greatestCode);
  zeroPoint = roundToEven(std::clamp(-lo / scale, least, most)) - offset;
}

ProgressiveScales splitScales(const QuantizedWeight &weight, std::vector<float> channelScales) {
  ProgressiveScales parts;
  int64_t groups = weight.groups();
  for (int64_t i = 0, count = weight.scales.size(); i < count; ++i)
    parts.groupScales.push_back(
        static_cast<int8_t>(roundToEven(weight.scales[i] / channelScales[i / groups])));
  parts.channelScales = std::move(channelScales);
  return parts;
}

std::vector<int8_t> expandGroups(llvm::ArrayRef<int8_t> codes, llvm::ArrayRef<int8_t> scales,
                                 llvm::ArrayRef<int8_t> zeroPoints, int64_t groupSize) {
  assert(scales.size() == zeroPoints.size() && codes.size() == scales.size() * groupSize);
  std::vector<int8_t> integers(codes.size());
  for (size_t group = 0; group < scales.size(); ++group)
    for (size_t i = group * groupSize; i < (group + 1) * groupSize; ++i)
      integers[i] = static_cast<int8_t>((codes[i] - zeroPoints[group]) * scales[group]);
  return integers;
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dequantization: (code - zero point) * scale.

#include "ptq/Numerics/QuantizedWeight.h"
#include "Simd.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

PTQ_SIMD_CLONES
void dequantizeRun(const int8_t *codes, float *out, int64_t count, float scale, float zeroPoint) {
  for (int64_t j = 0; j < count; ++j)
    out[j] = (static_cast<float>(codes[j]) - zeroPoint) * scale;
}

} // namespace

void dequantize(const QuantizedWeight &weight, MutableMatrix out) {
  int64_t groups = weight.groups();
  int64_t groupSize = weight.columns / groups;
  bool perTensor = weight.scheme.granularity == Granularity::PerTensor;
  parallelFor(0, weight.rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int8_t *codes = weight.codes.data() + i * weight.columns;
      int64_t base = perTensor ? 0 : i * groups;
      auto zeroPoint = [&](int64_t group) {
        return weight.zeroPoints.empty() ? 0.0f : float(weight.zeroPoints[base + group]);
      };
      if (weight.groupIndex.empty()) {
        for (int64_t g = 0; g < groups; ++g)
          dequantizeRun(codes + g * groupSize, out.row(i) + g * groupSize, groupSize,
                        weight.scales[base + g], zeroPoint(g));
        continue;
      }
      for (int64_t j = 0; j < weight.columns; ++j) {
        int64_t g = weight.groupIndex[j];
        out(i, j) = (float(codes[j]) - zeroPoint(g)) * weight.scales[base + g];
      }
    }
  });
}

} // namespace ptq::numerics

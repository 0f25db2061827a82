// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dequantization: (code - zero point) * scale, or the code's entry * scale.

#include "ptq/Numerics/QuantizedWeight.h"
#include "Simd.h"
#include "ptq/Numerics/Codebook.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

PTQ_SIMD_CLONES
void dequantizeRun(const int8_t *codes, float *out, int64_t count, float scale, float zeroPoint) {
  for (int64_t j = 0; j < count; ++j)
    out[j] = (static_cast<float>(codes[j]) - zeroPoint) * scale;
}

void lookUpRun(const int8_t *codes, float *out, int64_t count, float scale,
               const float *zeroEntry) {
  for (int64_t j = 0; j < count; ++j)
    out[j] = zeroEntry[codes[j]] * scale;
}

} // namespace

void quantizeScales(QuantizedWeight &weight) {
  weight.quantizedScales = quantizeScales(weight.scales);
  weight.scales = dequantizeScales(*weight.quantizedScales);
}

void dequantize(const QuantizedWeight &weight, MutableMatrix out) {
  int64_t groups = weight.groups();
  int64_t groupSize = weight.columns / groups;
  bool perTensor = weight.scheme.granularity == Granularity::PerTensor;
  llvm::ArrayRef<float> table = codebookEntries(weight.scheme.codebook);
  // The entry of code 0: codes are signed.
  const float *zeroEntry = table.empty() ? nullptr : table.data() + table.size() / 2;
  auto run = [&](const int8_t *codes, float *values, int64_t count, float scale, float zeroPoint) {
    if (zeroEntry)
      lookUpRun(codes, values, count, scale, zeroEntry);
    else
      dequantizeRun(codes, values, count, scale, zeroPoint);
  };
  parallelFor(0, weight.rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int8_t *codes = weight.codes.data() + i * weight.columns;
      int64_t base = perTensor ? 0 : i * groups;
      auto zeroPoint = [&](int64_t group) {
        return weight.zeroPoints.empty() ? 0.0f : float(weight.zeroPoints[base + group]);
      };
      if (weight.groupIndex.empty()) {
        for (int64_t g = 0; g < groups; ++g)
          run(codes + g * groupSize, out.row(i) + g * groupSize, groupSize, weight.scales[base + g],
              zeroPoint(g));
        continue;
      }
      for (int64_t j = 0; j < weight.columns; ++j) {
        int64_t g = weight.groupIndex[j];
        run(codes + j, out.row(i) + j, 1, weight.scales[base + g], zeroPoint(g));
      }
    }
  });
  addSparse(weight.sparse, out);
}

} // namespace ptq::numerics

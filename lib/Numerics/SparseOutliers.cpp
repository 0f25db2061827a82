// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SparseOutliers.h"

#include "RangeParameters.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace ptq::numerics {
namespace {

/// A group of a row: its values, those that are outliers already as zeros, which no range and no
/// error notices; R[k, k]² of its columns, 0 for dead ones.
struct Group {
  float *values;
  const float *weights;
  int64_t width;
};

/// each[k] = (v_k − q(v)_k)²·R[k, k]² with the range [lo, hi]; returns the sum.
PTQ_SIMD_CLONES
float roundingErrors(const Group &group, const CodeRange &codes, float lo, float hi,
                     float *__restrict each) {
  float scale, zeroPoint;
  computeRangeParameters(lo, hi, codes, scale, zeroPoint);
  const float *__restrict values = group.values;
  const float *__restrict weights = group.weights;
  for (int64_t k = 0; k < group.width; ++k) {
    float step = roundToStep(values[k], scale, zeroPoint, codes.minCode, codes.maxCode);
    float error = values[k] - step * scale;
    each[k] = error * error * weights[k];
  }
  // In four parts, in a fixed order.
  float sums[4] = {};
  int64_t k = 0;
  for (; k + 4 <= group.width; k += 4)
    for (int64_t i = 0; i < 4; ++i)
      sums[i] += each[k + i];
  for (; k < group.width; ++k)
    sums[0] += each[k];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// The least and the greatest value, 0 included.
PTQ_SIMD_CLONES
void rangeOf(const Group &group, float &lo, float &hi) {
  float low = 0, high = 0;
  for (int64_t k = 0; k < group.width; ++k) {
    low = group.values[k] < low ? group.values[k] : low;
    high = group.values[k] > high ? group.values[k] : high;
  }
  lo = low;
  hi = high;
}

/// The gain of each value of a group; negative for zeros and dead columns, which have none.
void computeGains(const Group &group, const CodeRange &codes, float *gains, float *scratch) {
  float lo, hi;
  rangeOf(group, lo, hi);
  float sum = roundingErrors(group, codes, lo, hi, gains);
  for (float end : {lo, hi}) {
    // An end that does not decide the scale leaves the others' rounding as it is.
    if (end == 0 || (codes.symmetric && std::fabs(end) < std::max(-lo, hi)))
      continue;
    float *at = std::find(group.values, group.values + group.width, end);
    *at = 0;
    float lowest, highest;
    rangeOf(group, lowest, highest);
    gains[at - group.values] = sum - roundingErrors(group, codes, lowest, highest, scratch);
    *at = end;
  }
  for (int64_t k = 0; k != group.width; ++k)
    if (group.values[k] == 0 || group.weights[k] == 0)
      gains[k] = -1;
}

/// Marks the `count` unmarked weights with the greatest gains, of equal ones the first.
void markGreatest(ConstMatrix w, llvm::ArrayRef<float> weights, const WeightScheme &scheme,
                  int64_t count, std::vector<uint8_t> &marked) {
  int64_t width = scheme.granularity == Granularity::PerGroup ? scheme.groupSize : w.columns;
  std::vector<float> gains(w.rows * w.columns);
  CodeRange codes(scheme);
  parallelFor(0, w.rows, 4, [&](int64_t first, int64_t last) {
    std::vector<float> values(width), scratch(width);
    for (int64_t i = first; i != last; ++i)
      for (int64_t begin = 0; begin != w.columns; begin += width) {
        const float *from = w.row(i) + begin;
        const uint8_t *known = marked.data() + i * w.columns + begin;
        for (int64_t k = 0; k != width; ++k)
          values[k] = known[k] ? 0.0f : from[k];
        computeGains({values.data(), weights.data() + begin, width}, codes,
                     gains.data() + i * w.columns + begin, scratch.data());
      }
  });
  std::vector<int64_t> order;
  for (int64_t i = 0, n = gains.size(); i != n; ++i)
    if (!marked[i] && gains[i] >= 0)
      order.push_back(i);
  count = std::min<int64_t>(count, order.size());
  std::nth_element(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
    return gains[a] != gains[b] ? gains[a] > gains[b] : a < b;
  });
  for (int64_t i = 0; i != count; ++i)
    marked[order[i]] = 1;
}

} // namespace

SparseWeight chooseOutliers(ConstMatrix w, const GramFactor &factor, const WeightScheme &scheme,
                            double share) {
  int64_t count = static_cast<int64_t>(std::floor(share * w.rows * w.columns));
  std::vector<float> weights(w.columns);
  for (int64_t p = 0; p != w.columns; ++p) {
    float diagonal = factor.r[p * w.columns + p];
    int32_t column = factor.permutation[p];
    weights[column] = factor.dead[column] ? 0.0f : diagonal * diagonal;
  }
  std::vector<uint8_t> marked(w.rows * w.columns, 0);
  int64_t half = (count + 1) / 2;
  for (int64_t part : {half, count - half})
    if (part)
      markGreatest(w, weights, scheme, part, marked);
  SparseWeight sparse;
  sparse.rowOffsets.push_back(0);
  for (int64_t i = 0; i != w.rows; ++i) {
    for (int64_t k = 0; k != w.columns; ++k)
      if (marked[i * w.columns + k])
        sparse.columns.push_back(static_cast<int32_t>(k));
    sparse.rowOffsets.push_back(static_cast<int32_t>(sparse.columns.size()));
  }
  sparse.values.resize(sparse.columns.size());
  return sparse;
}

} // namespace ptq::numerics

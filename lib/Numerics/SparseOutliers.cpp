// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SparseOutliers.h"

#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace ptq::numerics {
namespace {

/// A group of a row: its values, those that are outliers already as zeros, which no range and no
/// error notices.
struct Group {
  std::vector<float> values;
  llvm::ArrayRef<float> weights; ///< R[k, k]², 0 for dead columns.

  /// The errors of rounding with parameters of these values, and their sum.
  double errors(const WeightScheme &scheme, std::vector<double> &each) const {
    QuantizationParameters parameters = parametersOf(scheme);
    double sum = 0;
    for (auto [k, value] : llvm::enumerate(values)) {
      float rounded =
          static_cast<float>(quantizeValue(value, parameters, scheme.bits) - parameters.zeroPoint) *
          parameters.scale;
      each[k] = double(value - rounded) * (value - rounded) * weights[k];
      sum += each[k];
    }
    return sum;
  }

private:
  QuantizationParameters parametersOf(const WeightScheme &scheme) const {
    return computeParameters(values, scheme.bits, scheme.symmetric, /*mse=*/false,
                             scheme.symmetricRange);
  }
};

/// The gain of each value of a group; zeros and dead columns have none.
void computeGains(Group &group, const WeightScheme &scheme, std::vector<double> &gains,
                  std::vector<double> &scratch) {
  double sum = group.errors(scheme, gains);
  auto ends = std::minmax_element(group.values.begin(), group.values.end());
  for (auto end : {ends.first, ends.second}) {
    float value = *end;
    if (value == 0)
      continue;
    *end = 0;
    double without = group.errors(scheme, scratch);
    *end = value;
    gains[end - group.values.begin()] = sum - without;
  }
  for (auto [k, value] : llvm::enumerate(group.values))
    if (value == 0 || group.weights[k] == 0)
      gains[k] = -1;
}

/// Marks the `count` unmarked weights with the greatest gains, of equal ones the first.
void markGreatest(ConstMatrix w, llvm::ArrayRef<float> weights, const WeightScheme &scheme,
                  int64_t count, std::vector<uint8_t> &marked) {
  int64_t width = scheme.granularity == Granularity::PerGroup ? scheme.groupSize : w.columns;
  std::vector<float> gains(w.rows * w.columns);
  parallelFor(0, w.rows, 4, [&](int64_t first, int64_t last) {
    Group group;
    std::vector<double> own(width), scratch(width);
    for (int64_t i = first; i != last; ++i)
      for (int64_t begin = 0; begin != w.columns; begin += width) {
        group.values.assign(w.row(i) + begin, w.row(i) + begin + width);
        group.weights = weights.slice(begin, width);
        const uint8_t *known = marked.data() + i * w.columns + begin;
        for (int64_t k = 0; k != width; ++k)
          if (known[k])
            group.values[k] = 0;
        computeGains(group, scheme, own, scratch);
        std::copy(own.begin(), own.end(), gains.begin() + i * w.columns + begin);
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

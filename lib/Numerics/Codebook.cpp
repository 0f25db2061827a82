// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tables from their definitions, computed in double and rounded once.

#include "ptq/Numerics/Codebook.h"
#include <algorithm>
#include <cmath>

namespace ptq::numerics {
namespace {

/// Appends sign * Q(p) for `count` probabilities evenly spaced from `from` towards 1/2, of which
/// 1/2 would be the next.
void appendQuantiles(std::vector<double> &values, double from, int count, double sign) {
  for (int i = 0; i < count; ++i)
    values.push_back(sign * normalQuantile(from + (0.5 - from) * i / count));
}

std::vector<float> makeNormalFloat4() {
  constexpr double tail = ((1.0 - 1.0 / 30) + (1.0 - 1.0 / 32)) / 2;
  std::vector<double> values{0.0};
  appendQuantiles(values, tail, 8, 1.0);
  appendQuantiles(values, tail, 7, -1.0);
  std::sort(values.begin(), values.end());
  double largest = values.back();
  std::vector<float> entries;
  for (double value : values)
    entries.push_back(static_cast<float>(value / largest));
  return entries;
}

} // namespace

double normalQuantile(double p) {
  // The distribution function is monotonic, so bisection ends at neighbouring doubles.
  double lo = -40, hi = 40;
  while (true) {
    double middle = lo + (hi - lo) / 2;
    if (middle <= lo || middle >= hi)
      return lo;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? lo : hi) = middle;
  }
}

llvm::ArrayRef<float> codebookEntries(Codebook codebook) {
  static const std::vector<float> normalFloat4 = makeNormalFloat4();
  return codebook == Codebook::NF4 ? llvm::ArrayRef<float>(normalFloat4) : llvm::ArrayRef<float>();
}

llvm::ArrayRef<float> codebookMidpoints(Codebook codebook) {
  static const std::vector<float> normalFloat4 = computeMidpoints(codebookEntries(Codebook::NF4));
  return codebook == Codebook::NF4 ? llvm::ArrayRef<float>(normalFloat4) : llvm::ArrayRef<float>();
}

std::vector<float> computeMidpoints(llvm::ArrayRef<float> entries) {
  std::vector<float> midpoints;
  for (size_t i = 0; i + 1 < entries.size(); ++i) {
    double exact = (double(entries[i]) + double(entries[i + 1])) / 2;
    float rounded = static_cast<float>(exact);
    midpoints.push_back(rounded > exact ? std::nextafter(rounded, entries[i]) : rounded);
  }
  return midpoints;
}

int64_t nearestEntry(llvm::ArrayRef<float> midpoints, float x) {
  return std::lower_bound(midpoints.begin(), midpoints.end(), x) - midpoints.begin();
}

} // namespace ptq::numerics

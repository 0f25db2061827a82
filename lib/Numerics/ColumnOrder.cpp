// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order in which GPTQ rounds columns.

#include "ptq/Numerics/GramFactor.h"
#include <algorithm>
#include <numeric>

namespace ptq::numerics {

std::vector<int32_t> computeColumnOrder(const std::vector<float> &diagonal, ColumnOrder order,
                                        int64_t groupSize) {
  int64_t n = static_cast<int64_t>(diagonal.size());
  std::vector<int32_t> permutation(n);
  std::iota(permutation.begin(), permutation.end(), 0);
  if (order == ColumnOrder::None)
    return permutation;
  auto larger = [&](int32_t a, int32_t b) {
    return diagonal[a] != diagonal[b] ? diagonal[a] > diagonal[b] : a < b;
  };
  if (order == ColumnOrder::Activation || groupSize <= 0 || groupSize >= n) {
    std::sort(permutation.begin(), permutation.end(), larger);
    return permutation;
  }
  // Inside the groups; then the groups, whose largest diagonals now come first.
  int64_t groups = n / groupSize;
  for (int64_t g = 0; g < groups; ++g)
    std::sort(permutation.begin() + g * groupSize, permutation.begin() + (g + 1) * groupSize,
              larger);
  std::vector<int32_t> byGroup(groups);
  std::iota(byGroup.begin(), byGroup.end(), 0);
  std::sort(byGroup.begin(), byGroup.end(), [&](int32_t a, int32_t b) {
    return larger(permutation[a * groupSize], permutation[b * groupSize]);
  });
  std::vector<int32_t> sorted;
  sorted.reserve(n);
  for (int32_t g : byGroup)
    sorted.insert(sorted.end(), permutation.begin() + g * groupSize,
                  permutation.begin() + (g + 1) * groupSize);
  return sorted;
}

} // namespace ptq::numerics

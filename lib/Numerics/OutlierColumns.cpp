// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/OutlierColumns.h"

#include <cmath>

namespace ptq::numerics {

std::vector<int32_t> findOutlierColumns(ConstMatrix x, double threshold) {
  // Written so that NaN is beyond; a row at a time, as it lies in memory.
  std::vector<char> isOutlier(x.columns, 0);
  for (int64_t i = 0; i != x.rows; ++i) {
    const float *row = x.row(i);
    for (int64_t k = 0; k != x.columns; ++k)
      isOutlier[k] |= !(std::fabs(row[k]) < threshold);
  }
  std::vector<int32_t> columns;
  for (int64_t k = 0; k != x.columns; ++k)
    if (isOutlier[k])
      columns.push_back(static_cast<int32_t>(k));
  return columns;
}

std::vector<int32_t> findOutlierColumns(llvm::ArrayRef<float> absmax, double threshold) {
  return findOutlierColumns(ConstMatrix(absmax.data(), 1, absmax.size()), threshold);
}

std::vector<float> selectColumns(ConstMatrix m, llvm::ArrayRef<int32_t> columns) {
  std::vector<float> result;
  result.reserve(m.rows * columns.size());
  for (int64_t i = 0; i != m.rows; ++i)
    for (int32_t column : columns)
      result.push_back(m(i, column));
  return result;
}

/// The columns of n that are not named.
static std::vector<int32_t> complement(int64_t n, llvm::ArrayRef<int32_t> columns) {
  std::vector<int32_t> rest;
  rest.reserve(n - columns.size());
  for (int64_t k = 0; k != n; ++k) {
    if (!columns.empty() && columns.front() == k)
      columns = columns.drop_front();
    else
      rest.push_back(static_cast<int32_t>(k));
  }
  return rest;
}

std::vector<float> dropColumns(ConstMatrix m, llvm::ArrayRef<int32_t> columns) {
  return selectColumns(m, complement(m.columns, columns));
}

void dropChannels(std::vector<float> &gram, int64_t n, llvm::ArrayRef<int32_t> columns) {
  std::vector<int32_t> rest = complement(n, columns);
  // Elements only move towards the front.
  int64_t next = 0, width = rest.size();
  for (int32_t i : rest)
    for (int32_t j : rest)
      gram[next++] = gram[int64_t(i) * n + j];
  gram.resize(width * width);
}

void isolateChannels(llvm::MutableArrayRef<float> gram, int64_t n,
                     llvm::ArrayRef<int32_t> columns) {
  if (columns.empty())
    return;
  std::vector<int32_t> rest = complement(n, columns);
  double energy = 0;
  for (int32_t i : rest)
    energy += gram[int64_t(i) * n + i];
  for (int32_t column : columns) {
    for (int64_t i = 0; i != column; ++i)
      gram[i * n + column] = 0;
    std::fill_n(gram.begin() + int64_t(column) * n + column, n - column, 0.0f);
    gram[int64_t(column) * n + column] =
        rest.empty() || energy == 0 ? 1.0f : static_cast<float>(energy / rest.size());
  }
}

} // namespace ptq::numerics

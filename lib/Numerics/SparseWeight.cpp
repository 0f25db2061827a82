// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/SparseWeight.h"

#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace ptq::numerics {

float roundToShort(float x, ShortFloat type) {
  if (x == 0 || !std::isfinite(x))
    return x;
  // The significand has 11 bits, 8 for bf16; exponents of normal numbers begin at -14, at -126.
  int digits = type == ShortFloat::F16 ? 11 : 8, least = type == ShortFloat::F16 ? -14 : -126;
  double greatest = type == ShortFloat::F16 ? 65504.0 : std::ldexp(255.0, 120);
  double quantum = std::ldexp(1.0, std::max(std::ilogb(x), least) - (digits - 1));
  double rounded = std::nearbyint(x / quantum) * quantum;
  return static_cast<float>(std::clamp(rounded, -greatest, greatest));
}

void addSparse(const SparseWeight &sparse, MutableMatrix out) {
  if (sparse.empty())
    return;
  for (int64_t i = 0; i != out.rows; ++i)
    for (int32_t j = sparse.rowOffsets[i]; j != sparse.rowOffsets[i + 1]; ++j)
      out(i, sparse.columns[j]) += sparse.values[j];
}

llvm::Error verify(const SparseWeight &sparse, int64_t rows, int64_t columns) {
  auto error = [](const llvm::Twine &message) { return llvm::createStringError(message); };
  if (sparse.rowOffsets.empty() && sparse.columns.empty() && sparse.values.empty())
    return llvm::Error::success();
  if (static_cast<int64_t>(sparse.rowOffsets.size()) != rows + 1)
    return error("a sparse part of " + llvm::Twine(rows) + " rows has " + llvm::Twine(rows + 1) +
                 " row offsets, not " + llvm::Twine(sparse.rowOffsets.size()));
  if (sparse.columns.size() != sparse.values.size())
    return error("a sparse part has " + llvm::Twine(sparse.columns.size()) + " columns for " +
                 llvm::Twine(sparse.values.size()) + " values");
  if (sparse.rowOffsets.front() != 0 ||
      sparse.rowOffsets.back() != static_cast<int64_t>(sparse.values.size()))
    return error("row offsets begin with 0 and end with the number of values");
  // Before any is used: offsets that ascend to the number of values are all in range.
  for (int64_t i = 0; i != rows; ++i)
    if (sparse.rowOffsets[i + 1] < sparse.rowOffsets[i])
      return error("row offsets must not descend, but that of row " + llvm::Twine(i + 1) + " does");
  for (int64_t i = 0; i != rows; ++i) {
    int64_t last = -1;
    for (int32_t j = sparse.rowOffsets[i]; j != sparse.rowOffsets[i + 1]; ++j) {
      int64_t column = sparse.columns[j];
      if (column <= last || column >= columns)
        return error("the columns of row " + llvm::Twine(i) + " must ascend and be below " +
                     llvm::Twine(columns) + ", but " + llvm::Twine(column) + " follows " +
                     llvm::Twine(last));
      last = column;
    }
  }
  return llvm::Error::success();
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks of 16 rows by 16 columns are transposed in registers. The permutation of columns costs
// nothing: it says where a transposed vector of 16 rows goes to, or comes from.

#include "RowTile.h"
#include "Transpose16.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <atomic>
#include <cmath>

namespace ptq::numerics {
namespace {

constexpr int64_t blockSize = 16;

PTQ_ALWAYS_INLINE int64_t positionOf(const int32_t *positions, int64_t column) {
  return positions ? positions[column] : column;
}

/// Rows [0, rows) of w into lanes [0, roundUp(rows)), the rest zeros.
PTQ_SIMD_CLONES
void loadRows(const float *w, int64_t wStride, int64_t rows, int64_t columns,
              const int32_t *positions, float *lanes, int64_t stride) {
  Vector16<float>::Type block[blockSize];
  for (int64_t j0 = 0; j0 < columns; j0 += blockSize) {
    int64_t width = std::min(blockSize, columns - j0);
    if (width == blockSize && rows == blockSize) {
      for (int64_t i = 0; i < blockSize; ++i)
        std::memcpy(&block[i], w + i * wStride + j0, sizeof(block[i]));
    } else {
      float edge[blockSize][blockSize] = {};
      for (int64_t i = 0; i < rows; ++i)
        std::copy_n(w + i * wStride + j0, width, edge[i]);
      std::memcpy(block, edge, sizeof(edge));
    }
    transpose16<float>(block);
    for (int64_t j = 0; j < width; ++j)
      std::memcpy(lanes + positionOf(positions, j0 + j) * stride, &block[j], sizeof(block[j]));
  }
}

PTQ_SIMD_CLONES
void storeRows(const int8_t *lanes, int64_t stride, int64_t rows, int64_t columns,
               const int32_t *positions, int8_t *codes, int64_t codeStride) {
  Vector16<int8_t>::Type block[blockSize];
  for (int64_t j0 = 0; j0 < columns; j0 += blockSize) {
    int64_t width = std::min(blockSize, columns - j0);
    for (int64_t j = 0; j < blockSize; ++j)
      std::memcpy(&block[j], lanes + positionOf(positions, j0 + std::min(j, width - 1)) * stride,
                  sizeof(block[j]));
    transpose16<int8_t>(block);
    for (int64_t i = 0; i < rows; ++i) {
      if (width == blockSize)
        std::memcpy(codes + i * codeStride + j0, &block[i], blockSize);
      else
        std::memcpy(codes + i * codeStride + j0, &block[i], width);
    }
  }
}

} // namespace

PTQ_SIMD_CLONES
bool hasNonFinite(const float *values, int64_t count) {
  constexpr uint32_t exponent = 0x7f800000;
  uint32_t found = 0;
  for (int64_t j = 0; j < count; ++j) {
    uint32_t bits;
    std::memcpy(&bits, values + j, sizeof(bits));
    found |= (bits & exponent) == exponent;
  }
  return found != 0;
}

void loadLanes(ConstMatrix w, llvm::ArrayRef<int32_t> positions, llvm::ArrayRef<uint8_t> dead,
               float *lanes, int64_t stride) {
  const int32_t *at = positions.empty() ? nullptr : positions.data();
  for (int64_t i = 0; i < roundUpToTile(w.rows); i += blockSize)
    loadRows(w.row(i), w.stride, std::clamp<int64_t>(w.rows - i, 0, blockSize), w.columns, at,
             lanes + i, stride);
  for (size_t j = 0; j < dead.size(); ++j)
    if (dead[j])
      std::fill_n(lanes + positionOf(at, j) * stride, roundUpToTile(w.rows), 0.0f);
}

void storeCodes(const int8_t *lanes, int64_t stride, llvm::ArrayRef<int32_t> positions,
                MatrixRef<int8_t> codes) {
  const int32_t *at = positions.empty() ? nullptr : positions.data();
  for (int64_t i = 0; i < codes.rows; i += blockSize)
    storeRows(lanes + i, stride, std::min(blockSize, codes.rows - i), codes.columns, at,
              codes.row(i), codes.stride);
}

llvm::Error checkFinite(ConstMatrix w) {
  std::atomic<int64_t> firstRow{w.rows};
  parallelFor(0, w.rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      if (!hasNonFinite(w.row(i), w.columns))
        continue;
      int64_t seen = firstRow.load();
      while (i < seen && !firstRow.compare_exchange_weak(seen, i)) {
      }
      return;
    }
  });
  int64_t row = firstRow.load();
  if (row == w.rows)
    return llvm::Error::success();
  int64_t column = 0;
  while (std::isfinite(w(row, column)))
    ++column;
  return llvm::createStringError(
      "the weight has %s at row %lld, column %lld: it cannot be quantized",
      std::isnan(w(row, column)) ? "a NaN" : "an infinity", static_cast<long long>(row),
      static_cast<long long>(column));
}

} // namespace ptq::numerics

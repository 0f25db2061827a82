// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a product is split over threads and who computes the parts; and the portable loop. Sums of
// integers are exact, so the split changes nothing.

#include "ptq/Numerics/IntegerMatmul.h"
#include "IntegerMatmulOneDNN.h"
#include "Simd.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <vector>

namespace ptq::numerics {
namespace {

/// Products in a chunk of work: enough to hide the cost of a call.
constexpr int64_t productsPerChunk = 1 << 20;

/// Up to this many rows of a the portable loop is faster: oneDNN's gemm copies b.
constexpr int64_t fewRows = 4;

/// A tile of the result is computed at a time, for each value of a or b to be loaded less often.
constexpr int64_t tileA = 4, tileB = 4;

template <int64_t countA, int64_t countB>
PTQ_ALWAYS_INLINE void multiplyTile(MatrixRef<const int8_t> a, int64_t i, MatrixRef<const int8_t> b,
                                    int64_t j, MatrixRef<int32_t> c) {
  const int8_t *__restrict rowsA[countA], *__restrict rowsB[countB];
  uint32_t sums[countA][countB] = {};
  for (int64_t m = 0; m < countA; ++m)
    rowsA[m] = a.row(i + m);
  for (int64_t n = 0; n < countB; ++n)
    rowsB[n] = b.row(j + n);
  for (int64_t k = 0; k < a.columns; ++k)
    for (int64_t m = 0; m < countA; ++m)
      for (int64_t n = 0; n < countB; ++n)
        sums[m][n] += int32_t(int16_t(rowsA[m][k])) * int16_t(rowsB[n][k]);
  for (int64_t m = 0; m < countA; ++m)
    for (int64_t n = 0; n < countB; ++n)
      c(i + m, j + n) = static_cast<int32_t>(sums[m][n]);
}

template <int64_t countA>
PTQ_ALWAYS_INLINE void multiplyRows(MatrixRef<const int8_t> a, int64_t i, MatrixRef<const int8_t> b,
                                    MatrixRef<int32_t> c) {
  int64_t j = 0;
  for (; j + tileB <= b.rows; j += tileB)
    multiplyTile<countA, tileB>(a, i, b, j, c);
  for (; j < b.rows; ++j)
    multiplyTile<countA, 1>(a, i, b, j, c);
}

PTQ_SIMD_CLONES
void multiplyTiles(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, MatrixRef<int32_t> c) {
  int64_t i = 0;
  for (; i + tileA <= a.rows; i += tileA)
    multiplyRows<tileA>(a, i, b, c);
  for (; i < a.rows; ++i)
    multiplyRows<1>(a, i, b, c);
}

/// Columns [first, last).
template <typename T> MatrixRef<T> columnRange(MatrixRef<T> x, int64_t first, int64_t last) {
  return {x.data + first, x.rows, last - first, x.stride};
}

/// Parts of about one share of `extent` for each thread, none too small to be worth it.
int64_t grainOf(int64_t extent, int64_t productsEach) {
  int64_t share = (extent + threadCount() - 1) / threadCount();
  return std::max({int64_t(1), share, productsPerChunk / std::max<int64_t>(1, productsEach)});
}

} // namespace

bool hasFastInt8() { return onednn::isUsable(); }

void multiplyInt8Portable(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b,
                          MatrixRef<int32_t> c) {
  multiplyTiles(a, b, c);
}

void multiplyInt8(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, MatrixRef<int32_t> c) {
  if (c.rows == 0 || c.columns == 0)
    return;
  auto multiplyPart = [](MatrixRef<const int8_t> a, MatrixRef<const int8_t> b,
                         MatrixRef<int32_t> c) {
    if (a.rows <= fewRows || a.columns == 0 || !onednn::isUsable() || !onednn::multiply(a, b, c))
      multiplyInt8Portable(a, b, c);
  };
  // The longer side is split: what a part copies of the other is then the least.
  if (b.rows >= a.rows)
    parallelFor(0, b.rows, grainOf(b.rows, a.rows * a.columns), [&](int64_t first, int64_t last) {
      multiplyPart(a, b.rowRange(first, last), columnRange(c, first, last));
    });
  else
    parallelFor(0, a.rows, grainOf(a.rows, b.rows * a.columns), [&](int64_t first, int64_t last) {
      multiplyPart(a.rowRange(first, last), b, c.rowRange(first, last));
    });
}

//===----------------------------------------------------------------------===//
// Int8Weight
//===----------------------------------------------------------------------===//

struct Int8Weight::Layout {
  int64_t rows, columns;
  std::vector<int8_t> codes;                      ///< [rows, columns]
  std::unique_ptr<onednn::BlockedWeight> blocked; ///< The same; null where oneDNN has no layout.

  explicit Layout(MatrixRef<const int8_t> b)
      : rows(b.rows), columns(b.columns), codes(rows * columns) {
    for (int64_t j = 0; j < rows; ++j)
      std::copy_n(b.row(j), columns, codes.data() + j * columns);
    if (!codes.empty() && onednn::isUsable())
      blocked = onednn::layOut({codes.data(), rows, columns});
  }
};

Int8Weight::Int8Weight(MatrixRef<const int8_t> b) : layout(std::make_unique<Layout>(b)) {}
Int8Weight::~Int8Weight() = default;
Int8Weight::Int8Weight(Int8Weight &&) noexcept = default;
Int8Weight &Int8Weight::operator=(Int8Weight &&) noexcept = default;

int64_t Int8Weight::rows() const { return layout->rows; }
int64_t Int8Weight::columns() const { return layout->columns; }

void Int8Weight::multiply(MatrixRef<const int8_t> a, MatrixRef<int32_t> c) const {
  MatrixRef<const int8_t> b(layout->codes.data(), layout->rows, layout->columns);
  // oneDNN takes dense matrices here.
  if (!layout->blocked || a.stride != a.columns || c.stride != c.columns)
    return multiplyInt8(a, b, c);
  int64_t grain = grainOf(a.rows, b.rows * b.columns);
  parallelFor(0, a.rows, grain, [&](int64_t first, int64_t last) {
    if (!layout->blocked->multiply(a.rowRange(first, last), c.rowRange(first, last)))
      multiplyInt8(a.rowRange(first, last), b, c.rowRange(first, last));
  });
}

} // namespace ptq::numerics

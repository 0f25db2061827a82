// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gram matrices: SSYRK, and the copy of a triangle.

#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cassert>
#include <cblas.h>

namespace ptq::numerics {

void accumulateGram(ConstMatrix x, MutableMatrix gram) {
  assert(gram.rows == x.columns && gram.columns == x.columns && "the Gram matrix is channels^2");
  if (x.rows == 0 || x.columns == 0)
    return;
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, x.columns, x.rows, 1.0f, x.data, x.stride,
              1.0f, gram.data, gram.stride);
}

void computeGramRows(ConstMatrix x, int64_t first, int64_t last, MutableMatrix rows) {
  int64_t count = last - first, right = x.columns - last;
  assert(0 <= first && first < last && right >= 0 && "the rows are some of the matrix");
  assert(rows.rows == count && rows.columns == x.columns - first && "from the diagonal on");
  if (x.rows == 0) {
    for (int64_t i = 0; i < count; ++i)
      std::fill(&rows(i, i), &rows(i, 0) + rows.columns, 0.0f);
    return;
  }
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, count, x.rows, 1.0f, x.data + first, x.stride,
              0.0f, rows.data, rows.stride);
  if (right > 0)
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, right, x.rows, 1.0f, x.data + first,
                x.stride, x.data + last, x.stride, 0.0f, rows.data + count, rows.stride);
}

// Block by block through a buffer whose rows start in different cache sets: those of a matrix whose
// width is a power of two do not, and a column of it would evict itself.
void symmetrize(MutableMatrix gram) {
  constexpr int64_t block = 64;
  int64_t n = gram.rows;
  parallelFor(0, (n + block - 1) / block, 1, [&](int64_t first, int64_t last) {
    float buffer[block][block + 4];
    for (int64_t i0 = first * block; i0 < std::min(n, last * block); i0 += block)
      for (int64_t j0 = 0; j0 <= i0; j0 += block) {
        int64_t height = std::min(block, n - i0), width = std::min(block, n - j0);
        for (int64_t j = 0; j < width; ++j)
          std::copy_n(&gram(j0 + j, i0), height, buffer[j]);
        for (int64_t i = 0; i < height; ++i)
          for (int64_t j = 0, end = std::min(width, i0 + i - j0); j < end; ++j)
            gram(i0 + i, j0 + j) = buffer[j][i];
      }
  });
}

} // namespace ptq::numerics

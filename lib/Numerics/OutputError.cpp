// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ||M R||^2 by one triangular product (STRMM) per batch of rows, summed in double.

#include "OutputError.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cblas.h>
#include <memory>

namespace ptq::numerics {

double outputNorm(int64_t count, const GramFactor &factor,
                  llvm::function_ref<float(int64_t row, int64_t column)> element) {
  constexpr int64_t batch = 512;
  int64_t n = factor.columns;
  std::unique_ptr<float[]> m(new float[std::min(batch, count) * n]);
  std::vector<double> norms(std::min(batch, count));
  double total = 0;
  for (int64_t first = 0; first < count; first += batch) {
    int64_t rows = std::min(batch, count - first);
    parallelFor(0, rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t p = 0; p < n; ++p) {
          int64_t column = factor.permutation[p];
          m[i * n + p] = factor.dead[column] ? 0.0f : element(first + i, column);
        }
    });
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, rows, n, 1.0f,
                factor.r.data(), n, m.get(), n);
    parallelFor(0, rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        norms[i] = 0;
        for (int64_t p = 0; p < n; ++p)
          norms[i] += double(m[i * n + p]) * m[i * n + p];
      }
    });
    for (int64_t i = 0; i < rows; ++i)
      total += norms[i];
  }
  return total;
}

double relativeOutputError(ConstMatrix w, const QuantizedWeight &quantized,
                           const GramFactor &factor) {
  std::vector<float> values(w.rows * w.columns);
  dequantize(quantized, MutableMatrix(values.data(), w.rows, w.columns));
  double whole = outputNorm(w.rows, factor, [&](int64_t i, int64_t j) { return w(i, j); });
  if (whole == 0)
    return 0;
  return outputNorm(w.rows, factor,
                    [&](int64_t i, int64_t j) { return w(i, j) - values[i * w.columns + j]; }) /
         whole;
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/LayerError.h"
#include "OutputError.h"
#include <algorithm>
#include <cblas.h>

namespace ptq::numerics {

double outputEnergy(ConstMatrix w, const GramFactor &factor) {
  return outputNorm(w.rows, factor, [&](int64_t i, int64_t j) { return w(i, j); });
}

double outputError(ConstMatrix w, const QuantizedWeight &quantized, const GramFactor &factor) {
  std::vector<float> values(w.rows * w.columns);
  dequantize(quantized, MutableMatrix(values.data(), w.rows, w.columns));
  return outputNorm(w.rows, factor,
                    [&](int64_t i, int64_t j) { return w(i, j) - values[i * w.columns + j]; });
}

double outputChange(ConstMatrix x, ConstMatrix dW) {
  constexpr int64_t batch = 256;
  std::vector<float> y(std::min(batch, x.rows) * dW.rows);
  double total = 0;
  for (int64_t first = 0; first < x.rows; first += batch) {
    int64_t tokens = std::min(batch, x.rows - first);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tokens, dW.rows, dW.columns, 1.0f,
                x.row(first), x.stride, dW.data, dW.stride, 0.0f, y.data(), dW.rows);
    for (int64_t i = 0; i < tokens * dW.rows; ++i)
      total += double(y[i]) * y[i];
  }
  return total;
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/LayerError.h"
#include "OutputError.h"

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

} // namespace ptq::numerics

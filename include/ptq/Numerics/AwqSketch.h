// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A count sketch of a layer's input (Charikar, Chen, Farach-Colton, 2002): Z [k, channels] from
// X [tokens, channels] by adding each token, with a random sign, to one of k random rows.
//
// E[Z^T Z] = X^T X, so for any D [rows, channels]
//     E ||D Z^T||^2 = ||D X^T||^2 = tr(D H D^T),  H = X^T X,
// over all tokens, for rows * channels * k multiplications. With M = X D^T D X^T its variance is
//     2/k * sum_{t != u} M_tu^2,
// that of a dense matrix of random signs, which takes k times as long to multiply by.

#ifndef PTQ_NUMERICS_AWQSKETCH_H
#define PTQ_NUMERICS_AWQSKETCH_H

#include "ptq/Numerics/Matrix.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

struct ActivationSketch {
  int64_t rows = 0;
  int64_t channels = 0;
  std::vector<float> data; ///< [rows, channels]

  ConstMatrix matrix() const { return ConstMatrix(data.data(), rows, channels); }
};

/// Sketches x [tokens, channels] in `rows` rows, or copies it if it has no more: the sketch is then
/// exact. The same seed and shape give the same signs and rows. One pass over x.
ActivationSketch sketchActivations(ConstMatrix x, int64_t rows, uint64_t seed);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_AWQSKETCH_H

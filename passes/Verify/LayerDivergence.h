// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far the inputs of two functions' layers are apart, layer by layer.
//
// A transformation may rescale what a layer reads, channel by channel, and compensate in its
// weight. So an input x [T, in] is compared with its reference r only up to a positive factor g_k
// for each channel k, fitted by least squares:
//
//   g_k = max(0, Σ_t x_tk·r_tk / Σ_t x_tk²),  residual² = Σ_tk (r_tk − g_k·x_tk)² / Σ_tk r_tk²
//
// With a single token every channel can be fitted: then only signs and zeros show.

#ifndef PTQ_VERIFY_LAYERDIVERGENCE_H
#define PTQ_VERIFY_LAYERDIVERGENCE_H

#include "OutputComparison.h"

#include "ptq/Numerics/Matrix.h"

namespace ptq {

/// The residual above, 0 … 1; 1 where r is zero and x is not. Shapes must agree.
double residualUpToScale(numerics::ConstMatrix x, numerics::ConstMatrix reference);

struct LayerDifference {
  std::string layer;
  double residual;
};

/// Runs both functions on the samples of these indices and compares, in the order of `current`,
/// the inputs of all layers that both have (by name) with the same width. Of an input up to 64
/// tokens are kept, evenly spread, so that memory holds 64·in floats for each layer.
llvm::Expected<std::vector<LayerDifference>> compareLayerInputs(const BoundFunction &current,
                                                                const BoundFunction &reference,
                                                                llvm::ArrayRef<size_t> samples);

} // namespace ptq

#endif

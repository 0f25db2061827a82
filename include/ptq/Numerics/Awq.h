// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ (Lin et al., 2023): per-channel scales s of an input x that make the weights that read it
// easier to round. Layers then compute (x/s) Q(W diag(s))^T.
//
// Candidates, for exponents r = 0, 1/n, ..., 1 over a grid of n points:
//     duo     s_j = x_j^r / (w_j^(1-r) + 1e-4)        plain   s_j = x_j^r
// with x_j the mean magnitude of channel j and w_j the mean over all rows of the layers that share
// the input of |w_ij| / (max of |w| in its group + 1e-6); both at least 1e-4, then divided by
// sqrt(max s * min s); and s = 1. Channels that were never used, and scales that are not finite,
// take 1. Channels that must share a scale (ties) take the means of x_j and w_j.
//
// The loss of a candidate is the squared error of the layers' outputs over the calibration tokens,
//     sum over layers of ||(W - Q(W S) S^-1) X^T||^2,  S = diag(s),
// estimated without bias from a sketch of X (AwqSketch.h) and from rows spread over each weight.
// Of equal losses the first candidate wins, s = 1 before all others.

#ifndef PTQ_NUMERICS_AWQ_H
#define PTQ_NUMERICS_AWQ_H

#include "ptq/Numerics/AwqSketch.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/WeightScheme.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace ptq::numerics {

/// A layer that reads the input: its weight [out, in], and how it will be rounded.
/// WeightScheme::mse is not read.
struct ScaledLayer {
  ConstMatrix weight;
  WeightScheme scheme;
};

enum class AwqForm { Identity, Duo, Plain };

struct AwqOptions {
  unsigned grid = 20; ///< Points of the grid, >= 1; r = 1 is one more.
  bool duo = true;    ///< Try the duo form.
  bool plain = true;  ///< Try the plain form.
  /// Rows of each weight that the search looks at, evenly spread; 0 is all.
  int64_t searchRows = 1024;
};

struct AwqResult {
  std::vector<float> scales; ///< [in], positive and finite.
  AwqForm form = AwqForm::Identity;
  float ratio = 0;       ///< The exponent r; 0 for the identity.
  double lossBefore = 0; ///< Of s = 1, on the rows searched.
  double loss = 0;       ///< Of `scales`, on the same rows.
};

/// Searches the scales of one input. meanAbs and the sketch are of the same x; ties[j] is the class
/// of channel j, in [0, numClasses), or empty for no ties. Cost: candidates * rows * in * (sketch
/// rows) multiply-adds. Deterministic for a given threadCount().
///
/// Errors: no layer, a weight of another width, an empty grid, those of verify(), a NaN or an
/// infinity in a weight, a mean magnitude that is negative or not finite.
llvm::Expected<AwqResult> searchAwqScales(llvm::ArrayRef<ScaledLayer> layers,
                                          llvm::ArrayRef<float> meanAbs,
                                          llvm::ArrayRef<int32_t> ties, int64_t numClasses,
                                          const ActivationSketch &sketch,
                                          const AwqOptions &options = {});

/// sum over layers of ||(W - Q(W S) S^-1) Z^T||^2 over all rows; empty scales are ones. With a
/// sketch that the search has not seen this is an unbiased estimate of the error on all tokens.
/// Errors: as above; a scale that is not positive and finite.
llvm::Expected<double> scaledRoundingLoss(llvm::ArrayRef<ScaledLayer> layers,
                                          llvm::ArrayRef<float> scales,
                                          const ActivationSketch &sketch);

struct ClipOptions {
  unsigned steps = 10; ///< Candidates max|w| * (1 - i/20), i < steps; 1 to 20.
};

struct ClipResult {
  /// [out, groups]: the greatest |w| s that the range of each group need cover.
  std::vector<float> clip;
  double lossBefore = 0; ///< Of unclipped ranges.
  double loss = 0;       ///< Of those chosen.
};

/// Searches the range of each group of W diag(scales): of the candidates, that which minimizes the
/// error of the group's part of the output, d^T H_g d with H_g the group's block of Z^T Z, divided
/// by the scales. A clipped range [lo, hi] is [max(lo, -c), min(hi, c)].
/// Errors: as above; a scheme per tensor.
llvm::Expected<ClipResult> searchClip(const ScaledLayer &layer, llvm::ArrayRef<float> scales,
                                      const ActivationSketch &sketch,
                                      const ClipOptions &options = {});

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_AWQ_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ (Frantar et al., 2022) in its no-inverse form. With H = R R^T (GramFactor.h), E = W - Q and
// columns in rounding order, column j is rounded from
//     c_j = W[:, j] + (E[:, <j] R[<j, j]) / R[j, j],
// which is Babai's nearest plane on the lattice with basis R, and gives the integers of the
// textbook form (U = R^-1, W[:, j+1:] -= err U[j, j+1:]) for half its work: out * in^2 flops,
// almost all of it GEMM.
//
// The scales. Static groups, and always per tensor and per channel: from the original weights (dead
// columns zeroed), before the loop. Groups otherwise: when their first column j is reached, from
// the values that columns G = j..k would have if nothing else were rounded,
//     W[:, G] + (E[:, <j] R[<j, G]) R[G, G]^-1.

#ifndef PTQ_NUMERICS_GPTQ_H
#define PTQ_NUMERICS_GPTQ_H

#include "ptq/Numerics/GramFactor.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/QuantizedWeight.h"
#include "llvm/ADT/ArrayRef.h"
#include <functional>

namespace ptq::numerics {

/// Rows are rounded independently of each other, so processes may share them.
struct RowShare {
  /// This process, of how many. All of them call quantizeGptq with the same arguments otherwise.
  int index = 0, count = 1;
  /// Brings what each process has computed to all: of `bytes`, process p has those from ends[p - 1]
  /// (0 for the first) to ends[p]. Not called for one process.
  std::function<llvm::Error(llvm::MutableArrayRef<char> bytes, llvm::ArrayRef<int64_t> ends)>
      exchange;
};

struct GptqOptions {
  /// Group scales from the original weights. Read for PerGroup only.
  bool staticGroups = false;
  /// Group scales see every column rounded so far. false: only those before the current block of
  /// blockSize columns, as the reference implementation does for groups smaller than a block.
  bool liveGroupScales = true;
  /// The block of the reference implementation; matters only with liveGroupScales = false.
  unsigned blockSize = 128;
  /// Fill in GptqResult::error and errorRtn. They cost 2 * rows * columns^2 flops for as many rows.
  bool computeErrors = true;
  /// On how many rows, evenly spread, the errors are taken; 0 is all.
  int64_t errorRows = 256;
  /// The share of weights, those whose rounding costs the output most, that stay in 16 bits as
  /// QuantizedWeight::sparse (SpQR); 0 to 1. Their codes are those of 0, they do not count for
  /// scales, and what follows makes up for what little their 16 bits leave.
  double outliers = 0;
  ShortFloat outlierType = ShortFloat::F16;
  /// Which rows are rounded here. The result has all rows, the same for any share.
  RowShare rowShare;
};

struct GptqResult {
  QuantizedWeight weight;
  /// ||(W - Q) R||^2 over all rows: the squared error of the layer's output over the calibration
  /// data (plus damping). The sum of GPTQ's losses, so it costs nothing.
  double loss = 0;
  /// ||(W - Q) R||^2 / ||W R||^2 on the sampled rows, W with its dead columns zeroed. 0 if not
  /// computed.
  double error = 0;
  /// The same for rounding to nearest with the same scheme.
  double errorRtn = 0;
};

/// Quantizes w [out, in] against a factor of its input's Gram matrix. Weights of dead columns
/// become 0. Deterministic, whatever threadCount() is.
///
/// The result has a groupIndex only if the factor's order is Activation, the scheme PerGroup and
/// staticGroups off.
///
/// The scales are quantized in their turn (WeightScheme::doubleQuantization) at the end: loss and
/// errors are those before.
///
/// clip is that of quantizeRtn(): it bounds the ranges of live values as it does those of the
/// weight, since corrections move single weights, not the range that serves the output best.
///
/// Errors: those of quantizeRtn(), a factor of another width, a factor in group-aware order for
/// another group size, a clip where the result has a groupIndex.
llvm::Expected<GptqResult> quantizeGptq(ConstMatrix w, const GramFactor &factor,
                                        const WeightScheme &scheme, const GptqOptions &options = {},
                                        ConstMatrix clip = {});

/// ||(W - Q) R||^2 / ||W R||^2 over all rows, W with its dead columns zeroed: the relative squared
/// error of the layer's output on the calibration data. 0 for a weight of zeros. The shapes agree.
double relativeOutputError(ConstMatrix w, const QuantizedWeight &quantized,
                           const GramFactor &factor);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_GPTQ_H

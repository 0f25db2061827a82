// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What calibration keeps of a layer's input X [tokens, channels]: per channel j the largest
// magnitude max_t |X_tj| and the mean magnitude (1/T) Σ_t |X_tj|.
//
#ifndef PTQ_STATISTICS_ACTIVATIONSTATISTICS_H
#define PTQ_STATISTICS_ACTIVATIONSTATISTICS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ptq::statistics {

/// Statistics of x / divisor, where x is the input that was observed. All vectors have one entry a
/// channel.
struct ActivationStatistics {
  /// Rows of X seen.
  int64_t tokens = 0;
  /// max |x|, in the activation's unit.
  std::vector<float> absmax;
  /// mean |x|; 0 where tokens is 0.
  std::vector<float> meanAbs;
  /// The product of all scales divided out since the observation; empty means 1. `absmax` and
  /// `meanAbs` are divided already; a Gram matrix of the observed x is not, and is read through
  /// applyDivisorToGram.
  std::vector<float> divisor;

  int64_t channels() const { return static_cast<int64_t>(absmax.size()); }

  /// The statistics of x / s. `s` has one entry a channel, each finite and positive; anything else
  /// is an error that names the channel.
  llvm::Expected<ActivationStatistics> dividedBy(llvm::ArrayRef<float> s) const;
};

/// G ← S⁻¹ G S⁻¹ in place, S = diag(divisor): the Gram matrix XᵀX [n, n] (row major) of x / divisor
/// from that of x. An empty divisor leaves G as it is. `gram` has n² elements where `divisor` has
/// n.
llvm::Error applyDivisorToGram(llvm::MutableArrayRef<float> gram, llvm::ArrayRef<float> divisor);

/// Accumulates statistics over any number of calls. Sums run in double and in the order of the
/// tokens, so the result does not depend on how the tokens were split into calls. Not thread safe:
/// give each thread its own and merge.
class StatisticsAccumulator {
public:
  /// `firstToken` is the number that errors give the first token.
  explicit StatisticsAccumulator(int64_t firstToken = 0) : firstToken(firstToken) {}

  /// Takes in x [tokens, channels], row t at x + t·stride (in elements, ≥ channels). Errors: an Inf
  /// or NaN, named by token and channel; a channel count that differs from earlier calls'. After an
  /// error nothing is taken in.
  llvm::Error add(const float *x, int64_t tokens, int64_t channels, int64_t stride);

  /// Takes in what `other` saw, as if its tokens followed. An error if its channel count differs.
  llvm::Error merge(const StatisticsAccumulator &other);

  /// Appends what was seen to `bytes`, for a process that merges it; on a machine of one kind.
  void write(std::string &bytes) const;
  /// Takes what write() appended from the front of `bytes`.
  static StatisticsAccumulator read(llvm::StringRef &bytes);

  /// The statistics so far; the accumulator stays usable.
  ActivationStatistics finish() const;

private:
  int64_t firstToken;
  int64_t tokens = 0;
  std::vector<int32_t> absmaxBits;
  std::vector<double> sums;
};

} // namespace ptq::statistics

#endif // PTQ_STATISTICS_ACTIVATIONSTATISTICS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SmoothQuant (Xiao et al., 2022): per-channel scales of an input x that is to be rounded as the
// weights that read it are,
//     s_j = max|X_j|^alpha / max|W_j|^(1-alpha),
// both maxima at least 1e-5, those of W over all layers that share the input. Layers then compute
// Q(x/s) Q(W diag(s))^T. Channels that were never used take 1; channels that must share a scale
// (ties) take the greatest of their maxima.
//
// The search for alpha evaluates the squared error of the layers' outputs,
//     sum over layers of ||X W^T - Q(X/s) Q(W diag(s))^T||^2,
// on some tokens and some rows of each weight.

#ifndef PTQ_NUMERICS_SMOOTHQUANT_H
#define PTQ_NUMERICS_SMOOTHQUANT_H

#include "ptq/Numerics/Awq.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <vector>

namespace ptq::numerics {

/// How an activation [tokens, channels] is rounded: 8 bits as a rule.
struct ActivationScheme {
  unsigned bits = 8; ///< 2 to 8.
  bool symmetric = true;
  bool perToken = true; ///< false: one range for all tokens.
  /// The scale of a symmetric range.
  SymmetricRange symmetricRange = SymmetricRange::Restricted;
};

/// max over all layers' rows of |w_ij|, per channel; NaN where a weight is. The weights have one
/// width.
std::vector<float> columnAbsMax(llvm::ArrayRef<ConstMatrix> weights);

/// The scales for one alpha in [0, 1]. absmax and weightAbsmax are [in]; ties[j] is the class of
/// channel j, in [0, numClasses), or empty for no ties. All scales are positive and finite.
/// Errors: sizes that do not agree, alpha out of range, maxima that are negative or not finite.
llvm::Expected<std::vector<float>>
smoothQuantScales(llvm::ArrayRef<float> absmax, llvm::ArrayRef<float> weightAbsmax, double alpha,
                  llvm::ArrayRef<int32_t> ties = {}, int64_t numClasses = 0);

/// A layer in the search for alpha. The weight's scheme is that of ScaledLayer.
struct SmoothedLayer {
  ConstMatrix weight;
  WeightScheme scheme;
  ActivationScheme activation;
};

struct AlphaSearchOptions {
  unsigned steps = 20; ///< alpha = 0, 1/steps, ..., 1; >= 1.
  /// Rows of each weight that the search looks at, evenly spread; 0 is all.
  int64_t searchRows = 256;
};

struct AlphaSearchResult {
  std::vector<float> scales;
  std::optional<double> alpha; ///< None: no scales (all 1) are better than any.
  double lossBefore = 0;       ///< Of s = 1.
  double loss = 0;             ///< Of `scales`.
};

/// Searches alpha for one input. x [tokens, in] are the tokens the loss is taken on; absmax is over
/// all tokens, and gives the range of activations that are rounded per tensor. Of equal losses the
/// first wins: s = 1, then ascending alpha.
/// Errors: those of smoothQuantScales(), no layer or token, a NaN or an infinity.
llvm::Expected<AlphaSearchResult> searchAlpha(llvm::ArrayRef<SmoothedLayer> layers, ConstMatrix x,
                                              llvm::ArrayRef<float> absmax,
                                              llvm::ArrayRef<int32_t> ties, int64_t numClasses,
                                              const AlphaSearchOptions &options = {});

/// The loss of given scales (empty: 1), on the same tokens and rows as the search's.
llvm::Expected<double> smoothedLoss(llvm::ArrayRef<SmoothedLayer> layers, ConstMatrix x,
                                    llvm::ArrayRef<float> absmax, llvm::ArrayRef<float> scales,
                                    int64_t searchRows = 256);

/// `count` rows of x, evenly spread, or all if it has no more.
std::vector<float> sampleTokens(ConstMatrix x, int64_t count);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_SMOOTHQUANT_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a Gram matrix to its factor: checks, dead columns, order, damping with retries.

#include "ptq/Numerics/GramFactor.h"
#include "LargePages.h"
#include "RowTile.h"
#include "TriangularFactor.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ptq::numerics {
namespace {

constexpr double dampingStep = 0.01;

/// upper[i, j] = H[p(i), p(j)] for j >= i, H symmetric with the given diagonal.
void gatherUpper(const std::vector<float> &h, const std::vector<float> &diagonal,
                 const std::vector<int32_t> &permutation, std::vector<float> &upper) {
  int64_t n = static_cast<int64_t>(permutation.size());
  parallelFor(0, n, 32, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float *from = h.data() + int64_t(permutation[i]) * n;
      float *to = upper.data() + i * n;
      to[i] = diagonal[permutation[i]];
      for (int64_t j = i + 1; j < n; ++j)
        to[j] = from[permutation[j]];
    }
  });
}

/// Names the first element that no Gram matrix has; success if there is none. Called when there is
/// reason to: the factorization itself finds out that something is wrong.
llvm::Error checkGram(const std::vector<float> &gram, int64_t n) {
  std::vector<int64_t> bad(n, n);
  parallelFor(0, n, 32, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      if (gram[i * n + i] < 0)
        bad[i] = i;
      if (!hasNonFinite(gram.data() + i * n + i, n - i))
        continue;
      for (bad[i] = i; std::isfinite(gram[i * n + bad[i]]);)
        ++bad[i];
    }
  });
  for (int64_t i = 0; i < n; ++i)
    if (bad[i] < n)
      return llvm::createStringError("the Gram matrix has the value %g at (%lld, %lld): the "
                                     "layer's calibration inputs are not "
                                     "all finite, or too large for float",
                                     gram[i * n + bad[i]], static_cast<long long>(i),
                                     static_cast<long long>(bad[i]));
  return llvm::Error::success();
}

llvm::Error checkOptions(size_t size, int64_t columns, const FactorOptions &options) {
  if (columns <= 0 || size != static_cast<uint64_t>(columns) * static_cast<uint64_t>(columns))
    return llvm::createStringError("a Gram matrix over %lld channels cannot have %zu elements",
                                   static_cast<long long>(columns), size);
  if (!(options.damping >= 0) || !std::isfinite(options.damping))
    return llvm::createStringError("damping is %g, but must be a number from 0", options.damping);
  if (options.order == ColumnOrder::GroupAware && options.groupSize != 0 &&
      (options.groupSize < 0 || columns % options.groupSize != 0))
    return llvm::createStringError(
        "group size %lld of the group-aware order does not divide the %lld channels",
        static_cast<long long>(options.groupSize), static_cast<long long>(columns));
  return llvm::Error::success();
}

std::string formatDamping(double damping) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", damping);
  return text;
}

} // namespace

llvm::Expected<GramFactor> factorGram(std::vector<float> gram, int64_t columns,
                                      const FactorOptions &options) {
  if (llvm::Error error = checkOptions(gram.size(), columns, options))
    return error;
  int64_t n = columns;

  GramFactor factor;
  factor.columns = n;
  factor.order = options.order;
  factor.groupSize = options.order == ColumnOrder::GroupAware ? options.groupSize : 0;
  std::vector<float> diagonal(n);
  factor.dead.resize(n);
  double sum = 0;
  int64_t live = 0;
  for (int64_t j = 0; j < n; ++j) {
    diagonal[j] = gram[j * n + j];
    if (!std::isfinite(diagonal[j]) || diagonal[j] < 0)
      return checkGram(gram, n);
    factor.dead[j] = diagonal[j] == 0;
    live += !factor.dead[j];
    sum += diagonal[j];
  }
  if (live == 0)
    return llvm::createStringError(
        "the Gram matrix is all zeros: the layer saw no nonzero input during calibration");
  double mean = sum / live;
  factor.permutation = computeColumnOrder(diagonal, options.order, options.groupSize);
  symmetrize(MutableMatrix(gram.data(), n, n));

  factor.r.reserve(n * n);
  touchLargePages(factor.r.data(), n * n * sizeof(float));
  factor.r.resize(n * n);
  // Damping is relative, and a float: a hair above 1 is 1.
  const double limit = std::max(1.0, double(options.damping)) + 1e-6;
  double damping = options.damping;
  std::vector<float> damped(n);
  for (;;) {
    for (int64_t j = 0; j < n; ++j)
      damped[j] = static_cast<float>((factor.dead[j] ? mean : diagonal[j]) + damping * mean);
    gatherUpper(gram, damped, factor.permutation, factor.r);
    if (factorUpper(MutableMatrix(factor.r.data(), n, n)))
      break;
    if (factor.retries == 0)
      if (llvm::Error error = checkGram(gram, n))
        return error;
    double raised = options.damping + (factor.retries + 1) * dampingStep;
    if (raised > limit)
      return llvm::createStringError(
          "the Gram matrix is not positive definite, even with damping %s",
          formatDamping(damping).c_str());
    damping = raised;
    ++factor.retries;
  }
  factor.damping = static_cast<float>(damping);
  if (factor.retries > 0)
    factor.warning = "the Gram matrix is not positive definite with damping " +
                     formatDamping(options.damping) + ": raised to " + formatDamping(damping) +
                     "; more calibration data would help";
  return factor;
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SmoothQuant's formula.

#include "ptq/Numerics/SmoothQuant.h"
#include "Simd.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cmath>

namespace ptq::numerics {
namespace {

/// maxima[j] = max(maxima[j], |x[j]|) for maxima >= 0. Without the sign bit floats order as their
/// bits do, with NaN above all others: it stays.
PTQ_SIMD_CLONES
void maximizeMagnitudes(const float *x, int64_t count, float *maxima) {
  for (int64_t j = 0; j < count; ++j) {
    uint32_t value, most;
    std::memcpy(&value, x + j, sizeof(value));
    std::memcpy(&most, maxima + j, sizeof(most));
    value &= 0x7fffffff;
    most = value > most ? value : most;
    std::memcpy(maxima + j, &most, sizeof(most));
  }
}

/// Replaces each value by the greatest of its class.
std::vector<float> maximaOverTies(llvm::ArrayRef<float> values, llvm::ArrayRef<int32_t> ties,
                                  int64_t classes) {
  std::vector<float> result(values.begin(), values.end());
  if (ties.empty())
    return result;
  std::vector<float> maxima(classes, 0.0f);
  for (size_t j = 0; j < values.size(); ++j)
    maxima[ties[j]] = std::max(maxima[ties[j]], values[j]);
  for (size_t j = 0; j < values.size(); ++j)
    result[j] = maxima[ties[j]];
  return result;
}

llvm::Error verifyMaxima(llvm::ArrayRef<float> maxima, const char *what) {
  for (size_t j = 0; j < maxima.size(); ++j)
    if (!(maxima[j] >= 0) || std::isinf(maxima[j]))
      return llvm::createStringError("the greatest %s of channel %zu is %g", what, j,
                                     static_cast<double>(maxima[j]));
  return llvm::Error::success();
}

} // namespace

std::vector<float> columnAbsMax(llvm::ArrayRef<ConstMatrix> weights) {
  constexpr int64_t columnsPerChunk = 512;
  int64_t columns = weights.empty() ? 0 : weights.front().columns;
  std::vector<float> result(columns, 0.0f);
  parallelFor(0, columns, columnsPerChunk, [&](int64_t first, int64_t last) {
    for (const ConstMatrix &w : weights)
      for (int64_t i = 0; i < w.rows; ++i)
        maximizeMagnitudes(w.row(i) + first, last - first, result.data() + first);
  });
  return result;
}

llvm::Expected<std::vector<float>> smoothQuantScales(llvm::ArrayRef<float> absmax,
                                                     llvm::ArrayRef<float> weightAbsmax,
                                                     double alpha, llvm::ArrayRef<int32_t> ties,
                                                     int64_t numClasses) {
  constexpr double least = 1e-5;
  if (!(alpha >= 0 && alpha <= 1))
    return llvm::createStringError("alpha is between 0 and 1, not %g", alpha);
  if (absmax.size() != weightAbsmax.size() || (!ties.empty() && ties.size() != absmax.size()))
    return llvm::createStringError("the maxima of %zu activation channels, %zu weight columns and "
                                   "%zu ties are not of one input",
                                   absmax.size(), weightAbsmax.size(), ties.size());
  for (int32_t tie : ties)
    if (tie < 0 || tie >= numClasses)
      return llvm::createStringError("a channel is of class %d of %lld", tie,
                                     static_cast<long long>(numClasses));
  if (llvm::Error error = verifyMaxima(absmax, "activation"))
    return error;
  if (llvm::Error error = verifyMaxima(weightAbsmax, "weight"))
    return error;
  std::vector<float> x = maximaOverTies(absmax, ties, numClasses);
  std::vector<float> w = maximaOverTies(weightAbsmax, ties, numClasses);
  std::vector<float> scales(x.size(), 1.0f);
  for (size_t j = 0; j < x.size(); ++j)
    if (x[j] > 0)
      scales[j] =
          static_cast<float>(std::max(std::pow(std::max<double>(x[j], least), alpha) /
                                          std::pow(std::max<double>(w[j], least), 1.0 - alpha),
                                      least));
  return scales;
}

std::vector<float> sampleTokens(ConstMatrix x, int64_t count) {
  count = std::min(count, x.rows);
  std::vector<float> result(count * x.columns);
  for (int64_t i = 0; i < count; ++i)
    std::copy_n(x.row(i * x.rows / count), x.columns, &result[i * x.columns]);
  return result;
}

} // namespace ptq::numerics

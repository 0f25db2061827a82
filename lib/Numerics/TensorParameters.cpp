// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parameters of a whole weight: the same formulas as for groups, with lanes along the row. The
// zeros that pad the last lanes change nothing: they widen no range that includes 0, and 0 has a
// code of its own.

#include "TensorParameters.h"
#include "TileParameters.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <vector>

namespace ptq::numerics {
namespace {

constexpr int64_t rowsPerChunk = 64;

/// Calls visit(values, count) with each row's live values in turn, padded with zeros to whole
/// tiles.
template <typename Visitor>
void forEachRow(ConstMatrix w, llvm::ArrayRef<uint8_t> dead, int64_t first, int64_t last,
                Visitor visit) {
  int64_t width = roundUpToTile(w.columns);
  std::vector<float> row(width, 0.0f);
  for (int64_t i = first; i < last; ++i) {
    std::copy_n(w.row(i), w.columns, row.data());
    for (size_t j = 0; j < dead.size(); ++j)
      if (dead[j])
        row[j] = 0.0f;
    visit(row.data(), width / tileRows);
  }
}

} // namespace

QuantizationParameters computeTensorParameters(ConstMatrix w, llvm::ArrayRef<uint8_t> dead,
                                               const WeightScheme &scheme) {
  int64_t chunks = (w.rows + rowsPerChunk - 1) / rowsPerChunk;
  std::vector<float> lows(chunks, 0.0f), highs(chunks, 0.0f);
  parallelFor(0, w.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    float lo = 0, hi = 0;
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < w.columns; ++j) {
        if (!dead.empty() && dead[j])
          continue;
        lo = std::min(lo, w(i, j));
        hi = std::max(hi, w(i, j));
      }
    lows[first / rowsPerChunk] = lo;
    highs[first / rowsPerChunk] = hi;
  });
  float lo = chunks ? *std::min_element(lows.begin(), lows.end()) : 0.0f;
  float hi = chunks ? *std::max_element(highs.begin(), highs.end()) : 0.0f;
  auto parameters = [&](float shrink) {
    QuantizationParameters result = parametersOfRange(lo * shrink, hi * shrink, scheme.bits,
                                                      scheme.symmetric, scheme.symmetricRange);
    result.scale = roundScale(result.scale, scheme.scaleType);
    return result;
  };
  QuantizationParameters best = parameters(1.0f);
  if (!scheme.mse)
    return best;

  // All candidates in one pass over the rows; losses[chunk][candidate].
  std::vector<QuantizationParameters> candidates;
  for (int i = 0; i < mseCandidates; ++i)
    candidates.push_back(parameters(mseShrink(i)));
  std::vector<double> losses(chunks * mseCandidates, 0.0);
  parallelFor(0, w.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    double *sums = losses.data() + first / rowsPerChunk * mseCandidates;
    alignas(64) float scales[tileRows], zeroPoints[tileRows], extents[tileRows], loss[tileRows];
    std::fill_n(extents, tileRows, inverseExtent(lo, hi));
    forEachRow(w, dead, first, last, [&](const float *values, int64_t count) {
      for (int i = 0; i < mseCandidates; ++i) {
        std::fill_n(scales, tileRows, candidates[i].scale);
        std::fill_n(zeroPoints, tileRows, static_cast<float>(candidates[i].zeroPoint));
        computeTileLosses(values, count, tileRows, scheme, scales, zeroPoints, extents, loss);
        for (float lane : loss)
          sums[i] += lane;
      }
    });
  });
  std::vector<double> totals(mseCandidates, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int i = 0; i < mseCandidates; ++i)
      totals[i] += losses[chunk * mseCandidates + i];
  return candidates[std::min_element(totals.begin(), totals.end()) - totals.begin()];
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ's clip search. With A^T A = H_g the error d^T H_g d of a group is ||A d||^2: all candidates
// of a tile of rows make one matrix product. A is the Cholesky factor of H_g, or the sketch's own
// columns where they have fewer rows than the group has channels.

#include "AwqLoss.h"
#include "RowTile.h"
#include "ptq/Numerics/Awq.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <lapacke.h>

namespace ptq::numerics {
namespace {

/// A [rows, size] with A^T A = the group's block of S^-1 Z^T Z S^-1.
struct GroupMetric {
  int64_t rows = 0;
  std::vector<float> a;
};

GroupMetric computeMetric(ConstMatrix z, int64_t first, int64_t size, const float *inverseScales) {
  GroupMetric metric;
  std::vector<float> columns(z.rows * size);
  for (int64_t i = 0; i < z.rows; ++i)
    for (int64_t j = 0; j < size; ++j)
      columns[i * size + j] = z(i, first + j) * inverseScales[first + j];
  if (z.rows <= size) {
    metric.rows = z.rows;
    metric.a = std::move(columns);
    return metric;
  }
  metric.rows = size;
  metric.a.assign(size * size, 0.0f);
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, size, z.rows, 1.0f, columns.data(), size, 0.0f,
              metric.a.data(), size);
  std::vector<float> diagonal(size);
  double mean = 0;
  for (int64_t j = 0; j < size; ++j) {
    diagonal[j] = metric.a[j * size + j];
    mean += diagonal[j] / static_cast<double>(size);
  }
  // Enough for the factorization in float; next to the error of rounding, nothing.
  float damping = static_cast<float>(1e-5 * mean) + 1e-30f;
  for (int64_t j = 0; j < size; ++j)
    metric.a[j * size + j] += damping;
  // The upper triangle of a row-major matrix is the lower one by columns: L by columns is L^T by
  // rows, and (L^T)^T L^T = H.
  if (LAPACKE_spotrf(LAPACK_COL_MAJOR, 'L', static_cast<lapack_int>(size), metric.a.data(),
                     static_cast<lapack_int>(size)) == 0)
    return metric;
  std::fill(metric.a.begin(), metric.a.end(), 0.0f);
  for (int64_t j = 0; j < size; ++j)
    metric.a[j * size + j] = std::sqrt(diagonal[j]);
  return metric;
}

} // namespace

llvm::Expected<ClipResult> searchClip(const ScaledLayer &layer, llvm::ArrayRef<float> scales,
                                      const ActivationSketch &sketch, const ClipOptions &options) {
  const ConstMatrix &w = layer.weight;
  if (llvm::Error error = verifyLayer(layer, sketch.channels))
    return error;
  if (llvm::Error error = verifyScales(scales, sketch.channels))
    return error;
  if (layer.scheme.granularity == Granularity::PerTensor)
    return llvm::createStringError("a range for the whole tensor has no groups to clip");
  if (options.steps < 1 || options.steps > 20)
    return llvm::createStringError("the clip search takes 1 to 20 steps, not %u", options.steps);

  int64_t groups = groupsPerRow(layer.scheme, w.columns), size = w.columns / groups;
  int64_t steps = options.steps, width = steps * tileRows;
  std::vector<float> s(scales.begin(), scales.end()), inverse(w.columns);
  s.resize(w.columns, 1.0f);
  for (int64_t j = 0; j < w.columns; ++j)
    inverse[j] = 1.0f / s[j];
  std::vector<GroupMetric> metrics(groups);
  ClipResult result;
  result.clip.resize(w.rows * groups);
  int64_t tiles = roundUpToTile(w.rows) / tileRows;
  std::vector<double> before(tiles, 0.0), after(tiles, 0.0);

  SingleThreadedBlas guard;
  parallelFor(0, groups, 1, [&](int64_t first, int64_t last) {
    for (int64_t g = first; g < last; ++g)
      metrics[g] = computeMetric(sketch.matrix(), g * size, size, inverse.data());
  });
  const std::vector<float> ones(size, 1.0f);
  parallelFor(0, tiles, 1, [&](int64_t firstTile, int64_t lastTile) {
    std::vector<float> lanes(size * tileRows), delta(size * width), product;
    std::vector<float> norms(width);
    alignas(64) float ranges[2 * tileRows], absmax[tileRows], clip[tileRows];
    for (int64_t tile = firstTile; tile < lastTile; ++tile)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t row = tile * tileRows, rows = std::min(tileRows, w.rows - row);
        loadLanes(ConstMatrix(w.row(row) + g * size, rows, size, w.stride), {}, {}, lanes.data(),
                  tileRows);
        // The metric is that of x / s: errors are taken of the scaled weight itself.
        for (int64_t c = 0; c < size; ++c)
          for (int64_t l = 0; l < tileRows; ++l)
            lanes[c * tileRows + l] *= s[g * size + c];
        computeScaledRanges(lanes.data(), size, tileRows, ones.data(), ranges);
        for (int64_t l = 0; l < tileRows; ++l)
          absmax[l] = std::max(-ranges[l], ranges[tileRows + l]);
        for (int64_t i = 0; i < steps; ++i) {
          for (int64_t l = 0; l < tileRows; ++l)
            clip[l] = absmax[l] * (1.0f - static_cast<float>(i) / 20.0f);
          computeRoundingErrors(lanes.data(), size, tileRows, ones.data(), ones.data(),
                                layer.scheme, clip, ranges, delta.data() + i * tileRows, width);
        }
        const GroupMetric &metric = metrics[g];
        product.resize(metric.rows * width);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, metric.rows, width, size, 1.0f,
                    metric.a.data(), size, delta.data(), width, 0.0f, product.data(), width);
        columnNorms(ConstMatrix(product.data(), metric.rows, width), norms.data());
        for (int64_t l = 0; l < rows; ++l) {
          int64_t best = 0;
          for (int64_t i = 1; i < steps; ++i)
            if (norms[i * tileRows + l] < norms[best * tileRows + l])
              best = i;
          result.clip[(row + l) * groups + g] =
              absmax[l] * (1.0f - static_cast<float>(best) / 20.0f);
          before[tile] += norms[l];
          after[tile] += norms[best * tileRows + l];
        }
      }
  });
  for (int64_t tile = 0; tile < tiles; ++tile) {
    result.lossBefore += before[tile];
    result.loss += after[tile];
  }
  return result;
}

} // namespace ptq::numerics

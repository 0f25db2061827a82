// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Errors are taken with a tile of rows in lanes, and multiplied by the sketch for a block of rows.

#include "AwqLoss.h"
#include "RangeParameters.h"
#include "RowTile.h"
#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <string>

namespace ptq::numerics {
namespace {

constexpr int64_t blockRows = 4 * tileRows;

PTQ_SIMD_CLONES
void rangesTile(const float *__restrict w, int64_t count, int64_t stride,
                const float *__restrict scales, float *__restrict ranges) {
  float low[tileRows], high[tileRows];
  for (int64_t l = 0; l < tileRows; ++l)
    low[l] = high[l] = 0;
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l) {
      float v = w[c * stride + l] * scales[c];
      low[l] = v < low[l] ? v : low[l];
      high[l] = v > high[l] ? v : high[l];
    }
  for (int64_t l = 0; l < tileRows; ++l) {
    ranges[l] = low[l];
    ranges[tileRows + l] = high[l];
  }
}

PTQ_SIMD_CLONES
void errorsTile(const float *__restrict w, int64_t count, int64_t stride,
                const float *__restrict scales, const float *__restrict inverseScales,
                const CodeRange &codes, const float *__restrict clip,
                const float *__restrict ranges, float *__restrict delta, int64_t deltaStride) {
  float step[tileRows], zeroPoint[tileRows];
  for (int64_t l = 0; l < tileRows; ++l) {
    float lo = ranges[l] > -clip[l] ? ranges[l] : -clip[l];
    float hi = ranges[tileRows + l] < clip[l] ? ranges[tileRows + l] : clip[l];
    computeRangeParameters(lo, hi, codes, step[l], zeroPoint[l]);
  }
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l) {
      float x = w[c * stride + l];
      float q = roundToStep(x * scales[c], step[l], zeroPoint[l], codes.minCode, codes.maxCode);
      delta[c * deltaStride + l] = q * step[l] * inverseScales[c] - x;
    }
}

PTQ_SIMD_CLONES
void addSquares(const float *__restrict row, int64_t count, float *__restrict sums) {
  for (int64_t j = 0; j < count; ++j)
    sums[j] += row[j] * row[j];
}

} // namespace

llvm::Error verifyLayer(const ScaledLayer &layer, int64_t channels) {
  if (layer.weight.columns != channels)
    return llvm::createStringError("a weight of width %lld does not read an input of %lld channels",
                                   static_cast<long long>(layer.weight.columns),
                                   static_cast<long long>(channels));
  if (llvm::Error error = verify(layer.scheme, layer.weight.rows, layer.weight.columns))
    return error;
  if (layer.scheme.codebook != Codebook::Uniform)
    return llvm::createStringError("scales are searched for weights rounded to integers, not to "
                                   "the entries of a codebook");
  return checkFinite(layer.weight);
}

llvm::Error verifyScales(llvm::ArrayRef<float> scales, int64_t channels) {
  if (!scales.empty() && static_cast<int64_t>(scales.size()) != channels)
    return llvm::createStringError("%zu scales do not fit an input of %lld channels", scales.size(),
                                   static_cast<long long>(channels));
  for (size_t j = 0; j < scales.size(); ++j)
    if (!(scales[j] > 0) || std::isinf(scales[j]))
      return llvm::createStringError(
          "the scale of channel %zu is %g: it must be positive and finite", j,
          static_cast<double>(scales[j]));
  return llvm::Error::success();
}

void computeScaledRanges(const float *w, int64_t count, int64_t stride, const float *scales,
                         float *ranges) {
  rangesTile(w, count, stride, scales, ranges);
}

void computeRoundingErrors(const float *w, int64_t count, int64_t stride, const float *scales,
                           const float *inverseScales, const WeightScheme &scheme,
                           const float *clip, const float *ranges, float *delta,
                           int64_t deltaStride) {
  alignas(64) float own[2 * tileRows], open[tileRows];
  if (!ranges) {
    rangesTile(w, count, stride, scales, own);
    ranges = own;
  }
  if (!clip) {
    std::fill_n(open, tileRows, HUGE_VALF);
    clip = open;
  }
  CodeRange codes(scheme.bits, scheme.symmetric, scheme.symmetricRange == SymmetricRange::Full);
  errorsTile(w, count, stride, scales, inverseScales, codes, clip, ranges, delta, deltaStride);
}

void columnNorms(ConstMatrix values, float *norms) {
  std::fill_n(norms, values.columns, 0.0f);
  for (int64_t i = 0; i < values.rows; ++i)
    addSquares(values.row(i), values.columns, norms);
}

SampledRows::SampledRows(const ScaledLayer &layer, int64_t count)
    : scheme(layer.scheme), columns(layer.weight.columns) {
  const ConstMatrix &w = layer.weight;
  sampled = count <= 0 ? w.rows : std::min(count, w.rows);
  std::vector<float> gathered(std::min(sampled, blockRows) * columns);
  for (int64_t first = 0; first < sampled; first += blockRows) {
    int64_t rows = std::min(blockRows, sampled - first);
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(w.row((first + i) * w.rows / sampled), columns, &gathered[i * columns]);
    std::unique_ptr<float[]> block(new float[columns * blockRows]());
    loadLanes(ConstMatrix(gathered.data(), rows, columns), {}, {}, block.get(), blockRows);
    lanes.push_back(std::move(block));
  }
  if (scheme.granularity != Granularity::PerTensor)
    return;
  columnLow.assign(columns, 0.0f);
  columnHigh.assign(columns, 0.0f);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      columnLow[j] = std::min(columnLow[j], w(i, j));
      columnHigh[j] = std::max(columnHigh[j], w(i, j));
    }
}

double SampledRows::blockLoss(int64_t block, llvm::ArrayRef<float> scales,
                              llvm::ArrayRef<float> inverseScales, ConstMatrix z) const {
  int64_t width = std::min(blockRows, roundUpToTile(sampled - block * blockRows));
  int64_t groupSize = columns / groupsPerRow(scheme, columns);
  alignas(64) float tensorRanges[2 * tileRows];
  const float *ranges = nullptr;
  if (scheme.granularity == Granularity::PerTensor) {
    float lo = 0, hi = 0;
    for (int64_t j = 0; j < columns; ++j) {
      lo = std::min(lo, columnLow[j] * scales[j]);
      hi = std::max(hi, columnHigh[j] * scales[j]);
    }
    std::fill_n(tensorRanges, tileRows, lo);
    std::fill_n(tensorRanges + tileRows, tileRows, hi);
    ranges = tensorRanges;
  }
  std::unique_ptr<float[]> delta(new float[columns * width]), product(new float[z.rows * width]);
  for (int64_t tile = 0; tile < width; tile += tileRows)
    for (int64_t j = 0; j < columns; j += groupSize)
      computeRoundingErrors(lanes[block].get() + j * blockRows + tile, groupSize, blockRows,
                            scales.data() + j, inverseScales.data() + j, scheme, nullptr, ranges,
                            delta.get() + j * width + tile, width);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, z.rows, width, columns, 1.0f, z.data,
              z.stride, delta.get(), width, 0.0f, product.get(), width);
  float norms[blockRows];
  columnNorms(ConstMatrix(product.get(), z.rows, width), norms);
  double total = 0;
  for (int64_t i = 0; i < width; ++i)
    total += norms[i];
  return total;
}

} // namespace ptq::numerics

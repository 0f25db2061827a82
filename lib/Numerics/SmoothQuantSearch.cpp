// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The search for alpha. Outputs are products of two rounded matrices, taken in float: the integers
// are below 2^8 and exact, their sums of products are rounded far below the error looked for.

#include "AwqLoss.h"
#include "RangeParameters.h"
#include "RowTile.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/SmoothQuant.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cblas.h>
#include <cmath>

namespace ptq::numerics {
namespace {

/// Some rows of a layer's weight and what they compute in float.
struct SampledLayer {
  const SmoothedLayer *layer;
  std::vector<float> weight; ///< [rows, columns]
  std::vector<float> output; ///< [tokens, rows]
  int64_t rows = 0;
  /// Of each column over the whole weight; for per-tensor scales only.
  std::vector<float> columnLow, columnHigh;
};

PTQ_SIMD_CLONES
void roundRow(const float *x, const float *s, int64_t count, float scale, float zeroPoint,
              float minCode, float maxCode, float *out) {
  for (int64_t j = 0; j < count; ++j)
    out[j] = roundToStep(x[j] * s[j], scale, zeroPoint, minCode, maxCode) * scale;
}

PTQ_SIMD_CLONES
void rangeOfRow(const float *x, const float *s, int64_t count, float *range) {
  float lo = 0, hi = 0;
  for (int64_t j = 0; j < count; ++j) {
    float v = x[j] * s[j];
    lo = v < lo ? v : lo;
    hi = v > hi ? v : hi;
  }
  range[0] = lo;
  range[1] = hi;
}

/// out = Q(m diag(s)), with one range for each `group` columns of a row, or, if `range` is given,
/// that one for all.
void roundScaled(ConstMatrix m, const float *s, int64_t group, unsigned bits, bool symmetric,
                 SymmetricRange symmetricRange, const float *range, float *out) {
  CodeRange codes(bits, symmetric, symmetricRange == SymmetricRange::Full);
  parallelFor(0, m.rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < m.columns; j += group) {
        float own[2], scale, zeroPoint;
        if (!range)
          rangeOfRow(m.row(i) + j, s + j, group, own);
        const float *used = range ? range : own;
        computeRangeParameters(used[0], used[1], codes, scale, zeroPoint);
        roundRow(m.row(i) + j, s + j, group, scale, zeroPoint, codes.minCode, codes.maxCode,
                 out + i * m.columns + j);
      }
  });
}

void multiplyByTransposed(ConstMatrix x, const float *w, int64_t rows, float *out) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, x.rows, rows, x.columns, 1.0f, x.data,
              x.stride, w, x.columns, 0.0f, out, rows);
}

/// One input's tokens, and its layers' sampled rows.
class LossEvaluator {
public:
  LossEvaluator(llvm::ArrayRef<SmoothedLayer> smoothed, ConstMatrix x, llvm::ArrayRef<float> absmax,
                int64_t searchRows);
  double loss(llvm::ArrayRef<float> scales);

private:
  ConstMatrix x;
  llvm::ArrayRef<float> absmax;
  std::vector<SampledLayer> layers;
  std::vector<float> rounded, weight, output;
};

} // namespace

LossEvaluator::LossEvaluator(llvm::ArrayRef<SmoothedLayer> smoothed, ConstMatrix x,
                             llvm::ArrayRef<float> absmax, int64_t searchRows)
    : x(x), absmax(absmax), rounded(x.rows * x.columns) {
  int64_t most = 0;
  for (const SmoothedLayer &layer : smoothed) {
    const ConstMatrix &w = layer.weight;
    SampledLayer sampled;
    sampled.layer = &layer;
    sampled.weight = sampleTokens(w, searchRows <= 0 ? w.rows : searchRows);
    sampled.rows = static_cast<int64_t>(sampled.weight.size()) / w.columns;
    sampled.output.resize(x.rows * sampled.rows);
    multiplyByTransposed(x, sampled.weight.data(), sampled.rows, sampled.output.data());
    if (layer.scheme.granularity == Granularity::PerTensor) {
      sampled.columnLow.assign(w.columns, 0.0f);
      sampled.columnHigh.assign(w.columns, 0.0f);
      for (int64_t i = 0; i < w.rows; ++i)
        for (int64_t j = 0; j < w.columns; ++j) {
          sampled.columnLow[j] = std::min(sampled.columnLow[j], w(i, j));
          sampled.columnHigh[j] = std::max(sampled.columnHigh[j], w(i, j));
        }
    }
    most = std::max(most, sampled.rows);
    layers.push_back(std::move(sampled));
  }
  weight.resize(most * x.columns);
  output.resize(most * x.rows);
}

double LossEvaluator::loss(llvm::ArrayRef<float> scales) {
  int64_t columns = x.columns;
  std::vector<float> inverse(columns);
  for (int64_t j = 0; j < columns; ++j)
    inverse[j] = 1.0f / scales[j];
  double total = 0;
  const ActivationScheme *previous = nullptr;
  for (const SampledLayer &sampled : layers) {
    const ActivationScheme &activation = sampled.layer->activation;
    const WeightScheme &scheme = sampled.layer->scheme;
    bool same = previous && previous->bits == activation.bits &&
                previous->symmetric == activation.symmetric &&
                previous->perToken == activation.perToken &&
                previous->symmetricRange == activation.symmetricRange;
    if (!same) {
      float range[2] = {0, 0};
      for (int64_t j = 0; j < columns; ++j)
        range[1] = std::max(range[1], absmax[j] * inverse[j]);
      range[0] = -range[1];
      roundScaled(x, inverse.data(), columns, activation.bits, activation.symmetric,
                  activation.symmetricRange, activation.perToken ? nullptr : range, rounded.data());
      previous = &activation;
    }
    float range[2] = {0, 0};
    bool perTensor = scheme.granularity == Granularity::PerTensor;
    for (int64_t j = 0; perTensor && j < columns; ++j) {
      range[0] = std::min(range[0], sampled.columnLow[j] * scales[j]);
      range[1] = std::max(range[1], sampled.columnHigh[j] * scales[j]);
    }
    roundScaled(ConstMatrix(sampled.weight.data(), sampled.rows, columns), scales.data(),
                columns / groupsPerRow(scheme, columns), scheme.bits, scheme.symmetric,
                scheme.symmetricRange, perTensor ? range : nullptr, weight.data());
    multiplyByTransposed(ConstMatrix(rounded.data(), x.rows, columns), weight.data(), sampled.rows,
                         output.data());
    double sum = 0;
    for (int64_t i = 0; i < x.rows; ++i) {
      float row = 0;
      for (int64_t j = i * sampled.rows; j < (i + 1) * sampled.rows; ++j) {
        float error = output[j] - sampled.output[j];
        row += error * error;
      }
      sum += row;
    }
    total += sum;
  }
  return total;
}

static llvm::Error verifyProblem(llvm::ArrayRef<SmoothedLayer> layers, ConstMatrix x,
                                 llvm::ArrayRef<float> absmax) {
  if (layers.empty() || x.rows == 0)
    return llvm::createStringError("without a layer and a token there is no output error");
  if (static_cast<int64_t>(absmax.size()) != x.columns)
    return llvm::createStringError("%zu maxima do not fit tokens of %lld channels", absmax.size(),
                                   static_cast<long long>(x.columns));
  for (const SmoothedLayer &layer : layers) {
    if (llvm::Error error = verifyLayer({layer.weight, layer.scheme}, x.columns))
      return error;
    if (layer.activation.bits < 2 || layer.activation.bits > 8)
      return llvm::createStringError("cannot round activations to %u bits: they take 2 to 8",
                                     layer.activation.bits);
  }
  for (int64_t i = 0; i < x.rows; ++i)
    if (hasNonFinite(x.row(i), x.columns))
      return llvm::createStringError("token %lld has a NaN or an infinity",
                                     static_cast<long long>(i));
  return llvm::Error::success();
}

llvm::Expected<AlphaSearchResult> searchAlpha(llvm::ArrayRef<SmoothedLayer> layers, ConstMatrix x,
                                              llvm::ArrayRef<float> absmax,
                                              llvm::ArrayRef<int32_t> ties, int64_t numClasses,
                                              const AlphaSearchOptions &options) {
  if (llvm::Error error = verifyProblem(layers, x, absmax))
    return error;
  if (options.steps == 0)
    return llvm::createStringError("the search for alpha takes 1 or more steps");
  std::vector<ConstMatrix> weights;
  for (const SmoothedLayer &layer : layers)
    weights.push_back(layer.weight);
  std::vector<float> weightAbsmax = columnAbsMax(weights);
  LossEvaluator evaluator(layers, x, absmax, options.searchRows);
  AlphaSearchResult result;
  result.scales.assign(x.columns, 1.0f);
  result.lossBefore = result.loss = evaluator.loss(result.scales);
  for (unsigned k = 0; k <= options.steps; ++k) {
    double alpha = static_cast<double>(k) / options.steps;
    auto scales = smoothQuantScales(absmax, weightAbsmax, alpha, ties, numClasses);
    if (!scales)
      return scales.takeError();
    double loss = evaluator.loss(*scales);
    if (loss < result.loss) {
      result.loss = loss;
      result.alpha = alpha;
      result.scales = std::move(*scales);
    }
  }
  return result;
}

llvm::Expected<double> smoothedLoss(llvm::ArrayRef<SmoothedLayer> layers, ConstMatrix x,
                                    llvm::ArrayRef<float> absmax, llvm::ArrayRef<float> scales,
                                    int64_t searchRows) {
  if (llvm::Error error = verifyProblem(layers, x, absmax))
    return error;
  if (llvm::Error error = verifyScales(scales, x.columns))
    return error;
  std::vector<float> s(scales.begin(), scales.end());
  s.resize(x.columns, 1.0f);
  return LossEvaluator(layers, x, absmax, searchRows).loss(s);
}

} // namespace ptq::numerics

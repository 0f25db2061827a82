// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding to nearest, and quantization parameters for single groups.

#include "ptq/Numerics/Rtn.h"
#include "RangeParameters.h"
#include "RoundLanes.h"
#include "RowTile.h"
#include "TensorParameters.h"
#include "TileParameters.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cfloat>
#include <memory>

namespace ptq::numerics {
namespace {

constexpr int64_t rowsPerChunk = 4 * tileRows;

} // namespace

QuantizationParameters parametersOfRange(float lo, float hi, unsigned bits, bool symmetric,
                                         SymmetricRange range) {
  CodeRange codes(bits, symmetric, range == SymmetricRange::Full);
  float scale, zeroPoint;
  computeRangeParameters(std::min(lo, 0.0f), std::max(hi, 0.0f), codes, scale, zeroPoint);
  return {scale, static_cast<int32_t>(zeroPoint)};
}

QuantizationParameters computeParameters(llvm::ArrayRef<float> values, unsigned bits,
                                         bool symmetric, bool mse, SymmetricRange range) {
  WeightScheme scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.granularity = Granularity::PerTensor;
  scheme.mse = mse;
  scheme.symmetricRange = range;
  return computeTensorParameters(ConstMatrix(values.data(), 1, static_cast<int64_t>(values.size())),
                                 {}, scheme);
}

int32_t quantizeValue(float x, const QuantizationParameters &parameters, unsigned bits) {
  CodeRange codes(bits, /*symmetric=*/false, /*full=*/true);
  float zeroPoint = static_cast<float>(parameters.zeroPoint);
  return static_cast<int32_t>(
             roundToStep(x, parameters.scale, zeroPoint, codes.minCode, codes.maxCode)) +
         parameters.zeroPoint;
}

llvm::Error verifyClip(ConstMatrix clip, const WeightScheme &scheme, int64_t rows,
                       int64_t columns) {
  if (!clip.data)
    return llvm::Error::success();
  int64_t groups = groupsPerRow(scheme, columns);
  if (scheme.granularity == Granularity::PerTensor)
    return llvm::createStringError("ranges are clipped per group or channel, but the weight is "
                                   "rounded per tensor");
  if (clip.rows != rows || clip.columns != groups)
    return llvm::createStringError("ranges are clipped for %lld x %lld groups, but the weight has "
                                   "%lld x %lld: search them for "
                                   "the scheme that is rounded to",
                                   static_cast<long long>(clip.rows),
                                   static_cast<long long>(clip.columns),
                                   static_cast<long long>(rows), static_cast<long long>(groups));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < groups; ++g)
      if (!(clip(i, g) >= 0 && clip(i, g) <= FLT_MAX))
        return llvm::createStringError(
            "the range of row %lld, group %lld is clipped at %g, which is negative or not finite",
            static_cast<long long>(i), static_cast<long long>(g), clip(i, g));
  return llvm::Error::success();
}

llvm::Expected<QuantizedWeight> quantizeRtn(ConstMatrix w, const WeightScheme &scheme,
                                            ConstMatrix clip) {
  if (llvm::Error error = verify(scheme, w.rows, w.columns))
    return error;
  if (llvm::Error error = verifyClip(clip, scheme, w.rows, w.columns))
    return error;
  if (llvm::Error error = checkFinite(w))
    return error;
  QuantizationParameters tensor;
  if (scheme.granularity == Granularity::PerTensor)
    tensor = computeTensorParameters(w, {}, scheme);
  QuantizedWeight result = roundToNearest(w, scheme, tensor, clip);
  if (scheme.doubleQuantization)
    quantizeScales(result);
  return result;
}

QuantizedWeight roundToNearest(ConstMatrix w, const WeightScheme &scheme,
                               const QuantizationParameters &tensor, ConstMatrix clip) {
  QuantizedWeight result;
  result.rows = w.rows;
  result.columns = w.columns;
  result.scheme = scheme;
  result.codes.resize(w.rows * w.columns);
  bool perTensor = scheme.granularity == Granularity::PerTensor;
  int64_t groups = result.groups();
  int64_t groupSize = w.columns / groups;
  result.scales.resize(scaleCount(scheme, w.rows, w.columns), tensor.scale);
  if (!scheme.symmetric)
    result.zeroPoints.resize(result.scales.size(), static_cast<int8_t>(tensor.zeroPoint));
  std::vector<float> channelScales;
  if (scheme.progressive)
    channelScales = progressiveChannelScales(w);

  // A tile of rows and a group of columns at a time.
  parallelFor(0, w.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
    std::unique_ptr<float[]> lanes(new float[groupSize * tileRows]);
    std::unique_ptr<int8_t[]> codes(new int8_t[groupSize * tileRows]);
    alignas(64) float scales[tileRows], zeroPoints[tileRows], bounds[tileRows] = {};
    float channel[tileRows];
    std::fill_n(channel, tileRows, 1.0f);
    std::fill_n(scales, tileRows, tensor.scale);
    std::fill_n(zeroPoints, tileRows, static_cast<float>(tensor.zeroPoint));
    for (int64_t row = first; row < last; row += tileRows)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t end = std::min(last, row + tileRows), rows = end - row, column = g * groupSize;
        ConstMatrix group(w.row(row) + column, rows, groupSize, w.stride);
        loadLanes(group, {}, {}, lanes.get(), tileRows);
        if (!perTensor) {
          for (int64_t i = 0; clip.data && i < rows; ++i)
            bounds[i] = clip(row + i, g);
          for (int64_t i = 0; scheme.progressive && i < rows; ++i)
            channel[i] = channelScales[row + i];
          computeTileParameters(lanes.get(), groupSize, tileRows, scheme, scales, zeroPoints,
                                clip.data ? bounds : nullptr,
                                scheme.progressive ? channel : nullptr);
          for (int64_t i = 0; i < rows; ++i) {
            result.scales[(row + i) * groups + g] = scales[i];
            if (!scheme.symmetric)
              result.zeroPoints[(row + i) * groups + g] = static_cast<int8_t>(zeroPoints[i]);
          }
        }
        roundLanes(lanes.get(), groupSize, scales, zeroPoints, scheme, codes.get());
        MatrixRef<int8_t> to(result.codes.data() + row * w.columns + column, rows, groupSize,
                             w.columns);
        storeCodes(codes.get(), tileRows, {}, to);
      }
  });
  if (scheme.progressive)
    result.progressive = splitScales(result, std::move(channelScales));
  return result;
}

} // namespace ptq::numerics

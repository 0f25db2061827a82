// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The candidates of AWQ's search and their losses.

#include "ptq/Numerics/Awq.h"
#include "AwqLoss.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cmath>

namespace ptq::numerics {
namespace {

struct Candidate {
  AwqForm form = AwqForm::Identity;
  float ratio = 0;
  std::vector<float> scales;
};

/// The mean over all layers' rows of |w_ij| / (its group's max|w| + 1e-6).
std::vector<double> meanRelativeWeights(llvm::ArrayRef<ScaledLayer> layers, int64_t channels) {
  constexpr int64_t rowsPerChunk = 128;
  std::vector<double> mean(channels, 0.0);
  int64_t rows = 0;
  for (const ScaledLayer &layer : layers) {
    const ConstMatrix &w = layer.weight;
    rows += w.rows;
    int64_t groupSize = channels / groupsPerRow(layer.scheme, channels);
    int64_t chunks = (w.rows + rowsPerChunk - 1) / rowsPerChunk;
    std::vector<float> sums(chunks * channels, 0.0f);
    parallelFor(0, w.rows, rowsPerChunk, [&](int64_t first, int64_t last) {
      float *sum = &sums[first / rowsPerChunk * channels];
      for (int64_t i = first; i < last; ++i)
        for (int64_t g = 0; g < channels; g += groupSize) {
          const float *group = w.row(i) + g;
          float absmax = 0;
          for (int64_t j = 0; j < groupSize; ++j)
            absmax = std::max(absmax, std::fabs(group[j]));
          float inverse = 1.0f / (absmax + 1e-6f);
          for (int64_t j = 0; j < groupSize; ++j)
            sum[g + j] += std::fabs(group[j]) * inverse;
        }
    });
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      for (int64_t j = 0; j < channels; ++j)
        mean[j] += sums[chunk * channels + j];
  }
  for (double &value : mean)
    value /= static_cast<double>(rows);
  return mean;
}

/// Replaces each value by the mean over its class.
void averageOverTies(std::vector<double> &values, llvm::ArrayRef<int32_t> ties, int64_t classes) {
  if (ties.empty())
    return;
  std::vector<double> sums(classes, 0.0);
  std::vector<int64_t> counts(classes, 0);
  for (size_t j = 0; j < values.size(); ++j) {
    sums[ties[j]] += values[j];
    ++counts[ties[j]];
  }
  for (size_t j = 0; j < values.size(); ++j)
    values[j] = sums[ties[j]] / static_cast<double>(counts[ties[j]]);
}

std::vector<float> computeScales(llvm::ArrayRef<double> x, llvm::ArrayRef<double> w, AwqForm form,
                                 double ratio) {
  constexpr double least = 1e-4;
  std::vector<double> s(x.size(), 1.0);
  double low = HUGE_VAL, high = 0;
  for (size_t j = 0; j < x.size(); ++j) {
    if (x[j] == 0)
      continue; // Never used: any scale will do, and it must not shift the others.
    double value = std::pow(x[j], ratio);
    if (form == AwqForm::Duo)
      value /= std::pow(w[j], 1.0 - ratio) + 1e-4;
    s[j] = std::max(value, least);
    if (std::isfinite(s[j])) {
      low = std::min(low, s[j]);
      high = std::max(high, s[j]);
    }
  }
  double norm = high > 0 ? std::sqrt(low * high) : 1.0;
  std::vector<float> scales(s.size(), 1.0f);
  for (size_t j = 0; j < s.size(); ++j) {
    float value = static_cast<float>(s[j] / norm);
    if (x[j] != 0 && std::isfinite(value) && value > 0)
      scales[j] = value;
  }
  return scales;
}

std::vector<Candidate> makeCandidates(llvm::ArrayRef<double> x, llvm::ArrayRef<double> w,
                                      const AwqOptions &options) {
  std::vector<Candidate> candidates;
  candidates.push_back({AwqForm::Identity, 0.0f, std::vector<float>(x.size(), 1.0f)});
  for (AwqForm form : {AwqForm::Duo, AwqForm::Plain}) {
    if (!(form == AwqForm::Duo ? options.duo : options.plain))
      continue;
    // The plain form with r = 0 is the identity.
    for (unsigned k = form == AwqForm::Plain; k <= options.grid; ++k) {
      double ratio = static_cast<double>(k) / options.grid;
      candidates.push_back({form, static_cast<float>(ratio), computeScales(x, w, form, ratio)});
    }
  }
  return candidates;
}

std::vector<float> inverses(llvm::ArrayRef<float> values) {
  std::vector<float> result(values.size());
  for (size_t j = 0; j < values.size(); ++j)
    result[j] = 1.0f / values[j];
  return result;
}

/// The loss of each scales vector, summed over the layers.
std::vector<double> computeLosses(llvm::ArrayRef<SampledRows> layers,
                                  llvm::ArrayRef<std::vector<float>> scales, ConstMatrix z) {
  SingleThreadedBlas guard;
  std::vector<double> totals(scales.size(), 0.0);
  std::vector<std::vector<float>> inverse;
  for (const std::vector<float> &s : scales)
    inverse.push_back(inverses(s));
  for (const SampledRows &layer : layers) {
    std::vector<double> losses(scales.size() * layer.blocks());
    parallelFor(0, static_cast<int64_t>(losses.size()), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        size_t candidate = i / layer.blocks();
        losses[i] = layer.blockLoss(i % layer.blocks(), scales[candidate], inverse[candidate], z);
      }
    });
    for (size_t i = 0; i < losses.size(); ++i)
      totals[i / layer.blocks()] += losses[i];
  }
  return totals;
}

llvm::Error verifyLayers(llvm::ArrayRef<ScaledLayer> layers, const ActivationSketch &sketch) {
  if (layers.empty())
    return llvm::createStringError("no layer reads the input: it has no scales to search");
  for (const ScaledLayer &layer : layers)
    if (llvm::Error error = verifyLayer(layer, sketch.channels))
      return error;
  return llvm::Error::success();
}

} // namespace

llvm::Expected<AwqResult> searchAwqScales(llvm::ArrayRef<ScaledLayer> layers,
                                          llvm::ArrayRef<float> meanAbs,
                                          llvm::ArrayRef<int32_t> ties, int64_t numClasses,
                                          const ActivationSketch &sketch,
                                          const AwqOptions &options) {
  int64_t channels = static_cast<int64_t>(meanAbs.size());
  if (llvm::Error error = verifyLayers(layers, sketch))
    return error;
  if (sketch.channels != channels || (!ties.empty() && ties.size() != meanAbs.size()))
    return llvm::createStringError("means, ties and sketch are not of one input");
  for (int32_t tie : ties)
    if (tie < 0 || tie >= numClasses)
      return llvm::createStringError("a channel is of class %d of %lld", tie,
                                     static_cast<long long>(numClasses));
  if (options.grid == 0)
    return llvm::createStringError("the grid has no points: it takes 1 or more");
  for (int64_t j = 0; j < channels; ++j)
    if (!(meanAbs[j] >= 0) || std::isinf(meanAbs[j]))
      return llvm::createStringError("the mean magnitude of channel %lld is %g",
                                     static_cast<long long>(j), static_cast<double>(meanAbs[j]));

  std::vector<double> x(meanAbs.begin(), meanAbs.end());
  std::vector<double> w = meanRelativeWeights(layers, channels);
  averageOverTies(x, ties, numClasses);
  averageOverTies(w, ties, numClasses);
  std::vector<Candidate> candidates = makeCandidates(x, w, options);
  std::vector<SampledRows> sampled;
  for (const ScaledLayer &layer : layers)
    sampled.emplace_back(layer, options.searchRows);
  std::vector<std::vector<float>> scales;
  for (Candidate &candidate : candidates)
    scales.push_back(std::move(candidate.scales));
  std::vector<double> losses = computeLosses(sampled, scales, sketch.matrix());
  size_t best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  AwqResult result;
  result.scales = std::move(scales[best]);
  result.form = candidates[best].form;
  result.ratio = candidates[best].ratio;
  result.lossBefore = losses.front();
  result.loss = losses[best];
  return result;
}

llvm::Expected<double> scaledRoundingLoss(llvm::ArrayRef<ScaledLayer> layers,
                                          llvm::ArrayRef<float> scales,
                                          const ActivationSketch &sketch) {
  if (llvm::Error error = verifyLayers(layers, sketch))
    return error;
  if (llvm::Error error = verifyScales(scales, sketch.channels))
    return error;
  std::vector<float> s(scales.begin(), scales.end());
  s.resize(sketch.channels, 1.0f);
  double total = 0;
  for (const ScaledLayer &layer : layers)
    total += computeLosses(SampledRows(layer, 0), s, sketch.matrix()).front();
  return total;
}

} // namespace ptq::numerics

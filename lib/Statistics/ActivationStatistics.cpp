// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Magnitudes are compared as integers: with the sign cleared, the bits of a float order as its
// value does, and infinity and NaN come out above every number, so one maximum serves absmax and
// the check for both. Channels go in blocks whose running values stay in the first-level cache
// while the tokens pass by.
//
#include "ptq/Statistics/ActivationStatistics.h"

#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace llvm;

namespace ptq::statistics {
namespace {

constexpr int32_t infinityBits = 0x7f800000;
constexpr int64_t channelBlock = 512;

int32_t magnitudeBits(float value) { return bit_cast<int32_t>(value) & 0x7fffffff; }

/// Takes one token's channels into the running maxima and sums.
void addRow(const float *__restrict x, int64_t channels, int32_t *__restrict absmaxBits,
            double *__restrict sums) {
  for (int64_t j = 0; j < channels; ++j) {
    int32_t bits = magnitudeBits(x[j]);
    absmaxBits[j] = std::max(absmaxBits[j], bits);
    sums[j] += static_cast<double>(bit_cast<float>(bits));
  }
}

Error notFinite(const float *x, int64_t tokens, int64_t channels, int64_t stride,
                int64_t firstToken) {
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < channels; ++j)
      if (float value = x[t * stride + j]; !std::isfinite(value))
        return createStringError("the activation of token " + Twine(firstToken + t) + ", channel " +
                                 Twine(j) + " is " + (std::isnan(value) ? "NaN" : "infinite") +
                                 "; check the samples, and that the model computes finite values "
                                 "in its element type");
  return Error::success();
}

Error differentChannels(int64_t before, int64_t now) {
  return createStringError("statistics of " + Twine(before) + " channels cannot take in " +
                           Twine(now) + "; a layer's input must have one width");
}

} // namespace

Expected<ActivationStatistics> ActivationStatistics::dividedBy(ArrayRef<float> s) const {
  if (static_cast<int64_t>(s.size()) != channels())
    return createStringError("cannot divide statistics of " + Twine(channels()) + " channels by " +
                             Twine(s.size()) + " scales; give one a channel");
  for (size_t j = 0; j < s.size(); ++j)
    if (!(s[j] > 0) || std::isinf(s[j]))
      return createStringError("cannot divide statistics: the scale of channel " + Twine(j) +
                               " is " + std::to_string(s[j]) + "; it must be finite and positive");
  ActivationStatistics result = *this;
  result.divisor.resize(s.size(), 1.0f);
  for (size_t j = 0; j < s.size(); ++j) {
    result.absmax[j] /= s[j];
    result.meanAbs[j] /= s[j];
    result.divisor[j] *= s[j];
  }
  return result;
}

Error applyDivisorToGram(MutableArrayRef<float> gram, ArrayRef<float> divisor) {
  if (divisor.empty())
    return Error::success();
  size_t n = divisor.size();
  if (gram.size() != n * n)
    return createStringError("a Gram matrix of " + Twine(gram.size()) +
                             " elements does not go with " + Twine(n) +
                             " scales; it must be square, with a row a channel");
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      // The product of two floats is exact in double: G stays exactly symmetric.
      double scale = static_cast<double>(divisor[i]) * divisor[j];
      gram[i * n + j] = static_cast<float>(gram[i * n + j] / scale);
    }
  return Error::success();
}

Error StatisticsAccumulator::add(const float *x, int64_t rows, int64_t channels, int64_t stride) {
  if (rows < 0 || channels < 0 || stride < channels)
    return createStringError("activations of " + Twine(rows) + " tokens, " + Twine(channels) +
                             " channels and row stride " + Twine(stride) +
                             " make no matrix; sizes must be 0 or more and the stride at least "
                             "the channels");
  bool isFirst = tokens == 0 && absmaxBits.empty();
  if (!isFirst && static_cast<int64_t>(sums.size()) != channels)
    return differentChannels(sums.size(), channels);

  std::vector<int32_t> newBits = absmaxBits;
  std::vector<double> newSums = sums;
  newBits.resize(channels, 0);
  newSums.resize(channels, 0.0);
  int32_t largest = 0;
  for (int64_t begin = 0; begin < channels; begin += channelBlock) {
    int64_t count = std::min(channelBlock, channels - begin);
    for (int64_t t = 0; t < rows; ++t)
      addRow(x + t * stride + begin, count, newBits.data() + begin, newSums.data() + begin);
    largest = std::max(largest,
                       *std::max_element(newBits.data() + begin, newBits.data() + begin + count));
  }
  if (largest >= infinityBits)
    return notFinite(x, rows, channels, stride, firstToken + tokens);
  absmaxBits = std::move(newBits);
  sums = std::move(newSums);
  tokens += rows;
  return Error::success();
}

Error StatisticsAccumulator::merge(const StatisticsAccumulator &other) {
  if (other.tokens == 0)
    return Error::success();
  if (tokens == 0) {
    *this = other;
    return Error::success();
  }
  if (sums.size() != other.sums.size())
    return differentChannels(sums.size(), other.sums.size());
  for (size_t j = 0; j < sums.size(); ++j) {
    absmaxBits[j] = std::max(absmaxBits[j], other.absmaxBits[j]);
    sums[j] += other.sums[j];
  }
  tokens += other.tokens;
  return Error::success();
}

template <typename T> static void append(std::string &bytes, ArrayRef<T> values) {
  bytes.append(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

template <typename T> static void take(StringRef &bytes, MutableArrayRef<T> values) {
  size_t size = values.size() * sizeof(T);
  memcpy(values.data(), bytes.data(), size);
  bytes = bytes.drop_front(size);
}

void StatisticsAccumulator::write(std::string &bytes) const {
  append<int64_t>(bytes, {tokens, static_cast<int64_t>(sums.size())});
  append<int32_t>(bytes, absmaxBits);
  append<double>(bytes, sums);
}

StatisticsAccumulator StatisticsAccumulator::read(StringRef &bytes) {
  int64_t sizes[2];
  take<int64_t>(bytes, sizes);
  StatisticsAccumulator result;
  result.tokens = sizes[0];
  result.absmaxBits.resize(sizes[1]);
  result.sums.resize(sizes[1]);
  take<int32_t>(bytes, result.absmaxBits);
  take<double>(bytes, result.sums);
  return result;
}

ActivationStatistics StatisticsAccumulator::finish() const {
  ActivationStatistics result;
  result.tokens = tokens;
  for (size_t j = 0; j < sums.size(); ++j) {
    result.absmax.push_back(bit_cast<float>(absmaxBits[j]));
    result.meanAbs.push_back(tokens ? static_cast<float>(sums[j] / tokens) : 0.0f);
  }
  return result;
}

} // namespace ptq::statistics

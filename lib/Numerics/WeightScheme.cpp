// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks of a WeightScheme against a weight's shape.

#include "ptq/Numerics/WeightScheme.h"
#include "ptq/Numerics/SparseWeight.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>
#include <string>

namespace ptq::numerics {
namespace {

/// The group sizes a width allows: its divisors that are multiples of 8, or failing that all
/// from 2.
std::string allowedGroupSizes(int64_t columns) {
  for (int64_t multiple : {8, 1}) {
    std::string sizes;
    for (int64_t size = multiple == 8 ? 8 : 2; size <= columns; size += multiple)
      if (columns % size == 0)
        sizes += (sizes.empty() ? "" : ", ") + llvm::itostr(size);
    if (!sizes.empty())
      return sizes;
  }
  return "none";
}

} // namespace

int64_t groupsPerRow(const WeightScheme &scheme, int64_t columns) {
  return scheme.granularity == Granularity::PerGroup ? columns / scheme.groupSize : 1;
}

int64_t scaleCount(const WeightScheme &scheme, int64_t rows, int64_t columns) {
  return scheme.granularity == Granularity::PerTensor ? 1 : rows * groupsPerRow(scheme, columns);
}

float roundScale(float scale, ScaleType type) {
  switch (type) {
  case ScaleType::F32:
    return scale;
  case ScaleType::F16:
    return std::max(roundToShort(scale, ShortFloat::F16), 0x1p-24f);
  case ScaleType::BF16:
    return std::max(roundToShort(scale, ShortFloat::BF16), 0x1p-133f);
  }
  llvm_unreachable("all types handled");
}

static llvm::Error verifyCodebook(const WeightScheme &scheme) {
  if (scheme.codebook == Codebook::Uniform) {
    if (scheme.doubleQuantization)
      return llvm::createStringError("scales are quantized themselves for NF4 only, not for "
                                     "integers");
    return llvm::Error::success();
  }
  if (scheme.bits != 4)
    return llvm::createStringError("NF4 has 4 bits, not %u", scheme.bits);
  if (!scheme.symmetric)
    return llvm::createStringError("NF4 has no zero points: its scheme is symmetric");
  if (scheme.granularity == Granularity::PerTensor)
    return llvm::createStringError("NF4 scales blocks of a row: its granularity is group or "
                                   "channel, not tensor");
  return llvm::Error::success();
}

llvm::Error verify(const WeightScheme &scheme, int64_t rows, int64_t columns) {
  if (scheme.bits < 2 || scheme.bits > 8)
    return llvm::createStringError("cannot quantize to %u bits: weights take 2 to 8", scheme.bits);
  if (rows <= 0 || columns <= 0)
    return llvm::createStringError("cannot quantize an empty weight (%lld x %lld)",
                                   static_cast<long long>(rows), static_cast<long long>(columns));
  if (llvm::Error error = verifyCodebook(scheme))
    return error;
  if (scheme.progressive &&
      (scheme.bits != 4 || scheme.symmetric || scheme.granularity != Granularity::PerGroup ||
       scheme.codebook != Codebook::Uniform))
    return llvm::createStringError("progressive groups have integers of 4 bits with zero points");
  if (scheme.scaleType != ScaleType::F32 && (scheme.progressive || scheme.doubleQuantization))
    return llvm::createStringError("scales of progressive groups and of double quantization are "
                                   "integers: they have no 16-bit float type");
  if (scheme.granularity != Granularity::PerGroup)
    return llvm::Error::success();
  if (scheme.groupSize <= 0)
    return llvm::createStringError(
        "group size %lld is not positive: for one scale a row use per-channel granularity",
        static_cast<long long>(scheme.groupSize));
  if (columns % scheme.groupSize != 0)
    return llvm::createStringError(
        "group size %lld does not divide the width %lld of the weight; sizes that do: %s; "
        "or use per-channel granularity",
        static_cast<long long>(scheme.groupSize), static_cast<long long>(columns),
        allowedGroupSizes(columns).c_str());
  return llvm::Error::success();
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Progressive groups (QServe, Lin et al., 2024, section 4.1): a row is quantized to 8-bit integers
// with one float scale c, groups of these integers to 4-bit codes with an integer scale s and zero
// point z,
//     w ≈ c·(q − z)·s,   (q − z)·s in [-128, 127],
// so that the products of a whole row are sums of integers. The row's integers are within ±119, the
// protective range: in steps of s ≤ 16 no code then needs to stand for more than 8 bits.
//
// Here a weight is rounded once, to the nearest c·(q − z)·s, not first to 8 bits and then to 4. For
// a group of range [lo, hi] (Rtn.h), whose float scale is f, what is chosen is
//     s = clamp(⌈15/16·f/c⌉, 1, 16),   z = clamp(round(-lo/(c·s)), ⌈15 − 127/s⌉, ⌊128/s⌋),
// codes counted from 0 to 15. The least s for which the range is 16 steps at most costs less than
// the nearest to f/c or the next above: where s is small, 15 of its steps may be far from the
// range. The bounds of z let every code be in range.

#ifndef PTQ_NUMERICS_PROGRESSIVEGROUPS_H
#define PTQ_NUMERICS_PROGRESSIVEGROUPS_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

struct QuantizedWeight;

/// The greatest 8-bit integer of a row.
inline constexpr int32_t protectiveRange = 119;
/// The greatest scale of a group: 2·119 in 15 steps.
inline constexpr int32_t greatestGroupScale = 16;

/// c for each row: absmax / 119, at least the smallest normal float; 1 for a row of zeros.
std::vector<float> progressiveChannelScales(ConstMatrix w);

/// Replaces the float scale of a group whose least value is lo <= 0 by float(s)·c, and its zero
/// point by the one for it, in the codes' signed domain.
void snapToChannelScale(float lo, float channelScale, float &scale, float &zeroPoint);

/// What scales consist of. scale[i, g] = float(groupScales[i, g])·channelScales[i].
struct ProgressiveScales {
  std::vector<float> channelScales; ///< [rows]
  std::vector<int8_t> groupScales;  ///< [rows, groups], in [1, 16]
};

/// The parts of the scales of a weight that was rounded in progressive groups of the given channel
/// scales.
ProgressiveScales splitScales(const QuantizedWeight &weight, std::vector<float> channelScales);

/// The 8-bit integers [rows, columns] that codes [rows, columns] of groups of `groupSize` stand
/// for: (q − z)·s modulo 256, where scales and zeroPoints are [rows, columns / groupSize].
std::vector<int8_t> expandGroups(llvm::ArrayRef<int8_t> codes, llvm::ArrayRef<int8_t> scales,
                                 llvm::ArrayRef<int8_t> zeroPoints, int64_t groupSize);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_PROGRESSIVEGROUPS_H

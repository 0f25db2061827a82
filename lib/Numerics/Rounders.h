// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding of one value, as a parameter of the vector loops: to integers, or to the entries of a
// codebook. A rounder returns what the code stands for in units of the scale, and the signed code.

#ifndef PTQ_LIB_NUMERICS_ROUNDERS_H
#define PTQ_LIB_NUMERICS_ROUNDERS_H

#include "RangeParameters.h"
#include "ptq/Numerics/Codebook.h"
#include "llvm/ADT/STLExtras.h"
#include <cassert>

namespace ptq::numerics {

/// Integers less the zero point, ties to even.
struct UniformRounder {
  float minCode, maxCode;
  int8_t zeroCode = 0; ///< Of the value 0, less the zero point.

  explicit UniformRounder(const WeightScheme &scheme)
      : minCode(static_cast<float>(scheme.minCode())),
        maxCode(static_cast<float>(scheme.maxCode())) {}

  PTQ_ALWAYS_INLINE float round(float x, float scale, float zeroPoint, int32_t &code) const {
    float step = roundToStep(x, scale, zeroPoint, minCode, maxCode);
    code = static_cast<int32_t>(step + zeroPoint);
    return step;
  }
};

/// The nearest of 16 entries, of two as near the lower one. By comparing with all midpoints: that
/// is the same few instructions for every lane, and no gather.
struct CodebookRounder {
  static constexpr int entryCount = 16;
  float entries[entryCount];
  float midpoints[entryCount - 1];
  int8_t zeroCode;

  explicit CodebookRounder(const WeightScheme &scheme) {
    llvm::ArrayRef<float> table = codebookEntries(scheme.codebook);
    assert(table.size() == entryCount && "the scheme was verified");
    llvm::copy(table, entries);
    llvm::copy(codebookMidpoints(scheme.codebook), midpoints);
    zeroCode = static_cast<int8_t>(llvm::find(table, 0.0f) - table.begin() - entryCount / 2);
  }

  PTQ_ALWAYS_INLINE float round(float x, float scale, float, int32_t &code) const {
    float u = x / scale;
    float value = entries[0];
    int32_t index = 0;
    for (int i = 0; i + 1 < entryCount; ++i) {
      bool above = u > midpoints[i];
      value = above ? entries[i + 1] : value;
      index += above;
    }
    code = index - entryCount / 2;
    return value;
  }
};

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_ROUNDERS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a weight [rows = output channels, columns = input channels] is quantized: bits, symmetry,
// granularity, what codes stand for, and how a range of values becomes a scale.

#ifndef PTQ_NUMERICS_WEIGHTSCHEME_H
#define PTQ_NUMERICS_WEIGHTSCHEME_H

#include "llvm/Support/Error.h"
#include <cstdint>

namespace ptq::numerics {

/// Which values share a scale: all, a row (output channel), or consecutive columns of a row.
enum class Granularity { PerTensor, PerChannel, PerGroup };

/// The scale of a symmetric range of b-bit codes:
///   Full        s = 2 absmax / (2^b - 1): all 2^b codes are used, +absmax is rounded to half a
///               step below itself (GPTQ, llm-compressor);
///   Restricted  s = absmax / (2^(b-1) - 1): +-absmax are exact, the code -2^(b-1) is not used
///               (int8 absmax of SmoothQuant and LLM.int8, AWQ's symmetric scheme).
enum class SymmetricRange { Full, Restricted };

/// What a code q stands for, in units of the scale:
///   Uniform  the integer q (less the zero point);
///   NF4      the entry q + 8 of the 4-bit NormalFloat table (Codebook.h), from -1 to 1. The scale
///            is the absmax of the block; symmetric, not per tensor.
enum class Codebook { Uniform, NF4 };

/// The type that scales are representable in. Checkpoint formats store 16-bit scales; rounding with
/// the scale that will be stored loses nothing when it is.
enum class ScaleType { F32, F16, BF16 };

struct WeightScheme {
  unsigned bits = 4;     ///< 2 to 8.
  bool symmetric = true; ///< false: a zero point for each scale.
  Granularity granularity = Granularity::PerGroup;
  int64_t groupSize = 128; ///< Columns that share a scale; read for PerGroup only. Divides columns.
  bool mse = false;        ///< Search the range that minimizes sum |q - x|^2.4 (see Rtn.h).
  SymmetricRange symmetricRange = SymmetricRange::Full; ///< Read when symmetric and uniform.
  Codebook codebook = Codebook::Uniform;
  /// The scales themselves in 8 bits (DoubleQuantization.h). Not with Codebook::Uniform.
  bool doubleQuantization = false;

  /// Group scales that are small integers times a float scale of the row (ProgressiveGroups.h). Only
  /// with 4 bits, zero points and groups.
  bool progressive = false;

  /// Not with scales that are quantized themselves (the two above).
  ScaleType scaleType = ScaleType::F32;

  /// Codes are signed: [minCode(), maxCode()] = [-2^(b-1), 2^(b-1) - 1].
  int32_t minCode() const { return -(int32_t(1) << (bits - 1)); }
  int32_t maxCode() const { return (int32_t(1) << (bits - 1)) - 1; }
};

/// Scales a row has: columns / groupSize for PerGroup, else 1 (PerTensor: the same one for all
/// rows).
int64_t groupsPerRow(const WeightScheme &scheme, int64_t columns);

/// Scales of a weight of rows x columns: rows * groupsPerRow, or 1 for PerTensor.
int64_t scaleCount(const WeightScheme &scheme, int64_t rows, int64_t columns);

/// A positive scale in the type, half to even, kept between the type's least and greatest positive
/// finite values.
float roundScale(float scale, ScaleType type);

/// An error unless the scheme can quantize a weight of rows x columns: bits out of [2, 8], an empty
/// weight, a group size that does not divide the width (the message lists the sizes that do), a
/// codebook with another width, zero points or one scale for the whole tensor, a 16-bit scale type
/// of scales that are quantized themselves.
llvm::Error verify(const WeightScheme &scheme, int64_t rows, int64_t columns);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_WEIGHTSCHEME_H

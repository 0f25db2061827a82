// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Double quantization (QLoRA, Dettmers et al., 2023, section 3): the scales of a weight's blocks
// are numbers as well, and a float for each 64 weights of 4 bits is 0.5 bits a weight. They are
// quantized in turn, in blocks of 256 along all of them, the last one shorter, after subtracting
// their mean, which makes them symmetric about 0:
//     s'[i] = table[c[i]] a[i / 256] + mean,   a = the absmax of the block of s - mean,
// that is 8 + 32/256 bits a scale, 0.127 bits a weight in blocks of 64. The product and the sum are
// each rounded to float.
//
// The table is linear: (c - 128) / 127. The relative error of s' (root mean square over all layers
// of SmolLM2-135M in blocks of 64) is 0.34 % with it, 0.35 % with the 8-bit quantiles of N(0, 1),
// 0.37 % with the 8-bit float E3M4, 0.39 % with the dynamic tree type of the bitsandbytes library
// and 0.74 % with E4M3; without subtracting the mean, 0.54 % to 2.6 %. Scales less their mean are
// spread too evenly over their range for a type that spends its codes near 0 to gain.

#ifndef PTQ_NUMERICS_DOUBLEQUANTIZATION_H
#define PTQ_NUMERICS_DOUBLEQUANTIZATION_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

/// Scales that share one scale.
inline constexpr int64_t scaleBlock = 256;

struct QuantizedScales {
  std::vector<int8_t> codes;      ///< One a scale; the code q stands for entry q + 128.
  std::vector<float> blockScales; ///< One a block, positive: ceil(codes / scaleBlock).
  float mean = 0;
};

/// The 256 entries, ascending; the first is not used.
llvm::ArrayRef<float> scaleCodebook();

/// Quantizes finite scales. A block of scales that all equal the mean takes the block scale 1.
QuantizedScales quantizeScales(llvm::ArrayRef<float> scales);

/// The scales that these stand for. One that is far below the others of its block may come out as 0
/// or just below it.
std::vector<float> dequantizeScales(const QuantizedScales &scales);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_DOUBLEQUANTIZATION_H

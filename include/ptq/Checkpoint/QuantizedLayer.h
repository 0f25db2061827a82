// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A quantized linear layer as the checkpoint formats of the field store it, and back.
//
// All hold unsigned codes u = q + 2^(b-1) of b bits, least significant bit first in 32-bit words,
// and the value (q - z) * s. They differ in what runs along a word, and in shapes:
//
//                    codes                        zero points                     scales
//   pack-quantized   weight_packed                weight_zero_point               weight_scale
//                    [out, ceil(in*b/32)]         [ceil(out*b/32), groups]        [out, groups]
//   int-quantized    weight, int8 [out, in]       weight_zero_point, int8         weight_scale
//                                                 [out, groups]                   [out, groups]
//   gptq             qweight [in*b/32, out]       qzeros [groups, out*b/32],      scales
//                                                 z - 1 (gptq_v2: z)              [groups, out]
//   awq (GEMM)       qweight [in, out/8]          qzeros [groups, out/8]          scales
//                    nibble i of a word holds column 8c + {0,2,4,6,1,3,5,7}[i]    [groups, out]
//
// The first two are compressed-tensors'; pack-quantized has weight_shape [2] besides, and
// weight_g_idx where groups are not consecutive; gptq always has g_idx [in].

#ifndef PTQ_CHECKPOINT_QUANTIZEDLAYER_H
#define PTQ_CHECKPOINT_QUANTIZEDLAYER_H

#include "ptq/Checkpoint/Checkpoint.h"
#include "ptq/Numerics/QuantizedWeight.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include <vector>

namespace ptq::checkpoint {

enum class QuantizedFormat { PackQuantized, IntQuantized, Gptq, GptqV2, Awq };

/// "pack-quantized", "int-quantized", "gptq", "gptq_v2", "awq".
llvm::StringRef toString(QuantizedFormat format);

/// A tensor of a layer, named without the layer: "qweight".
struct LayerTensor {
  std::string suffix;
  DType dtype;
  llvm::SmallVector<int64_t, 4> shape;
  std::vector<char> data;
};

/// Every suffix that one of the formats gives to a quantized layer's tensors, "weight" included and
/// "bias" not.
llvm::ArrayRef<llvm::StringLiteral> quantizedSuffixes();

/// Rounds scales to F16, BF16 or F32, ties to even, and returns the largest relative change.
/// Errors: a scale that becomes zero or infinite, one that is not finite, another type.
llvm::Expected<double> roundScales(llvm::MutableArrayRef<float> scales, DType type);

/// The layer's tensors in a format. Scales are stored as `scaleType` (F16, BF16, F32), which must
/// hold them: roundScales() first. A scale per tensor becomes one for each row where the format
/// knows no other. Errors, without the layer's name, say what the format cannot hold:
///   bits other than 2, 3, 4, 8 in gptq, 4 in awq, 8 in int-quantized;
///   widths that do not fill words (gptq: in and out, awq: out);
///   a zero point at the least code in gptq, where z - 1 has no place (gptq_v2 has);
///   a group index in awq and int-quantized.
llvm::Expected<std::vector<LayerTensor>> encodeLayer(const numerics::QuantizedWeight &weight,
                                                     QuantizedFormat format, DType scaleType);

/// What a configuration says of a layer, where the tensors' shapes do not.
struct StoredScheme {
  unsigned bits = 4;
  bool symmetric = true;
  int64_t groupSize = -1; ///< -1: one group a row.
};

/// The tensor with a suffix of the layer that is read, or nothing.
using LayerLookup = llvm::function_ref<std::optional<TensorView>(llvm::StringRef suffix)>;

/// Reads a layer. Shapes are checked before anything is allocated. pack-quantized is read in its
/// older form too, floor(32/b) codes to a word (the two differ at 3, 5, 6 and 7 bits, and are told
/// apart by the shape). AWQ always has zero points: the result is asymmetric. Errors, without the
/// layer's name: a tensor that is missing or has another shape or type than the others call for, a
/// scale that is not finite, a symmetric gptq layer whose zero points are not 2^(b-1).
llvm::Expected<numerics::QuantizedWeight>
decodeLayer(QuantizedFormat format, const StoredScheme &scheme, LayerLookup lookup);

/// The mean of q - z over a weight, in steps. Near 0 for what any rounding made of a trained layer;
/// near +-1 if zero points were read with the wrong offset, as of files that are labelled gptq but
/// hold gptq_v2's (-1), or the reverse (+1).
double meanCode(const numerics::QuantizedWeight &weight);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_QUANTIZEDLAYER_H

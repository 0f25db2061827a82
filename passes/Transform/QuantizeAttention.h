// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of two activations with 8-bit integers: attention's q·kᵀ and p·v.

#ifndef PTQ_PASSES_TRANSFORM_QUANTIZEATTENTION_H
#define PTQ_PASSES_TRANSFORM_QUANTIZEATTENTION_H

#include "mlir/Interfaces/FunctionInterfaces.h"

namespace ptq {

struct QuantizedAttention {
  int64_t quantized = 0; ///< Contractions that became ptq.integer_batch_matmul.
  int64_t declined = 0;  ///< Products of two activations that were left.
};

/// Replaces each contraction of two activations in `function` by dynamic per-token quantization of
/// both and ptq.integer_batch_matmul. Each decision is a remark. Contractions with a parameter are
/// linear layers, raised or not, and none of attention's.
QuantizedAttention quantizeAttention(mlir::FunctionOpInterface function);

} // namespace ptq

#endif

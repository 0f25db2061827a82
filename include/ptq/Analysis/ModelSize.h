// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How much smaller quantization made the weights.

#ifndef PTQ_ANALYSIS_MODELSIZE_H
#define PTQ_ANALYSIS_MODELSIZE_H

#include "mlir/IR/Operation.h"

namespace ptq {

/// On an operation that makes floats of what is read of a rounded embedding table: the table's
/// `name`, its `shape` [rows, width], its relative `error` and the `seconds` it took.
inline constexpr llvm::StringLiteral kEmbeddingAttr = "ptq.embedding";

/// Bytes of the weights of quantized layers, biases left out.
struct QuantizedSize {
  int64_t packed = 0;   ///< Integers, scales, zero points, group indices and tables.
  int64_t original = 0; ///< As floats of the type the layer has its activations or results in.
};

/// The layers and embedding tables below `root` that are quantized, together. A table that is a
/// layer's weight as well counts in `original` with that layer only.
QuantizedSize quantizedSize(mlir::Operation *root);

/// Bytes of all parameters below `root`: constants with a key or data of their own, each once.
int64_t parameterBytes(mlir::Operation *root);

} // namespace ptq

#endif

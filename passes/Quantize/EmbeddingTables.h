// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embedding tables in 8 or 4 bits, each row with a scale of its own.
//
//   x[…, j] = T[i[…], j]   becomes   x[…, j] = float(Q[i[…], j])·s[i[…]]
//
// Q and s are T rounded to nearest per row (lib/Numerics/Rtn): in 8 bits s = absmax/127, so that
// the extremes are exact; in 4 bits s = 2·absmax/15, which uses all 16 codes. What is read are
// integers, unpacked where four bits lie in words, and a scale for each row; ptq.dequantize makes
// floats of them.

#ifndef PTQ_PASSES_QUANTIZE_EMBEDDINGTABLES_H
#define PTQ_PASSES_QUANTIZE_EMBEDDINGTABLES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace ptq {

/// An error unless `bits` is what quantizeEmbeddings takes: 8, 4, or 0 for none.
llvm::Error checkEmbeddingBits(unsigned bits);

/// Rounds every table that is stored, is a matrix, and is read by rows (EmbeddingGather.h), and
/// returns how many; what looks like one and is not is left with a remark. To be called when layers
/// have been rounded: a table that something else still reads stays in float beside its integers,
/// with a remark. GPTQ is no better on the rounded rows, as the error that is in its input is there
/// in what it approximates, too.
///
/// New constants are keyed as the table's key without ".weight", and `.weight_packed` (4 bits,
/// words [rows, ceil(width·4/32)]), `.weight` (8 bits, [rows, width]; `.weight_int8` if the float
/// table stays) and `.weight_scale` [rows]. The operation that makes floats carries what was done,
/// as `ptq.embedding`. With `fake` tables stay in float, between a quantization and a
/// dequantization.
///
/// Errors: those of checkEmbeddingBits, a table without data, a NaN or an infinity in one; each
/// names the table.
llvm::Expected<unsigned> quantizeEmbeddings(mlir::ModuleOp module, unsigned bits,
                                            bool fake = false);

} // namespace ptq

#endif

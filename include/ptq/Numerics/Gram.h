// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The Gram matrix G = X^T X of a layer's input X [tokens, channels], which is what second-order
// methods (GPTQ, AWQ's loss) need of the calibration data.

#ifndef PTQ_NUMERICS_GRAM_H
#define PTQ_NUMERICS_GRAM_H

#include "ptq/Numerics/Matrix.h"

namespace ptq::numerics {

/// gram += x^T x, in the upper triangle with the diagonal only; the rest is neither read nor
/// written. gram is [x.columns, x.columns] and starts as zeros; call it once per batch of tokens.
/// One SSYRK: x.columns^2 * x.rows flops, on OpenBLAS's threads, accumulated in float.
void accumulateGram(ConstMatrix x, MutableMatrix gram);

/// Rows [first, last) of x^T x, from the diagonal's column on: rows [last - first, x.columns -
/// first] is overwritten, but for what lies below the diagonal, which is left as it is. As
/// accumulateGram does it, by SSYRK and SGEMM.
void computeGramRows(ConstMatrix x, int64_t first, int64_t last, MutableMatrix rows);

/// Copies the strict upper triangle onto the lower one.
void symmetrize(MutableMatrix gram);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_GRAM_H

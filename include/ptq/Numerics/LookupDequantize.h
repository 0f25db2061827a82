// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Packed codes of any codebook to floats:
//     w[n, k] = table[c[n, k]] * s[n, k / groupSize] + offset,
// the product and the sum each rounded to T.

#ifndef PTQ_NUMERICS_LOOKUPDEQUANTIZE_H
#define PTQ_NUMERICS_LOOKUPDEQUANTIZE_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"

namespace ptq::numerics {

/// T is float or double.
template <typename T> struct LookupWeight {
  unsigned bits = 4;              ///< 2 to 8.
  llvm::ArrayRef<uint32_t> words; ///< [rows, packedWords(columns, bits)] (Packing.h).
  llvm::ArrayRef<T> table;        ///< [2^bits].
  llvm::ArrayRef<T> scales;       ///< [rows, ceil(columns / groupSize)].
  int64_t groupSize = 64;         ///< The last group of a row may be shorter.
  T offset = 0;
};

/// The sizes are those of `out`.
template <typename T> void dequantize(const LookupWeight<T> &weight, MatrixRef<T> out);

extern template void dequantize(const LookupWeight<float> &weight, MatrixRef<float> out);
extern template void dequantize(const LookupWeight<double> &weight, MatrixRef<double> out);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_LOOKUPDEQUANTIZE_H

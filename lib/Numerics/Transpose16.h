// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transposition of 16 x 16 elements held in 16 vectors.

#ifndef PTQ_LIB_NUMERICS_TRANSPOSE16_H
#define PTQ_LIB_NUMERICS_TRANSPOSE16_H

#include "Simd.h"

namespace ptq::numerics {

/// Vectors of 16 elements: float or int8_t.
template <typename T> struct Vector16 {
  typedef T Type __attribute__((vector_size(16 * sizeof(T))));
};

/// rows[i][j] <-> rows[j][i]. Four times the same step: interleaving row i with row i + 8 rotates
/// the eight bits of an element's index (row, column) by one, so that four steps exchange row and
/// column.
template <typename T> PTQ_ALWAYS_INLINE void transpose16(typename Vector16<T>::Type *rows) {
  typename Vector16<T>::Type next[16];
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                            5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27,
                                                12, 28, 13, 29, 14, 30, 15, 31);
    }
    for (int i = 0; i < 16; ++i)
      rows[i] = next[i];
  }
}

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_TRANSPOSE16_H

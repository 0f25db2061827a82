// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of a weight that is kept as single values of 16 bits, in compressed sparse rows (SpQR,
// Dettmers et al., 2023): the few weights whose rounding costs a layer's output most.

#ifndef PTQ_NUMERICS_SPARSEWEIGHT_H
#define PTQ_NUMERICS_SPARSEWEIGHT_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

/// The 16-bit type that values are rounded to.
enum class ShortFloat { F16, BF16 };

/// x in the type, half to even. What is beyond the greatest finite value becomes that.
float roundToShort(float x, ShortFloat type);

/// Row n has values[j] in column columns[j] for rowOffsets[n] <= j < rowOffsets[n + 1], columns
/// ascending. Empty vectors: no sparse part.
struct SparseWeight {
  std::vector<int32_t> rowOffsets; ///< [rows + 1], or empty.
  std::vector<int32_t> columns;
  std::vector<float> values;
  /// What the values have been rounded to.
  ShortFloat type = ShortFloat::F16;

  bool empty() const { return columns.empty(); }
};

/// out += the sparse part. out is [rows, columns].
void addSparse(const SparseWeight &sparse, MutableMatrix out);

/// An error, which says where, unless this is a sparse part of a weight of rows x columns.
llvm::Error verify(const SparseWeight &sparse, int64_t rows, int64_t columns);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_SPARSEWEIGHT_H

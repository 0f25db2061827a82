// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A view of a row-major matrix, the argument type of this library: no ownership, no strides but the
// row's.

#ifndef PTQ_NUMERICS_MATRIX_H
#define PTQ_NUMERICS_MATRIX_H

#include <cstdint>
#include <type_traits>

namespace ptq::numerics {

/// Element (i, j) is data[i * stride + j]; stride >= columns, in elements.
template <typename T> struct MatrixRef {
  T *data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  MatrixRef() = default;
  MatrixRef(T *data, int64_t rows, int64_t columns) : MatrixRef(data, rows, columns, columns) {}
  MatrixRef(T *data, int64_t rows, int64_t columns, int64_t stride)
      : data(data), rows(rows), columns(columns), stride(stride) {}
  /// A mutable view is also a constant one.
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  MatrixRef(const MatrixRef<U> &other)
      : MatrixRef(other.data, other.rows, other.columns, other.stride) {}

  T *row(int64_t i) const { return data + i * stride; }
  /// Rows [first, last).
  MatrixRef rowRange(int64_t first, int64_t last) const {
    return MatrixRef(row(first), last - first, columns, stride);
  }
  T &operator()(int64_t i, int64_t j) const { return data[i * stride + j]; }
};

using ConstMatrix = MatrixRef<const float>;
using MutableMatrix = MatrixRef<float>;

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_MATRIX_H

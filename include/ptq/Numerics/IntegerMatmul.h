// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of 8-bit integer matrices, exact in 32 bits.

#ifndef PTQ_NUMERICS_INTEGERMATMUL_H
#define PTQ_NUMERICS_INTEGERMATMUL_H

#include "ptq/Numerics/Matrix.h"
#include <cstdint>
#include <memory>

namespace ptq::numerics {

/// The greatest number of products that a 32-bit sum holds, whatever the codes:
/// 131071 · (−128)² < 2³¹.
inline constexpr int64_t kMaxInt8Depth = 131071;

/// c = a·bᵀ: c[i, j] = Σ_k a[i, k]·b[j, k], for a [M, K], b [N, K], c [M, N], K ≤ kMaxInt8Depth.
/// Exact, and so the same on any machine and for any threadCount(). Any of M, N, K may be 0. Beyond
/// kMaxInt8Depth a sum that does not fit is taken modulo 2³²: callers check.
///
/// oneDNN's gemm where the library is there and the CPU has 8-bit dot products (VNNI), a portable
/// loop elsewhere and for few rows: without them oneDNN adds pairs of products in 16 bits, which
/// saturates.
void multiplyInt8(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, MatrixRef<int32_t> c);

/// The portable loop: what multiplyInt8 computes, on the calling thread.
void multiplyInt8Portable(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b,
                          MatrixRef<int32_t> c);

/// Whether multiplyInt8 uses oneDNN on this machine.
bool hasFastInt8();

/// A right operand that meets many left ones: a weight. It is brought into the layout that the CPU
/// multiplies fastest once; laying it out takes about as long as multiplying with 500 rows.
class Int8Weight {
public:
  /// Copies b [N, K], K ≤ kMaxInt8Depth, as it is and in that layout.
  explicit Int8Weight(MatrixRef<const int8_t> b);
  ~Int8Weight();
  Int8Weight(Int8Weight &&) noexcept;
  Int8Weight &operator=(Int8Weight &&) noexcept;

  int64_t rows() const;    ///< N
  int64_t columns() const; ///< K

  /// c = a·bᵀ as multiplyInt8 computes it. May be called from several threads at a time.
  void multiply(MatrixRef<const int8_t> a, MatrixRef<int32_t> c) const;

private:
  struct Layout;
  std::unique_ptr<Layout> layout;
};

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_INTEGERMATMUL_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What IntegerMatmul takes from oneDNN. All of it runs on the calling thread alone: work is split
// over our own threads, so that there is one pool in the process and not a second one (OpenMP's)
// that spins beside it. Without the library nothing is fast and nothing is called.

#ifndef PTQ_LIB_NUMERICS_INTEGERMATMULONEDNN_H
#define PTQ_LIB_NUMERICS_INTEGERMATMULONEDNN_H

#include "ptq/Numerics/IntegerMatmul.h"

namespace ptq::numerics::onednn {

/// Whether the library's products of 8-bit integers are exact and fast on this CPU: it needs
/// instructions that add 8-bit products in 32 bits.
bool isUsable();

/// c = a·bᵀ for sizes > 0. False if the library refuses; then c is not defined.
bool multiply(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, MatrixRef<int32_t> c);

/// A weight in the library's own layout.
class BlockedWeight {
public:
  virtual ~BlockedWeight() = default;
  /// As multiply above, with this weight as b and dense a and c.
  virtual bool multiply(MatrixRef<const int8_t> a, MatrixRef<int32_t> c) const = 0;
};

/// Lays b out (sizes > 0, stride = columns); null if the library refuses.
std::unique_ptr<BlockedWeight> layOut(MatrixRef<const int8_t> b);

} // namespace ptq::numerics::onednn

#endif // PTQ_LIB_NUMERICS_INTEGERMATMULONEDNN_H

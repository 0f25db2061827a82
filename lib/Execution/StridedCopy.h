// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copying between two strided layouts: slices, transposes, broadcasts, packing.
//
#ifndef PTQ_LIB_EXECUTION_STRIDEDCOPY_H
#define PTQ_LIB_EXECUTION_STRIDEDCOPY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace ptq::execution {

/// Row-major strides of a shape, in elements.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// to[Σ i_d·toStrides[d]] = from[Σ i_d·fromStrides[d]] for all indices within `shape`. Strides
/// count elements of `elementBytes` (1, 2, 4 or 8) bytes, and may be 0 in `from` and negative in
/// both. The regions must not overlap.
void copyStrided(char *to, llvm::ArrayRef<int64_t> toStrides, const char *from,
                 llvm::ArrayRef<int64_t> fromStrides, llvm::ArrayRef<int64_t> shape,
                 int64_t elementBytes);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_STRIDEDCOPY_H

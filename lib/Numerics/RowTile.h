// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Between a weight's rows and the kernels' layout: columns in rounding order, rows in lanes.

#ifndef PTQ_LIB_NUMERICS_ROWTILE_H
#define PTQ_LIB_NUMERICS_ROWTILE_H

#include "Simd.h"
#include "ptq/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

namespace ptq::numerics {

/// lanes[positions[j] * stride + i] = w(i, j), and 0 for the rows i up to
/// roundUpToTile(w.rows) <= stride. Empty positions are the identity; columns j with a nonzero
/// `dead` (may be empty) are read as 0.
void loadLanes(ConstMatrix w, llvm::ArrayRef<int32_t> positions, llvm::ArrayRef<uint8_t> dead,
               float *lanes, int64_t stride);

/// The way back: codes(i, j) = lanes[positions[j] * stride + i].
void storeCodes(const int8_t *lanes, int64_t stride, llvm::ArrayRef<int32_t> positions,
                MatrixRef<int8_t> codes);

/// Whether one of the values is a NaN or an infinity (an exponent of all ones).
bool hasNonFinite(const float *values, int64_t count);

/// An error that names the row and column of the first NaN or infinity in w, if there is one.
llvm::Error checkFinite(ConstMatrix w);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_ROWTILE_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Squared norms of layer outputs over the calibration data, ||M R||^2.

#ifndef PTQ_LIB_NUMERICS_OUTPUTERROR_H
#define PTQ_LIB_NUMERICS_OUTPUTERROR_H

#include "ptq/Numerics/GramFactor.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace ptq::numerics {

/// ||M R||^2 for the M with `count` rows whose elements are element(row, original column); dead
/// columns count as zeros. count * columns^2 flops, on OpenBLAS's threads.
double outputNorm(int64_t count, const GramFactor &factor,
                  llvm::function_ref<float(int64_t row, int64_t column)> element);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_OUTPUTERROR_H

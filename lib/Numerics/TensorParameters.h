// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantization parameters of a whole weight.

#ifndef PTQ_LIB_NUMERICS_TENSORPARAMETERS_H
#define PTQ_LIB_NUMERICS_TENSORPARAMETERS_H

#include "ptq/Numerics/Rtn.h"

namespace ptq::numerics {

/// One scale and zero point for all of w; columns with a nonzero `dead` (may be empty) count as
/// zeros. Deterministic, whatever the number of threads.
QuantizationParameters computeTensorParameters(ConstMatrix w, llvm::ArrayRef<uint8_t> dead,
                                               const WeightScheme &scheme);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_TENSORPARAMETERS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef PTQ_MATH_FLOAT16_H
#define PTQ_MATH_FLOAT16_H

#include "mlir/Pass/PassManager.h"

namespace ptq {

/// Adds passes after which arithmetic on f16 and bf16 is done in float32, each result rounded, as
/// frameworks do it and hardware without such arithmetic. No later pass may take a rounding away.
void addFloat16Emulation(mlir::OpPassManager &passes);

} // namespace ptq

#endif // PTQ_MATH_FLOAT16_H

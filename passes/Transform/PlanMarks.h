// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a precision plan, or an allocation of bits, to marks on layers.

#ifndef PTQ_PASSES_TRANSFORM_PLANMARKS_H
#define PTQ_PASSES_TRANSFORM_PLANMARKS_H

#include "PrecisionPlan.h"
#include "ptq/Numerics/WeightScheme.h"

#include "mlir/IR/BuiltinOps.h"

namespace ptq {

/// Marks the layer to be rounded by the scheme. Ranges that a search left for another scheme
/// (`clip`) go.
void markRounded(LinearOp layer, const numerics::WeightScheme &scheme);

/// Marks the layer to stay float, for that reason.
void markFloat(LinearOp layer, llvm::StringRef reason);

/// What applying a plan did.
struct PlanCounts {
  unsigned marked = 0, keptFloat = 0;
};

/// Marks each layer by the first rule that matches it. A layer that none matches keeps the marks it
/// has; heads and layers that are quantized already are not looked at. `defaults` is what rules
/// leave out. Errors, as "file:line: what": a rule that no layer is left for, a scheme that does
/// not fit a layer (both are found before any layer is marked).
llvm::Expected<PlanCounts> applyPlan(mlir::ModuleOp module, const PrecisionPlan &plan,
                                     const numerics::WeightScheme &defaults);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a pass has put off for a later one to do, on the way if it can: statistics that --calibrate
// promised, and the rounding of layers that a pass has marked. Whatever takes a module out of the
// process (saving, reporting, lowering, the end of quant-opt's pipeline) has it done first.

#ifndef PTQ_RAISE_PENDINGPASSES_H
#define PTQ_RAISE_PENDINGPASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace ptq {

/// On the module, a unit: layers are marked by a pass that promises integers, and the rounding pass
/// of the user's choice comes next. `rtn` rounds them if none does. Rounding passes remove it.
inline constexpr llvm::StringLiteral kPendingRoundingAttr = "ptq.pending_rounding";

/// The calling pass's runPipeline.
using PipelineRunner = llvm::function_ref<llvm::LogicalResult(mlir::OpPassManager &)>;

/// Runs what is pending, by its passes' names: they belong to later stages.
llvm::LogicalResult runPendingPasses(mlir::ModuleOp module, PipelineRunner run);

/// The rounding alone: for passes that have no use for statistics.
llvm::LogicalResult runPendingRounding(mlir::ModuleOp module, PipelineRunner run);

} // namespace ptq

#endif

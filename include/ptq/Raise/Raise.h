// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Raising as functions, for passes that need linear layers and for embedders.

#ifndef PTQ_RAISE_RAISE_H
#define PTQ_RAISE_RAISE_H

#include "ptq/Analysis/LayerNames.h"
#include "ptq/IR/PTQ.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/AnalysisManager.h"

namespace ptq {

struct RaiseCounts {
  unsigned raised = 0;
  unsigned declined = 0;
};

/// Raises every linear layer of a function (see --raise-linear). Each declined contraction gets a
/// remark and the attribute `ptq.declined` with the reason.
RaiseCounts raiseLinears(mlir::FunctionOpInterface function, LayerNames &names);

/// For a pass that works on linear layers: remembers the module as it was loaded (LoadedModule),
/// then raises it if it has no linear layer yet. Fails, with an error, if there is none after that
/// either.
mlir::LogicalResult ensureRaised(mlir::ModuleOp module, mlir::AnalysisManager analyses);

/// Absorbs what follows a raised layer: a cast of its result, a bias. Returns the layer that stands
/// in its place, `linear` itself if nothing was absorbed.
LinearOp absorbEpilogue(LinearOp linear, mlir::RewriterBase &rewriter);

} // namespace ptq

#endif

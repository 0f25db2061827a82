// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers of other functions that use the weights of the calibrated one, as the decoding function of
// a language model uses those of its prefill. A weight is rounded once, with the activations of the
// function whose samples there are, and what it has become is used by all.

#ifndef PTQ_PASSES_QUANTIZE_SHAREDWEIGHTS_H
#define PTQ_PASSES_QUANTIZE_SHAREDWEIGHTS_H

#include "LayerReplacer.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ptq {

/// Whether two weights are made by the same operations of the same constants.
bool isSameWeight(mlir::Value a, mlir::Value b);

/// A layer elsewhere, and the layer (an index into the list that was given) whose weight it uses.
struct SharingLayer {
  LinearOp layer;
  size_t of;
};

/// The layers of all functions but `calibrated` that use a weight of `layers`, in program order.
/// They take over statistics where they have none. For a function with layers whose weights no
/// layer of `calibrated` has, a remark says that these stay in float, and `ptq.skipped` on them
/// why.
std::vector<SharingLayer> findSharingLayers(mlir::func::FuncOp calibrated,
                                            llvm::ArrayRef<LinearOp> layers);

} // namespace ptq

#endif

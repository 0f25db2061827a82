// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers whose output an activation is contracted with: the queries and keys of attention.

#ifndef PTQ_PASSES_TRANSFORM_CONTRACTEDOUTPUT_H
#define PTQ_PASSES_TRANSFORM_CONTRACTEDOUTPUT_H

#include "ptq/IR/PTQ.h"

namespace ptq {

/// Whether the layer's output channels, through reshapes, norms, rotations and other elementwise
/// work, are summed over in a product with another activation. Errors of such a layer multiply with
/// those of the other one. The values of attention are not: their channels are kept.
bool isContractedWithActivation(LinearOp layer);

} // namespace ptq

#endif

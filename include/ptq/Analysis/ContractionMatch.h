// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which contractions are linear layers.
//
// A contraction C[m…, n…] = Σ_k A[m…, k…]·B[n…, k…], in any loop order, is a linear layer if
// exactly one of A and B is made of a parameter that has every n and k loop and no batch loop of a
// size other than 1. A batch loop over which the parameter is broadcast is, for the layer, one more
// leading dimension of its activation.

#ifndef PTQ_ANALYSIS_CONTRACTIONMATCH_H
#define PTQ_ANALYSIS_CONTRACTIONMATCH_H

#include "ptq/Analysis/ParameterWalk.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <string>
#include <variant>

namespace ptq {

/// A contraction that is a linear layer. Loops are numbered as in the operation.
struct LinearMatch {
  mlir::linalg::LinalgOp op;
  unsigned weightOperand = 0; ///< 0 or 1, among the inputs; the other one is the activation.
  ParameterSource weight;     ///< Its `dimensions` are loops here.
  llvm::SmallVector<unsigned>
      leading;                      ///< Loops of the activation before its channels, in its order.
  llvm::SmallVector<unsigned> rows; ///< Loops of the output channels, in the weight's order.
  llvm::SmallVector<unsigned> channels; ///< Loops of the input channels, in the weight's order.

  mlir::Value getActivation() { return op.getDpsInputs()[1 - weightOperand]; }
  mlir::AffineMap getActivationMap() {
    return op.getMatchingIndexingMap(op.getDpsInputOperand(1 - weightOperand));
  }
};

/// Not a linear layer, and nothing to say about it: a product of two activations, say.
struct NotLinear {};

/// Looks like a linear layer but is none that can be raised; `reason` completes "not raised: …".
struct DeclinedLinear {
  mlir::Value weight;
  std::string reason;
};

std::variant<NotLinear, DeclinedLinear, LinearMatch>
matchLinear(mlir::Operation *op, const ParameterAnalysis &parameters);

} // namespace ptq

#endif

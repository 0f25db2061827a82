// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// RMSNorm and LayerNorm over the last dimension, as the loops that frontends make of them.

#ifndef PTQ_PASSES_LOWER_NORMMATCHER_H
#define PTQ_PASSES_LOWER_NORMMATCHER_H

#include "mlir/IR/Value.h"

#include <optional>

namespace ptq {

/// y = (x·r)·γ with r = 1/√(Σ x²/K + ε), or ((x − μ)·r)·γ + β with μ = Σ x/K and
/// r = 1/√(Σ (x − μ)²/K + ε), each operation rounded to float32 but where it says otherwise; K is
/// the last dimension's size.
struct Norm {
  mlir::Value x;
  mlir::Value gamma, beta; ///< [K]; null: ones, zeros
  bool isCentered;         ///< LayerNorm
  /// Σ (x − μ)²/K is computed in float64, with a μ of its own, and rounded once.
  bool hasWideVariance;
  double epsilon;
  /// The 16-bit types that x·r and y are rounded to; null: not.
  mlir::Type normalizedType, resultType;
};

/// The norm whose y is `value`, if it is one: a tensor of static K whose only user is the caller's,
/// through reshapes that keep the last dimension. Associations count, as the result's last bit
/// depends on them; x may be of a shape that differs from y's before the last dimension.
std::optional<Norm> matchNorm(mlir::Value value);

} // namespace ptq

#endif // PTQ_PASSES_LOWER_NORMMATCHER_H

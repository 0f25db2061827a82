// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numbers of a weight: a constant, perhaps under casts, transposes, slices and reshapes.

#ifndef PTQ_ANALYSIS_WEIGHTVALUE_H
#define PTQ_ANALYSIS_WEIGHTVALUE_H

#include "mlir/IR/Value.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace ptq {

/// A float32 tensor in row-major order, either held here or a view of a constant's own data.
struct WeightValue {
  llvm::ArrayRef<float> data;
  std::vector<float> storage; ///< Empty when `data` is a view.
};

/// Evaluates a float tensor made of constants by casts, transposes, static slices and reshapes. A
/// float32 constant is not copied. Errors: what else it is made of, an elided resource, an argument
/// or global that was not loaded.
llvm::Expected<WeightValue> evaluateWeight(mlir::Value value);

} // namespace ptq

#endif

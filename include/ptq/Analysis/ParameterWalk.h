// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From an operand back to the parameter it was made of.
//
// What makes a contraction a linear layer is not its operation but that one operand is a parameter,
// however many transposes, broadcasts, reshapes and casts a frontend put between. The walk goes
// back through them and composes what they do to dimensions: the result tells, for each dimension
// of the parameter, which dimensions of the operand it became. A dimension of the operand that no
// dimension of the parameter became is a broadcast.

#ifndef PTQ_ANALYSIS_PARAMETERWALK_H
#define PTQ_ANALYSIS_PARAMETERWALK_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace ptq {

/// An operand traced back to the parameter it was made of.
struct ParameterSource {
  /// The parameter, or the deepest value on the way to it whose dimensions can still be followed.
  mlir::Value root;
  /// For each dimension of `root`: the dimensions of the operand it became, outermost first. Empty
  /// for a dimension of size 1 that the operand does not have.
  llvm::SmallVector<llvm::SmallVector<unsigned, 2>> dimensions;
  /// Element types that casts between root and operand produced, in order from the root. Their last
  /// is the operand's element type.
  llvm::SmallVector<mlir::Type> casts;
};

/// Traces `operand` back through what moves and casts elements, whatever the root is.
ParameterSource traceToRoot(mlir::Value operand);

/// True if `value` is a parameter itself: a constant that is no splat, a global, or an argument
/// that carries `ptq.parameter`.
bool isLeafParameter(mlir::Value value);

/// True if `value` is a tensor argument of static shape in a function that does not say of any
/// argument, by `ptq.parameter` or `ptq.input`, what it is. It may be a parameter; where frontends
/// put weights, it is.
bool isUnmarkedArgument(mlir::Value value);

/// True if `value` can be the bias of a layer: a parameter, an unmarked argument or any constant,
/// splats too (a tensor of one element always is one).
bool isStoredValue(mlir::Value value);

/// Which values of a function are parameters, or computed from nothing else. One pass over the
/// function; valid until the function changes.
class ParameterAnalysis {
public:
  explicit ParameterAnalysis(mlir::FunctionOpInterface function);

  /// True if `value` depends on parameters only, at least one of them a real one (not only scalars,
  /// splats and empty tensors).
  bool isParameter(mlir::Value value) const;

  /// Traces `operand` back. Nothing if it is neither made of a parameter nor an unmarked argument
  /// that was only moved and cast.
  std::optional<ParameterSource> trace(mlir::Value operand) const;

private:
  enum class Kind { Activation, Neutral, Parameter };
  Kind classify(mlir::Operation *op) const;

  llvm::DenseMap<mlir::Value, Kind> kinds;
};

} // namespace ptq

#endif

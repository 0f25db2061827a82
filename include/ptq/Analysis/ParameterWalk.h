// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From an operand back to the parameter it was made of.
//
// What makes a contraction a linear layer is not its operation but that one operand is a parameter, however
// many transposes, broadcasts, reshapes and casts a frontend put between. The walk goes back through them
// and composes what they do to dimensions: the result tells, for each dimension of the parameter, which
// dimensions of the operand it became. A dimension of the operand that no dimension of the parameter
// became is a broadcast.

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
  /// For each dimension of `root`: the dimensions of the operand it became, outermost first. Empty for a
  /// dimension of size 1 that the operand does not have.
  llvm::SmallVector<llvm::SmallVector<unsigned, 2>> dimensions;
  /// Element types that casts between root and operand produced, in order from the root. Their last is the
  /// operand's element type.
  llvm::SmallVector<mlir::Type> casts;
};

/// Traces `operand` back through what moves and casts elements, whatever the root is.
ParameterSource traceToRoot(mlir::Value operand);

/// True if `value` is a parameter itself: a constant that is no splat, a global, or an argument that is one.
///
/// An argument is a parameter if it carries `ptq.parameter`. In a function none of whose arguments carries
/// `ptq.parameter` or `ptq.input` any tensor argument of static shape may be one; callers then prefer
/// constants and the position that frontends put weights in.
bool isLeafParameter(mlir::Value value);

/// True if `value` may be a parameter only because its function does not say what its arguments are.
bool isUnmarkedArgument(mlir::Value value);

/// Which values of a function are parameters, or computed from nothing else. One pass over the function; valid
/// until the function changes.
class ParameterAnalysis {
public:
  explicit ParameterAnalysis(mlir::FunctionOpInterface function);

  /// True if `value` depends on parameters only, at least one of them a real one (not only scalars, splats
  /// and empty tensors).
  bool isParameter(mlir::Value value) const;

  /// Traces `operand` back. Nothing if it is not made of a parameter.
  std::optional<ParameterSource> trace(mlir::Value operand) const;

private:
  enum class Kind { Activation, Neutral, Parameter };
  Kind classify(mlir::Operation *op) const;

  llvm::DenseMap<mlir::Value, Kind> kinds;
};

} // namespace ptq

#endif

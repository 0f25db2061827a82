// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations of a function as a kernel of their own.
//
#ifndef PTQ_LIB_EXECUTION_KERNELEXTRACTION_H
#define PTQ_LIB_EXECUTION_KERNELEXTRACTION_H

#include "mlir/IR/Operation.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace ptq::execution {

/// A kernel and what to call it with. The text is a func.func in generic form, without names and
/// locations: the operations, with all that they use of their function as arguments (tensors, then
/// scalars), scalar and splat constants inline, an unread init as tensor.empty, and the escaping
/// results returned.
struct ExtractedKernel {
  std::string text;
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::Value> scalars;
  llvm::SmallVector<mlir::Value> outputs;
  /// Check n (from 1) failed: checks[n - 1] says what that means, location included.
  std::vector<std::string> checks;
};

/// Extracts `ops`, whose results `outputs` are wanted.
ExtractedKernel extractKernel(llvm::ArrayRef<mlir::Operation *> ops,
                              llvm::ArrayRef<mlir::Value> outputs);

/// If all elements of `value` are known to be one scalar constant: a constant splat, or a fill with
/// a constant. Static shapes only.
mlir::TypedAttr getSplatConstant(mlir::Value value);

/// "file:line:column: " or whatever the location is, for messages.
std::string describe(mlir::Location location);

/// An error about `op`: location, operation name, message.
llvm::Error errorAt(mlir::Operation *op, const llvm::Twine &message);

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_KERNELEXTRACTION_H

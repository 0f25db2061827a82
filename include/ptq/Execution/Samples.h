// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A function's arguments from files: parameters from a checkpoint, inputs sample by sample.
//
#ifndef PTQ_EXECUTION_SAMPLES_H
#define PTQ_EXECUTION_SAMPLES_H

#include "ptq/Checkpoint/Checkpoint.h"
#include "ptq/Execution/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace ptq::execution {

/// The element type in a safetensors file of an IR element type, if it can be stored there: i1 is
/// Bool, i4 and other narrow integers take a byte.
std::optional<checkpoint::DType> getDType(mlir::Type elementType);

/// The IR type of a stored element type.
mlir::Type getElementType(checkpoint::DType dtype, mlir::MLIRContext *context);

/// The name of argument `index`: its `ptq.parameter` or `ptq.input`, else "arg<index>".
std::string getArgumentName(mlir::func::FuncOp function, unsigned index);

/// The name of result `index`: its `ptq.output`, else "output", or "output.<index>" if there are
/// several.
std::string getResultName(mlir::func::FuncOp function, unsigned index);

/// On an int8 argument, the scheme of a float input that it and the next argument, its scales, stand
/// for. Files may have the floats instead.
inline constexpr llvm::StringLiteral kQuantizedInputAttr = "ptq.quantized";

/// Where the arguments of a function come from.
class SampleSet {
public:
  /// Finds each argument with `ptq.parameter` in `parameters`, each other one in `inputs`, and what
  /// is not there in the other of the two; either may be null. For an input of shape S the file's
  /// tensor has shape S, the same for all samples, or N×S for N samples; a dynamic dimension takes
  /// any size. Floats are quantized where an argument says that it holds integers made of them
  /// (kQuantizedInputAttr). Errors list all tensors that are missing, or of another type or shape, at once; no
  /// input but some N×S means one sample.
  static llvm::Expected<SampleSet> open(mlir::func::FuncOp function,
                                        std::shared_ptr<const checkpoint::Checkpoint> parameters,
                                        std::shared_ptr<const checkpoint::Checkpoint> inputs);

  /// The number of samples: 1 if no input is stacked; 0 if one is with N = 0.
  int64_t size() const { return count; }

  /// Whether some input is N×S, and not just S.
  bool isStacked() const { return stacked; }

  /// The arguments of sample `index`. Data stays in the mapped files wherever it is aligned.
  std::vector<Tensor> sample(int64_t index) const;

  /// Samples [first, first + n).
  std::vector<std::vector<Tensor>> samples(int64_t first, int64_t n) const;

private:
  struct Argument {
    Tensor tensor;  ///< Of one sample; of the first one if there are several.
    bool isStacked; ///< Whether each sample has its own.
  };
  std::vector<Argument> arguments;
  int64_t count = 1;
  bool stacked = false;
};

} // namespace ptq::execution

#endif // PTQ_EXECUTION_SAMPLES_H

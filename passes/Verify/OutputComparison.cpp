// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OutputComparison.h"

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Execution/Executor.h"
#include "ptq/Execution/Samples.h"
#include "ptq/Support/Progress.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

/// Outputs that are in memory at a time stay below this, for each of the two functions.
static constexpr int64_t chunkBytes = 256 << 20;
static constexpr int64_t chunkLimit = 64;

/// How many samples to run at a time.
static int64_t chunkSize(func::FuncOp function) {
  int64_t bytes = 1;
  for (Type type : function.getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape())
      return 8;
    bytes += tensor.getNumElements() * elementBytes(tensor.getElementType()).value_or(8);
  }
  return std::clamp<int64_t>(chunkBytes / bytes, 1, chunkLimit);
}

static llvm::Expected<std::unique_ptr<Executor>> createExecutor(func::FuncOp function) {
  ExecutorOptions options;
  options.kernels = sharedKernels();
  return Executor::create(function, options);
}

llvm::Expected<OutputComparison> ptq::compareOutputs(const BoundFunction &current,
                                                     const BoundFunction &reference) {
  func::FuncOp function = current.function, other = reference.function;
  if (function.getNumResults() != other.getNumResults())
    return llvm::createStringError("@" + function.getSymName() + " has " +
                                   Twine(function.getNumResults()) + " outputs, the reference " +
                                   Twine(other.getNumResults()));
  if (current.samples.size() != reference.samples.size())
    return llvm::createStringError("there are " + Twine(current.samples.size()) +
                                   " samples for the module, " + Twine(reference.samples.size()) +
                                   " for the reference");
  auto ofReference = [](llvm::Error error) {
    return llvm::createStringError("the reference: " + toString(std::move(error)));
  };
  auto executor = createExecutor(function);
  if (!executor)
    return executor.takeError();
  auto otherExecutor = createExecutor(other);
  if (!otherExecutor)
    return ofReference(otherExecutor.takeError());

  OutputComparison result;
  for (unsigned i = 0; i != function.getNumResults(); ++i)
    result.outputs.push_back({getResultName(function, i), {}});
  double worst = 0;
  size_t total = current.samples.size(), chunk = chunkSize(function);
  Progress progress("verify-equivalence", total);
  for (size_t first = 0; first < total; first += chunk) {
    size_t count = std::min(chunk, total - first);
    progress.begin("sample " + std::to_string(first));
    auto values = (*executor)->run(ArrayRef(current.samples).slice(first, count));
    if (!values)
      return values.takeError();
    auto expected = (*otherExecutor)->run(ArrayRef(reference.samples).slice(first, count));
    if (!expected)
      return ofReference(expected.takeError());
    for (size_t sample = 0; sample != count; ++sample) {
      for (auto [output, value, truth] :
           llvm::zip(result.outputs, (*values)[sample], (*expected)[sample])) {
        Comparison own;
        llvm::Error error =
            llvm::joinErrors(own.add(value, truth), output.comparison.add(value, truth));
        if (error)
          return llvm::createStringError("output '" + output.name +
                                         "': " + toString(std::move(error)));
        // What is not a number is worse than any number.
        double relative = own.relativeMaxError();
        if (std::isnan(relative))
          relative = std::numeric_limits<double>::infinity();
        if (relative > worst) {
          worst = relative;
          result.worstSample = first + sample;
        }
      }
      progress.advance();
    }
  }
  return result;
}

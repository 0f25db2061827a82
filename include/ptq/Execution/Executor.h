// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a function on the CPU, all samples in lockstep. lib/Execution/README.md says how.
//
#ifndef PTQ_EXECUTION_EXECUTOR_H
#define PTQ_EXECUTION_EXECUTOR_H

#include "ptq/Execution/KernelCache.h"
#include "ptq/Execution/Tensor.h"
#include "ptq/Numerics/Matrix.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>
#include <vector>

namespace ptq::execution {

/// How a run's samples are divided into blocks of consecutive ones. A product with a weight is one
/// GEMM for a block's samples, so that its result, whose last bits may depend on the number of
/// rows, does not depend on what other blocks there are. Of a run that several processes share,
/// the blocks here are some of all.
struct SampleBlocks {
  std::vector<int64_t> ends; ///< Behind which sample of the run each ends; empty: one of all.
  int64_t first = 0;         ///< The number of the first block here.
  int64_t count = 1;         ///< Blocks in all.
  int64_t firstSample = 0;   ///< The number of the first sample here, for errors.
  /// Of all samples, those elsewhere too, the arguments that are the same; empty: find them among
  /// the samples here.
  std::vector<bool> invariantArguments;
};

/// The arguments of `function` that all samples share: parameters, and tensors whose data is the
/// same.
std::vector<bool> findInvariantArguments(mlir::func::FuncOp function,
                                         llvm::ArrayRef<std::vector<Tensor>> samples);

/// A linear layer's input, as an observer sees it. The input of a layer that is the same for all
/// samples is shown once: as one block, of one.
struct ObservedInput {
  /// [tokens, in], float32 (converted from 16-bit models): the samples' inputs, stacked.
  numerics::ConstMatrix x;
  /// Behind which row each block ends; the last one is x.rows.
  llvm::ArrayRef<int64_t> blockEnds;
  /// SampleBlocks::first and count.
  int64_t firstBlock = 0, blockCount = 1;

  /// The rows of the block with that number.
  numerics::ConstMatrix block(int64_t number) const {
    int64_t index = number - firstBlock;
    return x.rowRange(index ? blockEnds[index - 1] : 0, blockEnds[index]);
  }
};

/// Watches linear layers (`ptq.linear`, `ptq.weight_only_linear`) while a function runs.
class LinearObserver {
public:
  virtual ~LinearObserver();

  /// Whether observe is to be called for `linear`. Asked once a layer at the start of a run.
  virtual bool wants(mlir::Operation *linear) { return true; }

  /// Called before `linear` is evaluated, in program order. `input` is valid during the call only.
  /// A returned vector replaces the layer's weight from here on, in this run: float32 [out, in].
  virtual llvm::Expected<std::optional<std::vector<float>>> observe(mlir::Operation *linear,
                                                                    const ObservedInput &input) = 0;
};

struct ExecutorOptions {
  /// Compiled kernels, to be shared between executors (of any context); null: the executor's own.
  std::shared_ptr<KernelCache> kernels;
  /// With an observer: evaluate only what the inputs of the wanted linears depend on, and return
  /// no results. Layers that nothing wanted depends on (the head) are observed but not evaluated.
  bool stopAfterLastLinear = false;
  SampleBlocks blocks;
};

/// Totals since the executor was made; seconds are wall time.
struct ExecutorStatistics {
  int64_t steps = 0;           ///< Steps of the last plan: parts between which samples meet.
  int64_t operations = 0;      ///< Nodes of the last plan: operations and fused groups of them.
  int64_t kernelsCompiled = 0; ///< Distinct kernels that this executor had compiled.
  double planSeconds = 0;      ///< Analysis of the function, without compilation.
  double compileSeconds = 0;   ///< Compilation of kernels.
  double linearSeconds = 0;    ///< Linears and contractions with a weight, conversions included.
  double segmentSeconds = 0;   ///< Everything else.
  double observerSeconds = 0;  ///< Inside the observer.
  /// Time by kind of operation ("linalg.generic", …), summed over threads; filled if the
  /// environment variable PTQ_EXECUTION_PROFILE is set.
  std::vector<std::pair<std::string, double>> profile;
};

class Executor {
public:
  /// Prepares `function`, which must outlive the executor and not change meanwhile. Errors name the
  /// first operation that cannot be executed: one with regions or calls at function level, several
  /// blocks, unranked tensors, element types that are not stored.
  static llvm::Expected<std::unique_ptr<Executor>> create(mlir::func::FuncOp function,
                                                          ExecutorOptions options = {});
  ~Executor();

  /// Runs all samples: samples[sample][argument] → [sample][result]. An argument with
  /// `ptq.parameter`, or one whose data is the same for all of several samples, is taken from the
  /// first sample and what depends on such arguments only is evaluated once. Errors: no samples,
  /// arguments that do not fit the function's types, a failed assertion, an index out of range;
  /// each names the operation's location. Not to be called by two threads at a time.
  llvm::Expected<std::vector<std::vector<Tensor>>> run(llvm::ArrayRef<std::vector<Tensor>> samples,
                                                       LinearObserver *observer = nullptr);

  const ExecutorStatistics &statistics() const;

private:
  struct Implementation;
  explicit Executor(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation;
};

} // namespace ptq::execution

#endif // PTQ_EXECUTION_EXECUTOR_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What outputs are compared with: another model's outputs, or tensors in a file.
//
#ifndef PTQ_TOOLS_QUANTRUN_REFERENCE_H
#define PTQ_TOOLS_QUANTRUN_REFERENCE_H

#include "Model.h"
#include "ptq/Execution/Metrics.h"

/// Compares outputs chunk by chunk.
class Reference {
public:
  /// A model that runs on the same samples; its outputs are matched by position.
  explicit Reference(std::unique_ptr<Model> model) : model(std::move(model)) {}
  /// A file: a tensor of an output's name, or "<name>.last" for the last index of the output's
  /// second-to-last dimension, [N×]shape, of as many samples as the inputs have or are run.
  explicit Reference(std::shared_ptr<const ptq::checkpoint::Checkpoint> file)
      : file(std::move(file)) {}

  struct SampleCount {
    int64_t inputs; ///< In the file of inputs.
    int64_t run;    ///< How many of them are run, from the first on.
  };
  /// Adds the samples [first, first + outputs.size()) of outputs with the given names.
  llvm::Error compare(int64_t first, SampleCount samples, llvm::ArrayRef<std::string> names,
                      const Outputs &outputs);

  struct Result {
    std::string name;
    ptq::execution::Comparison comparison;
  };
  /// One for each output that has a reference.
  llvm::ArrayRef<Result> results() const { return compared; }

private:
  llvm::Error compareWithModel(int64_t first, llvm::ArrayRef<std::string> names,
                               const Outputs &outputs);
  llvm::Error compareWithFile(int64_t first, SampleCount samples, llvm::ArrayRef<std::string> names,
                              const Outputs &outputs);
  Result &result(llvm::StringRef name);

  std::unique_ptr<Model> model;
  std::shared_ptr<const ptq::checkpoint::Checkpoint> file;
  std::vector<Result> compared;
};

#endif // PTQ_TOOLS_QUANTRUN_REFERENCE_H

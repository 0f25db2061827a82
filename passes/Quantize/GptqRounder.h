// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ over a model, a layer at a time: what watches the model run, or is given Gram matrices, and
// rounds each layer with that of its input.
//
// Layers that share an input share its Gram matrix and, where their schemes ask for the same column
// order, its factor. Both are forgotten when the last of these layers is rounded, so that one
// input's matrices are the memory this takes.

#ifndef PTQ_PASSES_QUANTIZE_GPTQROUNDER_H
#define PTQ_PASSES_QUANTIZE_GPTQROUNDER_H

#include "LayerReplacer.h"
#include "LayerStore.h"
#include "ptq/Calibrate/StatisticsCollector.h"
#include "ptq/Execution/Executor.h"
#include "ptq/Numerics/Gptq.h"
#include "ptq/Support/Progress.h"

#include <map>

namespace ptq {

/// A rounded layer, kept until the function may change.
struct RoundedLayer {
  SelectedLayer selected;
  PackedWeight weight;
  RoundingRecord record;
};

/// What a factor of a Gram matrix depends on: the group size its column order is for, the outlier
/// columns that are no part of it.
using FactorKey = std::pair<int64_t, const void *>;

/// The Gram matrix of one input and what was made of it.
struct InputGram {
  std::vector<float> gram; ///< Upper triangle; empty once it is not needed.
  std::map<FactorKey, numerics::GramFactor> factors;
  std::string hash;         ///< Of what the matrix is made of; empty until it is asked for.
  unsigned layersLeft = 0;  ///< Layers of this input still to be rounded.
  unsigned factorsLeft = 0; ///< Factors still to be made.
};

/// Rounds layers as they come, with the Gram matrices of their inputs.
class GptqRounder : public execution::LinearObserver {
public:
  GptqRounder(llvm::ArrayRef<SelectedLayer> selected, numerics::ColumnOrder order,
              numerics::GptqOptions options, float damping, bool sequential,
              StatisticsCollector *collector, LayerStore *store = nullptr);

  /// Statistics that --calibrate left pending are collected on the way, of all layers.
  bool wants(mlir::Operation *op) override {
    return layers.contains(op) || (collector && mlir::isa<LinearOp>(op));
  }
  llvm::Expected<std::optional<std::vector<float>>>
  observe(mlir::Operation *op, const execution::ObservedInput &input) override;

  /// Rounds one layer with the Gram matrix of its input, [in, in], of which the upper triangle is
  /// read. The matrix is asked for only if no earlier layer brought it. `hashInput` is asked for
  /// with a store: it identifies what the matrix is made of.
  llvm::Expected<numerics::QuantizedWeight>
  round(LinearOp layer, llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram,
        llvm::function_ref<llvm::Expected<std::string>()> hashInput);

  std::vector<RoundedLayer> takeRounded() { return std::move(rounded); }

private:
  struct Layer {
    SelectedLayer selected;
    mlir::Value input;
  };

  /// The weight by GPTQ or, where the mark or a singular Gram matrix says so, to nearest; what the
  /// record says of it.
  llvm::Expected<numerics::QuantizedWeight>
  solve(const SelectedLayer &selected, InputGram &input,
        llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram, RoundingRecord &record);

  /// The hash of all that a rounded layer depends on.
  llvm::Expected<std::string>
  hashOf(const SelectedLayer &selected, InputGram &input,
         llvm::function_ref<llvm::Expected<std::string>()> hashInput) const;
  /// The layer as it is in the store or, after rounding it, is put there.
  llvm::Expected<LayerStore::Entry>
  solveOrFind(const SelectedLayer &selected, InputGram &input,
              llvm::function_ref<llvm::Error(std::vector<float> &)> computeGram,
              llvm::function_ref<llvm::Expected<std::string>()> hashInput);

  FactorKey keyOf(const SelectedLayer &selected) const;
  /// The factor of the input's Gram matrix that the layer is rounded with.
  llvm::Expected<const numerics::GramFactor *> factor(InputGram &input,
                                                      const SelectedLayer &selected);

  llvm::DenseMap<mlir::Operation *, Layer> layers;
  llvm::DenseMap<mlir::Value, InputGram> inputs;
  numerics::ColumnOrder order;
  numerics::GptqOptions options;
  float damping;
  bool sequential;
  StatisticsCollector *collector; ///< Null if statistics are not asked for.
  LayerStore *store;              ///< Null if rounded layers are kept in memory.
  Progress progress;
  std::vector<RoundedLayer> rounded;
};

} // namespace ptq

#endif

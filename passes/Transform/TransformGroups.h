// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the transformations share: the groups of layers that they choose scales for, and running the
// samples to look at the groups' inputs.

#ifndef PTQ_PASSES_TRANSFORM_TRANSFORMGROUPS_H
#define PTQ_PASSES_TRANSFORM_TRANSFORMGROUPS_H

#include "ptq/Analysis/ChannelScale.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Quantize/LayerSelection.h"
#include "ptq/Transform/TransformRecord.h"

namespace ptq {

/// What to do where no parameter can absorb a scale.
enum class ExplicitScale { Auto, Never, Always };

/// Error: another word than auto, never or always.
llvm::Expected<ExplicitScale> parseExplicitScale(llvm::StringRef text);

/// A group of layers that share an input, and those of them that will be rounded.
struct TransformGroup {
  ScaleGroup scales;
  std::vector<SelectedLayer> layers; ///< Never empty.

  /// "layer 'a'" or "layers 'a', 'b'": those that will be rounded.
  std::string names() const;
  /// Whether the group takes scales at all: it is not declined, and not explicit where that is
  /// ruled out.
  bool takesScales(ExplicitScale explicitScale) const;
};

/// The groups with a selected layer, in program order.
std::vector<TransformGroup> selectGroups(llvm::ArrayRef<SelectedLayer> selected);

/// The weights of a group's layers, [out, in] each, in the order of TransformGroup::layers.
class GroupWeights {
public:
  /// Error: a weight without data, with the layer's name.
  static llvm::Expected<GroupWeights> evaluate(const TransformGroup &group);
  llvm::ArrayRef<numerics::ConstMatrix> matrices() const { return views; }

private:
  std::vector<WeightValue> values;
  std::vector<numerics::ConstMatrix> views;
};

/// "layers 'q', 'k': input scale folded into norm.weight", or where else it is, or why there is
/// none.
std::string describe(const TransformGroup &group, const TransformRecord &record);

/// A weight's scheme as a mark. The range search of a rounding (mse) is no part of it.
SchemeAttr toMark(mlir::MLIRContext *context, const numerics::WeightScheme &scheme);

/// The function the samples are inputs of. Error, naming what to run before: no samples.
llvm::Expected<mlir::func::FuncOp> findCalibratedFunction(mlir::ModuleOp module,
                                                          const CalibrationSource *source);

/// Runs the samples and calls `look` with each group's input, [tokens, in] over all samples, in
/// program order. Statistics that --calibrate left pending are collected on the way.
llvm::Error
observeGroups(mlir::ModuleOp module, CalibrationSource source, llvm::StringRef title,
              llvm::MutableArrayRef<TransformGroup> groups,
              llvm::function_ref<llvm::Error(TransformGroup &, numerics::ConstMatrix x)> look);

} // namespace ptq

#endif

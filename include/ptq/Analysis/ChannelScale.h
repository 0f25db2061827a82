// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Channel-scale propagation: where a per-channel scale on the input of linear layers can go.
//
// A transformation such as SmoothQuant or AWQ divides the input x [.., in] of some layers by
// s > 0, channel by channel, and multiplies the columns of their weights by s: the layers compute
// what they did. Who divides x? findScaleGroups asks the producer of x, recursively, and everyone
// else who reads what is rescaled on the way; the answer is derived from the program's algebra
// alone. applyScales carries it out. lib/Analysis/README.md describes how.
//
//   for (ScaleGroup &group : findScaleGroups(function)) {
//     std::vector<float> s = choose(group);   // [group.channels], any positive numbers
//     tieScales(group, s);                    // one scale for each class of channels
//     if (llvm::Error error = applyScales(group, s)) ...
//   }

#ifndef PTQ_ANALYSIS_CHANNELSCALE_H
#define PTQ_ANALYSIS_CHANNELSCALE_H

#include "ptq/IR/PTQ.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace ptq {

namespace channel_scale {
struct Plan;
}

enum class ScalePlacement {
  /// x is divided by s at no cost at run time: parameters absorb it. Where a norm has no parameters
  /// it gets one (a multiplication is inserted where the norm ends).
  Folded,
  /// No producer can absorb it: one `ptq.scale_channels`, shared by all layers of the group,
  /// divides
  /// x in front of them. In W8A8 it is free: quantizing divides anyway.
  Explicit,
  /// Not even that: a weight of the group is not stored, say.
  Declined,
};

/// "folded", "explicit" or "declined".
llvm::StringRef toString(ScalePlacement placement);

/// The linear layers that read one activation, up to reshapes and copies, and so must agree on its
/// scales. Every `ptq.linear` of a function is a layer of exactly one group.
struct ScaleGroup {
  /// In program order; never empty. Their columns are multiplied by s.
  llvm::SmallVector<LinearOp> layers;
  /// The number of input channels of each of the layers.
  int64_t channels = 0;
  /// The class of each channel, 0 … numClasses − 1, numbered by first occurrence. Channels of one
  /// class must take the same scale: under grouped-query attention, for example, the channels of
  /// o_proj that repeat one channel of v_proj. [channels]
  std::vector<int32_t> ties;
  int64_t numClasses = 0;
  ScalePlacement placement = ScalePlacement::Declined;
  /// Where the scale goes ("folded into model.layers.0.input_layernorm.weight", "rows of
  /// model.layers.0.self_attn.v_proj, tied over 3 channels each"), or why it is not folded.
  std::string description;
  /// What absorbs the scale: keys of parameters ("a constant" where there is none), the weights of
  /// `producers`, "a multiplication after the norm". Empty unless folded.
  std::vector<std::string> absorbers;
  /// Layers whose rows (and bias) are divided by s, so that their output, not their input, changes.
  llvm::SmallVector<LinearOp> producers;
  /// Layers of other groups whose input is rescaled along, because they read a part of the
  /// activation or its channels in another order. Their columns and statistics follow.
  llvm::SmallVector<LinearOp> followers;

  /// What applyScales will do; null if declined.
  std::shared_ptr<const channel_scale::Plan> plan;
};

/// The groups of all `ptq.linear` of `function`, in program order of their first layers. Raise
/// first. Nothing is changed. Parameters need no data yet. The cost is linear in the size of the
/// function, with a bounded search a group.
std::vector<ScaleGroup> findScaleGroups(mlir::FunctionOpInterface function);

/// Makes `s` [group.channels] equal within each class, by the geometric mean of its positive
/// entries.
void tieScales(const ScaleGroup &group, llvm::MutableArrayRef<float> s);

/// Divides the group's activation by `s` [group.channels] and multiplies the columns of its layers:
/// the function computes what it did, but for rounding. Changed parameters become constants that
/// own their data, in their own element type (rounded once, half to even); one that has other users
/// is cloned and keeps its value for them. A changed constant loses `ptq.mapped`. The statistics of
/// layers whose input changes are divided by s, and their `divisor` multiplied; `clip` is dropped
/// where columns change and scaled where rows do.
///
/// Groups of one function stay valid while it is changed by applyScales only, in any order and any
/// number of times each. Errors, before anything is changed: the group is declined; `s` has another
/// size, an entry that is not positive and finite, or differs within a class; a parameter without
/// data (bind it with --load-parameters).
llvm::Error applyScales(const ScaleGroup &group, llvm::ArrayRef<float> s);

} // namespace ptq

#endif

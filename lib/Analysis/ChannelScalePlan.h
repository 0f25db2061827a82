// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What applyScales does for a group: a solution of the search, as edits. Edits name operations and
// operand numbers, not constants, so they stay valid when other groups are applied.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALEPLAN_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALEPLAN_H

#include "ChannelScaleMap.h"

#include "ptq/IR/PTQ.h"

namespace ptq::channel_scale {

/// Marks what is not scaled in the maps of a plan, whose other classes are those of
/// ScaleGroup::ties.
inline constexpr ClassId kUnscaled = -1;

/// A parameter p, where this operand reads it, becomes (p + shift)·s^e − shift.
struct ParameterEdit {
  mlir::Operation *op;
  unsigned operand;
  double shift = 0;
  ScaleMap map;
};

/// The columns of a layer take the scale of its input to the power −e, its rows and its bias that
/// of its output to the power e. Maps over channels; empty if there is nothing to do.
struct LinearEdit {
  LinearOp linear;
  std::optional<ScaleMap> columns, rows;
};

/// A value is multiplied by s^e, for all that read it.
struct InsertedScale {
  mlir::OpResult value;
  ScaleMap map;
};

/// An observation point sees s^e times what it saw. Over channels; empty if it is something else.
struct ObservationEdit {
  ObserveOp observe;
  std::optional<ScaleMap> map;
};

struct Plan {
  std::vector<ParameterEdit> parameters;
  std::vector<LinearEdit> linears;
  std::vector<InsertedScale> inserted;
  std::vector<ObservationEdit> observations;
  /// An explicit ptq.scale_channels stands in front of the layers.
  bool isExplicit = false;
};

} // namespace ptq::channel_scale

#endif

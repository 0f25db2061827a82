// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each operation makes of scales: given those that are known of its operands and results, the
// ways to choose the others.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALERULES_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALERULES_H

#include "ChannelScaleState.h"

namespace ptq::channel_scale {

/// The options of any operation, best first; none, with the reason, if it cannot agree with what is
/// known. `allowInsertion`: also to multiply the result of a norm that has no parameters.
Options optionsFor(mlir::Operation *op, const State &state, bool allowInsertion,
                   std::string &reason);

/// Operations that compute elementwise or contract: linalg operations, and elementwise operations
/// on tensors.
Options optionsForLoops(mlir::Operation *op, const State &state, bool allowInsertion,
                        std::string &reason);

/// Operations that move elements: reshapes, copies and those of optionsForWindows.
Options optionsForShape(mlir::Operation *op, const State &state, std::string &reason);

/// Slices, concatenation, padding.
Options optionsForWindows(mlir::Operation *op, const State &state, std::string &reason);

/// True if `op` is one of those of optionsForLoops, of optionsForShape, a ptq.scale_channels.
bool isLoops(mlir::Operation *op);
bool isShape(mlir::Operation *op);
bool isScaleChannels(mlir::Operation *op);

} // namespace ptq::channel_scale

#endif

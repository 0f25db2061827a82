// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What rounding each layer to each of several widths does to its output, measured on the
// calibration samples in one run of the float model.

#ifndef PTQ_PASSES_TRANSFORM_ROUNDINGERRORS_H
#define PTQ_PASSES_TRANSFORM_ROUNDINGERRORS_H

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Quantize/LayerSelection.h"

#include <vector>

namespace ptq {

/// A layer's errors, by width.
struct RoundingErrors {
  SelectedLayer selected;
  /// tr(dW H dW^T) for each width, H = X^T X over all samples (with GPTQ plus damping): the squared
  /// error of the layer's output.
  std::vector<double> errors;
  /// tr(W H W^T): the output's own energy.
  double energy = 0;
};

/// Rounds each layer to each of `widths` (2 to 8 bits), otherwise as its scheme says, by its own
/// method or `method` ("gptq", "rtn"). One Gram matrix is held at a time. Statistics that
/// --calibrate left pending are collected on the way. The result is in the order of `layers`.
llvm::Expected<std::vector<RoundingErrors>>
measureRoundingErrors(mlir::ModuleOp module, CalibrationSource source,
                      llvm::ArrayRef<SelectedLayer> layers, llvm::ArrayRef<unsigned> widths,
                      llvm::StringRef method);

} // namespace ptq

#endif

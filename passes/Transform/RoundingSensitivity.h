// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How much an error of one layer's output changes what the model returns, measured: the layer alone
// is rounded to nearest, and the model is run again.

#ifndef PTQ_PASSES_TRANSFORM_ROUNDINGSENSITIVITY_H
#define PTQ_PASSES_TRANSFORM_ROUNDINGSENSITIVITY_H

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Quantize/LayerSelection.h"

#include <vector>

namespace ptq {

/// For each layer, in order: the squared change of the model's float results for each unit of
/// squared error of the layer's output, both summed over the first `numSamples` samples.
llvm::Expected<std::vector<double>> measureSensitivities(mlir::ModuleOp module,
                                                         CalibrationSource source,
                                                         llvm::ArrayRef<SelectedLayer> layers,
                                                         int64_t numSamples);

} // namespace ptq

#endif

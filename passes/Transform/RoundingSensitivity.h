// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How much an error of one layer's output changes what the model returns, measured: the layer alone
// is rounded, to nearest, and the model is run again. Changes are small, and a distance d of
// results is of second order in them, so that for independent errors
//     d(model, all layers rounded) = sum over layers of sensitivity * ||error of the layer||^2.
//
// d is the squared distance; of what a head returns, logits, the Kullback-Leibler divergence of the
// distributions they stand for, which a loss follows (a logit far below the greatest may move).

#ifndef PTQ_PASSES_TRANSFORM_ROUNDINGSENSITIVITY_H
#define PTQ_PASSES_TRANSFORM_ROUNDINGSENSITIVITY_H

#include "ptq/Calibrate/CalibrationSamples.h"
#include "ptq/Quantize/LayerSelection.h"

#include <vector>

namespace ptq {

/// For each layer, in order: the distance of the function's float results for each unit of squared
/// error of the layer's output, both over the first `numSamples` samples. Each layer is
/// rounded by its scheme. Takes a run of the function for each layer. Errors: those of loading and
/// running samples, a function without float results.
llvm::Expected<std::vector<double>> measureSensitivities(mlir::ModuleOp module,
                                                         CalibrationSource source,
                                                         llvm::ArrayRef<SelectedLayer> layers,
                                                         int64_t numSamples);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How much rounding a weight changes its layer's output, over calibration data whose Gram matrix
// has the factor H = R R^T (GramFactor.h, damping included).

#ifndef PTQ_NUMERICS_LAYERERROR_H
#define PTQ_NUMERICS_LAYERERROR_H

#include "ptq/Numerics/GramFactor.h"
#include "ptq/Numerics/Matrix.h"
#include "ptq/Numerics/QuantizedWeight.h"

namespace ptq::numerics {

/// ||W R||^2 = tr(W H W^T), W with its dead columns zeroed: the energy of the layer's output.
double outputEnergy(ConstMatrix w, const GramFactor &factor);

/// ||(W - Q) R||^2 = tr(dW H dW^T) over all rows: the squared error of the layer's output. The
/// shapes agree. rows * columns^2 flops.
double outputError(ConstMatrix w, const QuantizedWeight &quantized, const GramFactor &factor);

/// ||X dW^T||^2: the squared change of the output for inputs x [tokens, in] where the weight
/// changes by dW [out, in]. 2 * tokens * out * in flops.
double outputChange(ConstMatrix x, ConstMatrix dW);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_LAYERERROR_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fake quantization: a layer in float whose weight, and where its scheme says so its activation,
// goes through integers and back:
//
//   linear(x, w)  →  linear(dequantize(quantize(x)), dequantize(quantize(w, s)))
//
// It computes what the quantized layer does up to float rounding, in a form that can be trained
// further: w is the float weight. Where rounding has moved a weight to another integer than the
// nearest (GPTQ), w is the rounded weight, which quantize maps to the same integer. A codebook,
// scattered groups and sparse outliers have no such pair: there only the weight is rounded.

#ifndef PTQ_PASSES_QUANTIZE_FAKELAYER_H
#define PTQ_PASSES_QUANTIZE_FAKELAYER_H

#include "IntegerLayer.h"

namespace ptq {

/// Rewrites the layer's operands in place. Errors: outlier columns, which have no such form.
llvm::Error replaceByFake(const SelectedLayer &selected, PackedWeight weight,
                          const RoundingRecord &record, IntegerLayers &integerLayers);

} // namespace ptq

#endif

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
//
// Of a layer with outlier columns what is quantized is c = clear_columns(x); the rest of x, x − c,
// is multiplied with the weight as it is, or as it is rounded:
//
//   linear(x, w)  →  linear(qdq(c), qdq(w)) + linear(x − c, w)     or  linear(qdq(c) + (x − c),
//   qdq(w))

#ifndef PTQ_PASSES_QUANTIZE_FAKELAYER_H
#define PTQ_PASSES_QUANTIZE_FAKELAYER_H

#include "IntegerLayer.h"

namespace ptq {

/// Rewrites the layer in place. Errors: outlier columns beside weights in groups, whose groups are
/// those of the other columns.
llvm::Error replaceByFake(const SelectedLayer &selected, PackedWeight weight,
                          const RoundingRecord &record, IntegerLayers &integerLayers);

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A layer some of whose input channels stay in floats (LLM.int8()): y = x·Wᵀ is the sum over those
// channels, in floats, and over all others, in integers. What rounding sees of it, and what it
// becomes. With O the outlier columns:
//
//   static    rest = drop_columns(x, O), rounded weight W without O;
//   dynamic   O = outlier_columns(x), rest = clear_columns(x, O), rounded weight all of W: a column
//             that is no outlier in this call is an integer one.
//
//   integer_linear(dynamic_quantize(rest), rounded weight) outliers select_columns(x, O),
//                                                                   select_columns(W, O)

#ifndef PTQ_PASSES_QUANTIZE_OUTLIERLAYER_H
#define PTQ_PASSES_QUANTIZE_OUTLIERLAYER_H

#include "ptq/Numerics/Matrix.h"
#include "ptq/Quantize/LayerSelection.h"
#include "ptq/Quantize/PackedLayer.h"

namespace ptq {

/// Whether the rounded weight has no outlier columns: where they are known, and their weights are
/// the original ones. Null: no.
bool dropsOutliers(OutliersAttr outliers);

/// What is rounded of a weight: the view itself, or a copy without its outlier columns.
struct RoundedPart {
  RoundedPart(numerics::ConstMatrix weight, OutliersAttr outliers);

  numerics::ConstMatrix matrix;

private:
  std::vector<float> storage;
};

/// The Gram matrix [n, n] (upper triangle) that the rounded part sees: without the outlier columns
/// or, where they are rounded too, without anything that connects them to others, so that no error
/// is fed from or to them.
void withoutOutliers(std::vector<float> &gram, int64_t n, OutliersAttr outliers);

/// The weight [out, in] as the layer will compute with it: dequantized, original in the outlier
/// columns unless these are to be dequantized.
std::vector<float> effectiveWeight(numerics::ConstMatrix original,
                                   const numerics::QuantizedWeight &rounded, OutliersAttr outliers);

/// "outlier_columns" and "share_16bit", the part of the layer's multiply-adds that is in floats.
void recordOutliers(RoundingRecord &record, int64_t inFeatures, OutliersAttr outliers);

/// An activation in two parts.
struct ActivationSplit {
  mlir::Value rest, outliers;
  mlir::Value columns; ///< tensor<?xi32>, or of known size.
};
ActivationSplit splitActivation(mlir::OpBuilder &b, LinearOp layer, OutliersAttr outliers);

/// An error if the outlier columns are to be rounded and cannot be taken out of the rounded weight
/// (it is packed, or in groups).
llvm::Error checkOutlierWeight(LinearOp layer, OutliersAttr outliers, const PackedWeight &weight);

/// The weights [out, o] of outlier columns that are known: the original ones, or the rounded ones
/// in floats, which are then taken out of `weight`.
llvm::Expected<mlir::Value> takeOutlierWeight(mlir::OpBuilder &b, LinearOp layer,
                                              OutliersAttr outliers, PackedWeight &weight);

/// The same of columns that are known at run time: a selection from the original weight, or from
/// `codes` with `scales`.
mlir::Value selectOutlierWeight(mlir::OpBuilder &b, LinearOp layer, OutliersAttr outliers,
                                mlir::Value columns, const numerics::WeightScheme &scheme,
                                mlir::Value codes, mlir::Value scales);

} // namespace ptq

#endif

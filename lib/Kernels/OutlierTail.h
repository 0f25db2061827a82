// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLM.int8()'s outlier columns (Dettmers et al., 2022, arXiv:2208.07339): a product of 16-bit
// floats added to that of the integers, on the same accumulators.
//
// When the integer sums are complete each register of them is turned into the float that it stands
// for, and the tensor cores add the products of the outliers to it:
//
//   y = ((float(Σ q·w − z·Σ w)·s_w)·s_x ⊕ Σ_j x_o·w_o) + b
//
// ⊕: the products in float32 in steps of 16 columns, in the order of the columns; within a step as
// the mma adds. No register more than the main loop's is needed, whereas sums of the outliers among
// themselves would take as many again. |error| ≤ (⌈O/16⌉·16/8)·5.5·2^-23·(Σ|x_o·w_o| + |scaled
// sum|) before the last rounding, and 0 where all partial sums are exact.

#ifndef PTQ_LIB_KERNELS_OUTLIERTAIL_H
#define PTQ_LIB_KERNELS_OUTLIERTAIL_H

#include "ScaledOutput.h"
#include "TiledProduct.h"

namespace ptq::kernels {

/// The kernel's arguments that belong to the outliers.
struct OutlierOperands {
  Value input, weight; ///< [m, O], [n, O]
  Value columns;       ///< O, if it is dynamic
};

/// Writes the y above for the warp's part of the tile at `origin`, of `rows` × spec.n. `sums` are
/// in the order of TiledProduct; `shared` is free, and has sharedBytes of IntegerLinear.
/// Precondition: spec.outlierType.
void writeWithOutliers(KernelBuilder &k, const IntegerLinearSpec &spec, const GemmTile &tile,
                       const ScalingOperands &scaling, const OutlierOperands &outliers,
                       OutputStage &stage, const WarpPlace &place, Value firstRow,
                       Value firstColumn, Value rows, Value shared, llvm::SmallVector<Value> sums);

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_OUTLIERTAIL_H

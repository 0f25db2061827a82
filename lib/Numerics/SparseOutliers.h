// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which single weights stay in 16 bits (SpQR, Dettmers et al., 2023, section 4). A weight's
// sensitivity is what the layer's output gains if it does: with q(G) the rounding of its group G to
// nearest,
//
//   Σ_{k in G} (w_k − q(G)_k)²·R[k, k]² − Σ_{k in G, k ≠ j} (w_k − q(G∖j)_k)²·R[k, k]²
//
// R[k, k]² is 1/[H⁻¹]_kk of the weights not yet rounded. Leaving out a weight changes the others'
// rounding only if it is an end of the group's range, so all others cost no more than one rounding.
// Half of the outliers are chosen, then ranges and gains are taken anew without them: behind an
// outlier there is often another.

#ifndef PTQ_LIB_NUMERICS_SPARSEOUTLIERS_H
#define PTQ_LIB_NUMERICS_SPARSEOUTLIERS_H

#include "ptq/Numerics/Gptq.h"

namespace ptq::numerics {

/// The places of floor(share * rows * columns) outliers, values still 0. Groups are those of
/// consecutive columns, a row, or (per tensor) a row as well. share is in [0, 1]; weights of dead
/// columns and zeros are not chosen, so that there may be fewer.
SparseWeight chooseOutliers(ConstMatrix w, const GramFactor &factor, const WeightScheme &scheme,
                            double share);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_SPARSEOUTLIERS_H

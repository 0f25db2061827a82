// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLM.int8() (Dettmers et al., 2022): the few input channels with values beyond a threshold are
// multiplied in floats, all others in 8-bit integers. Which those are, and a product's operands
// with and without them.

#ifndef PTQ_NUMERICS_OUTLIERCOLUMNS_H
#define PTQ_NUMERICS_OUTLIERCOLUMNS_H

#include "ptq/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"
#include <vector>

namespace ptq::numerics {

/// The columns, ascending, with any |x| >= threshold. A NaN is beyond any threshold.
std::vector<int32_t> findOutlierColumns(ConstMatrix x, double threshold);

/// The same from the greatest |x| of each column.
std::vector<int32_t> findOutlierColumns(llvm::ArrayRef<float> absmax, double threshold);

/// The columns of m that `columns` names, ascending: [rows, columns.size()].
std::vector<float> selectColumns(ConstMatrix m, llvm::ArrayRef<int32_t> columns);

/// The others, in their order: [rows, m.columns - columns.size()].
std::vector<float> dropColumns(ConstMatrix m, llvm::ArrayRef<int32_t> columns);

/// A Gram matrix [n, n], of which the upper triangle is read and written, without some channels:
/// that of the input with these columns dropped. In place; the result is [n - columns.size(),
/// n - columns.size()].
void dropChannels(std::vector<float> &gram, int64_t n, llvm::ArrayRef<int32_t> columns);

/// A Gram matrix [n, n], likewise by its upper triangle, in which some channels are correlated with
/// no other and have the mean energy of all: rounding against it feeds no error from or to them.
void isolateChannels(llvm::MutableArrayRef<float> gram, int64_t n, llvm::ArrayRef<int32_t> columns);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_OUTLIERCOLUMNS_H

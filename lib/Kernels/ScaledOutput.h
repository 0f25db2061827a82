// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What follows the integer sums of a product: zero points, scales, bias, and the way out.

#ifndef PTQ_LIB_KERNELS_SCALEDOUTPUT_H
#define PTQ_LIB_KERNELS_SCALEDOUTPUT_H

#include "OutputStage.h"
#include "ptq/Kernels/IntegerLinear.h"

namespace ptq::kernels {

/// The kernel's arguments that belong to it; null where the specification has none.
struct ScalingOperands {
  Value inputScales, zeroPoints, weightSums, weightScales, bias;
};

/// The elements of a vector of floats at `indices`, in float32.
llvm::SmallVector<Value> loadFloats(KernelBuilder &k, Value vector, Type type,
                                    llvm::ArrayRef<Value> indices);

/// Turns sums into floats: (float(sum − z[m]·weightSums[n])·s_w[n])·s_x[m].
class SumScaling {
public:
  /// `columns`: those that the caller counts, see OutputStage::laneColumns.
  SumScaling(KernelBuilder &k, const IntegerLinearSpec &spec, const ScalingOperands &operands,
             llvm::ArrayRef<Value> columns);
  /// The row of what follows.
  void beginRow(Value m);
  Value scale(Value sum, int64_t column);

private:
  KernelBuilder &k;
  const IntegerLinearSpec &spec;
  const ScalingOperands &operands;
  llvm::SmallVector<Value> columnScales, columnSums;
  Value rowScale, rowZero;
};

/// Writes scaled sums + b[n], rounded once, for a warp's blocksM × blocksN blocks from (firstRow,
/// firstColumn) on. `sum` gives the sum of that number in the order of OutputStage::writeBlocks.
/// Rows and columns beyond the end take the last one's scales.
void writeScaled(KernelBuilder &k, const IntegerLinearSpec &spec, const ScalingOperands &operands,
                 OutputStage &stage, int64_t blocksM, int64_t blocksN, Value firstRow,
                 Value firstColumn, llvm::function_ref<Value(int64_t index)> sum);

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_SCALEDOUTPUT_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OutlierTail.h"

using namespace mlir;
using namespace ptq::kernels;

/// Few columns are outliers: tiles of 32 of them, one ahead.
static constexpr int64_t tailRowBytes = 64, tailStages = 2;

void ptq::kernels::writeWithOutliers(KernelBuilder &k, const IntegerLinearSpec &spec,
                                     const GemmTile &tile, const ScalingOperands &scaling,
                                     const OutlierOperands &outliers, OutputStage &stage,
                                     const WarpPlace &place, Value firstRow, Value firstColumn,
                                     Value rows, Value shared, SmallVector<Value> sums) {
  bool wholeColumns = spec.n % tile.blockN == 0;
  TiledProduct tail{tile,
                    spec.outlierType.isBF16() ? TiledProduct::Element::BF16
                                              : TiledProduct::Element::F16,
                    tailRowBytes,
                    tailStages,
                    outliers.columns ? 0 : spec.outlierColumns,
                    outliers.columns,
                    {outliers.input, firstRow, rows},
                    {outliers.weight, firstColumn, wholeColumns ? Value() : k.i32(spec.n)}};
  int64_t blocksM = tail.blocksM(), blocksN = tail.blocksN();
  Value warpRow = k.add(firstRow, place.row), warpColumn = k.add(firstColumn, place.column);

  SumScaling scale(k, spec, scaling, stage.laneColumns(blocksN, warpColumn));
  for (int64_t i = 0; i < blocksM; ++i)
    for (int64_t half = 0; half < 2; ++half) {
      scale.beginRow(stage.laneRow(warpRow, i, half));
      for (int64_t column = 0; column < 2 * blocksN; ++column) {
        Value &sum = sums[(i * blocksN + column / 2) * 4 + half * 2 + column % 2];
        sum = scale.scale(sum, column);
      }
    }
  sums = tail.run(k, place, shared, sums);

  SmallVector<Value> bias;
  if (scaling.bias)
    bias = loadFloats(k, scaling.bias, spec.biasType, stage.laneColumns(blocksN, warpColumn));
  auto value = [&](int64_t index, int64_t column) -> Value {
    if (bias.empty())
      return sums[index];
    return arith::AddFOp::create(k, sums[index], bias[column]);
  };
  stage.writeBlocks(
      blocksM, blocksN, warpRow, warpColumn, [](Value) {}, value);
}

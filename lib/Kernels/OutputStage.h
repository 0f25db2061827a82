// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From accumulator registers to global memory in whole sectors: a warp lays 16 rows of its results
// in shared memory of its own, then writes them row by row, as wide as the rows' alignment allows.
//
// The rows are permuted as a SharedTile's are, so that neither side has a bank conflict: in units
// of 16 bytes where a thread's two results take 4 bytes (8 rows × 16 bytes at once), of 32 where
// they take 8 (4 rows × 32 bytes at once).

#ifndef PTQ_LIB_KERNELS_OUTPUTSTAGE_H
#define PTQ_LIB_KERNELS_OUTPUTSTAGE_H

#include "KernelBuilder.h"

namespace ptq::kernels {

class OutputStage {
public:
  static constexpr int64_t rows = 16;

  /// Bytes of shared memory a warp needs for `columns` results of `type` a row.
  static int64_t bytes(Type type, int64_t columns);

  /// `shared` is the warp's own; `output` [rowCount, width] of `type`. dynamicWidth, if given, is
  /// used instead of `width`; stores are then of an element each.
  OutputStage(KernelBuilder &k, Type type, int64_t columns, Value shared, Value lane, Value output,
              Value rowCount, int64_t width, Value dynamicWidth = {});

  /// Puts a thread's float32 results at (row, column) and (row, column + 1) of the 16 rows.
  void put(Value row, Value column, Value first, Value second);
  /// Writes the 16 rows to the output from (firstRow, firstColumn) on, by all lanes of the warp.
  void write(Value firstRow, Value firstColumn);

  /// Both, for all of a warp's blocksM × blocksN blocks of m16×n8, in the mma's layout of results:
  /// lane 4g + t has of each block rows g and g + 8 and columns 2t and 2t + 1. `value` gives the
  /// result at (row, column) whose sum is number `index`; `column` counts the lane's columns, 2 a
  /// block. `beginRow` is called before a row's values.
  void writeBlocks(int64_t blocksM, int64_t blocksN, Value firstRow, Value firstColumn,
                   llvm::function_ref<void(Value row)> beginRow,
                   llvm::function_ref<Value(int64_t index, int64_t column)> value);
  /// The row of a lane's results in half `half` (0, 1) of block row i, not beyond the last.
  Value laneRow(Value firstRow, int64_t i, int64_t half);
  /// This lane's columns in the order that writeBlocks counts them, none beyond the last.
  llvm::SmallVector<Value> laneColumns(int64_t blocksN, Value firstColumn);

private:
  KernelBuilder &k;
  Type type;
  Value at(Value row, Value byte);
  int64_t columns, elementBytes, width;
  Value shared, lane, output, rowCount, dynamicWidth;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_OUTPUTSTAGE_H

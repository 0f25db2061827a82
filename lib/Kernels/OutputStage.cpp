// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OutputStage.h"

#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

namespace {

int64_t elementSize(Type type) { return type.getIntOrFloatBitWidth() / 8; }
/// Of a row in shared memory; a power of two, as the permutation wants it.
int64_t rowPitch(int64_t columns, int64_t elementBytes) {
  return llvm::PowerOf2Ceil(columns * elementBytes);
}

} // namespace

int64_t OutputStage::bytes(Type type, int64_t columns) {
  return rows * rowPitch(columns, elementSize(type));
}

OutputStage::OutputStage(KernelBuilder &k, Type type, int64_t columns, Value shared, Value lane,
                         Value output, Value rowCount, int64_t width, Value dynamicWidth)
    : k(k), type(type), columns(columns), elementBytes(elementSize(type)), width(width),
      shared(shared), lane(lane), output(output), rowCount(rowCount), dynamicWidth(dynamicWidth) {}

Value OutputStage::at(Value row, Value byte) {
  int64_t unit = elementBytes == 4 ? 32 : 16;
  return k.offset(shared, tileOffset(k, row, byte, rowPitch(columns, elementBytes), unit));
}

void OutputStage::put(Value row, Value column, Value first, Value second) {
  auto pair = VectorType::get(2, k.getF32Type());
  Value value = LLVM::PoisonOp::create(k, pair);
  value = LLVM::InsertElementOp::create(k, value, first, k.i32(0));
  value = LLVM::InsertElementOp::create(k, value, second, k.i32(1));
  if (type != k.getF32Type())
    value = LLVM::FPTruncOp::create(k, VectorType::get(2, type), value);
  k.store(value, at(row, k.mul(column, elementBytes)), 2 * elementBytes);
}

void OutputStage::write(Value firstRow, Value firstColumn) {
  int64_t atOnce = dynamicWidth ? 1 : 16 / elementBytes;
  while (width % atOnce != 0)
    atOnce /= 2;
  Type unit = atOnce == 1 ? type : VectorType::get(atOnce, type);
  unsigned bytes = atOnce * elementBytes;
  // Lanes go over whole rows in shared memory, without bank conflicts, beyond the columns too.
  int64_t perRow = rowPitch(columns, elementBytes) / bytes;
  bool wholeRows = perRow * atOnce == columns;

  Value columnCount = dynamicWidth ? dynamicWidth : k.i32(width);
  Value pitch = dynamicWidth ? k.mul(dynamicWidth, elementBytes) : k.i32(width * elementBytes);
  k.warpBarrier();
  auto writeUnit = [&](Value index) {
    Value row = k.div(index, perRow), column = k.mul(k.rem(index, perRow), atOnce);
    Value outRow = k.add(firstRow, row), outColumn = k.add(firstColumn, column);
    Value inside = k.both(k.less(outRow, rowCount), k.less(outColumn, columnCount));
    if (!wholeRows)
      inside = k.both(inside, k.less(column, columns));
    k.ifThen(inside, [&] {
      Value value = k.load(unit, at(row, k.mul(column, elementBytes)), bytes);
      Value to =
          k.offset(k.offset(output, k.wideMul(outRow, pitch)), k.mul(outColumn, elementBytes));
      k.store(value, to, bytes);
    });
  };
  constexpr int64_t lanes = 32, unrolled = 8;
  int64_t steps = rows * perRow / lanes;
  if (steps <= unrolled) {
    for (int64_t step = 0; step < steps; ++step)
      writeUnit(k.add(lane, step * lanes));
  } else {
    k.loop(k.i32(steps), {}, [&](Value step, ValueRange) {
      writeUnit(k.add(lane, k.mul(step, lanes)));
      return SmallVector<Value>();
    });
  }
  k.warpBarrier();
}

SmallVector<Value> OutputStage::laneColumns(int64_t blocksN, Value firstColumn) {
  SmallVector<Value> indices;
  Value first = k.add(firstColumn, k.mul(k.rem(lane, 4), 2)),
        last = dynamicWidth ? k.sub(dynamicWidth, k.i32(1)) : k.i32(width - 1);
  for (int64_t j = 0; j < blocksN; ++j)
    for (int64_t e = 0; e < 2; ++e)
      indices.push_back(k.minimum(k.add(first, j * 8 + e), last));
  return indices;
}

Value OutputStage::laneRow(Value firstRow, int64_t i, int64_t half) {
  Value row = k.add(k.add(firstRow, k.div(lane, 4)), i * 16 + half * 8);
  return k.minimum(row, k.sub(rowCount, k.i32(1)));
}

void OutputStage::writeBlocks(int64_t blocksM, int64_t blocksN, Value firstRow, Value firstColumn,
                              llvm::function_ref<void(Value row)> beginRow,
                              llvm::function_ref<Value(int64_t index, int64_t column)> value) {
  Value g = k.div(lane, 4), column = k.mul(k.rem(lane, 4), 2);
  for (int64_t i = 0; i < blocksM; ++i) {
    for (int64_t half = 0; half < 2; ++half) {
      Value row = k.add(g, half * 8);
      beginRow(laneRow(firstRow, i, half));
      for (int64_t j = 0; j < blocksN; ++j) {
        int64_t index = (i * blocksN + j) * 4 + half * 2;
        Value first = value(index, 2 * j), second = value(index + 1, 2 * j + 1);
        put(row, k.add(column, j * 8), first, second);
      }
    }
    write(k.add(firstRow, i * 16), firstColumn);
  }
}

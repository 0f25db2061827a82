// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

#include <cassert>

using namespace mlir;
using namespace ptq::kernels;

namespace {
constexpr int64_t chunkBytes = 16;
constexpr int64_t bankRowBytes = 128;
/// Rows after which the permutation of chunks repeats.
constexpr int64_t period = 8;
} // namespace

Value ptq::kernels::tileOffset(KernelBuilder &k, Value row, Value byte, int64_t rowBytes,
                               int64_t unit) {
  int64_t rowsPerTurn = std::max<int64_t>(1, bankRowBytes / rowBytes);
  int64_t turns = std::min(bankRowBytes, rowBytes) / unit;
  Value turn = k.rem(k.div(row, rowsPerTurn), turns);
  Value permuted = k.bitXor(byte, k.mul(turn, unit));
  return k.add(k.mul(row, rowBytes), permuted);
}

unsigned ptq::kernels::copyWidth(int64_t pitch, unsigned elementBytes) {
  for (unsigned width : {16u, 8u, 4u})
    if (pitch % width == 0)
      return width;
  return elementBytes;
}

TileCopy::TileCopy(KernelBuilder &k, TileShape tile, int64_t pitch, unsigned elementBytes,
                   unsigned threads, Value thread, Value matrix, Value firstRow, Value rowCount,
                   Value dynamicPitch)
    : k(k), tile(tile), pitch(pitch),
      width(dynamicPitch ? elementBytes : copyWidth(pitch, elementBytes)),
      elementBytes(elementBytes), firstRow(firstRow), rowCount(rowCount),
      dynamicPitch(dynamicPitch) {
  auto rowsAtOnce = [&] { return threads / (tile.rowBytes / width); };
  if (rowsAtOnce() % period != 0)
    width = elementBytes;
  assert(rowsAtOnce() > 0 && "a row of the tile has more elements than there are threads");
  int64_t perRow = tile.rowBytes / width;
  rowsPerPass = rowsAtOnce();
  passes = llvm::divideCeil(tile.rows, rowsPerPass);
  row = k.div(thread, perRow);
  firstColumn = k.mul(k.rem(thread, perRow), width);
  Value rowStart = rowsBytes(k.add(firstRow, row));
  source = k.offset(k.offset(matrix, rowStart), firstColumn);
  target = tileOffset(k, row, firstColumn, tile.rowBytes);
}

Value TileCopy::rowsBytes(Value rows) {
  return dynamicPitch ? k.wideMul(rows, dynamicPitch) : k.wideMul(rows, pitch);
}

void TileCopy::issue(Value pointer, Value column, Value shared) {
  // Threads that have none of the last rows.
  int64_t lastRows = tile.rows - (passes - 1) * rowsPerPass;
  if (width == elementBytes)
    return issueElements(pointer, column, shared);
  Value start = k.offset(shared, target);
  Value inside = k.less(column, columnLimit ? columnLimit : k.i32(pitch));
  Value full = k.i32(width), none = k.i32(0);
  for (int64_t pass = 0; pass < passes; ++pass) {
    int64_t first = pass * rowsPerPass;
    Value condition = inside;
    if (rowCount)
      condition = k.both(inside, k.less(k.add(k.add(firstRow, row), first), rowCount));
    bool partial = pass + 1 == passes && lastRows < rowsPerPass;
    k.copyAsync(k.offset(start, first * tile.rowBytes), k.offset(pointer, first * pitch), width,
                k.select(condition, full, none), partial ? k.less(row, lastRows) : Value());
  }
}

/// Rows that no asynchronous copy keeps aligned, through registers.
void TileCopy::issueElements(Value pointer, Value column, Value shared) {
  Value end = columnLimit ? columnLimit : dynamicPitch ? dynamicPitch : k.i32(pitch);
  Value inColumns = k.less(column, end);
  Type type = k.getIntegerType(8 * elementBytes);
  k.loop(k.i32(passes), {}, [&](Value pass, ValueRange) {
    Value rowInTile = k.add(row, k.mul(pass, rowsPerPass));
    Value condition = inColumns;
    if (rowCount)
      condition = k.both(condition, k.less(k.add(firstRow, rowInTile), rowCount));
    Value from = k.offset(pointer, rowsBytes(k.mul(pass, rowsPerPass)));
    auto value = scf::IfOp::create(k, type, condition, /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(k);
      k.setInsertionPointToStart(value.thenBlock());
      scf::YieldOp::create(k, k.loadConstant(type, from, elementBytes));
      k.setInsertionPointToStart(value.elseBlock());
      Value zero = arith::ConstantOp::create(k, k.getIntegerAttr(type, 0));
      scf::YieldOp::create(k, zero);
    }
    auto store = [&] {
      k.store(value.getResult(0),
              k.offset(shared, tileOffset(k, rowInTile, firstColumn, tile.rowBytes)), elementBytes);
    };
    if (tile.rows % rowsPerPass == 0)
      store();
    else
      k.ifThen(k.less(rowInTile, tile.rows), store);
    return SmallVector<Value>();
  });
}

FragmentReader::FragmentReader(KernelBuilder &k, Side side, TileShape tile, Value lane,
                               Value firstRow, Value firstByte)
    : k(k), tile(tile) {
  // Matrix j of an ldmatrix takes its rows' addresses from lanes 8j … 8j+7. Left: (rows 0–7, low
  // half of k), (8–15, low), (0–7, high), (8–15, high); right: low and high change places with the
  // rows.
  Value first = k.rem(lane, 16), second = k.div(lane, 16);
  Value rowInFragment = first, half = second;
  if (side == Side::Right) {
    rowInFragment = k.add(k.rem(lane, 8), k.mul(second, 8));
    half = k.rem(k.div(lane, 8), 2);
  }
  // firstRow is a multiple of 16, so the permutation is that of rowInFragment.
  base = k.add(k.mul(firstRow, tile.rowBytes),
               tileOffset(k, rowInFragment, k.mul(half, chunkBytes), tile.rowBytes));
  if (firstByte)
    base = k.bitXor(base, firstByte);
}

Value FragmentReader::stepOffset(unsigned step) { return k.bitXor(base, step * 32); }

SmallVector<Value, 4> FragmentReader::read(Value tileStart, unsigned step, unsigned index) {
  Value lanePointer = k.offset(tileStart, stepOffset(step));
  return k.loadMatrices(k.offset(lanePointer, int64_t(index) * 16 * tile.rowBytes));
}

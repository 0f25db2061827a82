// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TiledProduct.h"

#include "Pipeline.h"
#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

/// Bytes of k that a step multiplies.
static constexpr int64_t stepBytes = 32;

WarpPlace::WarpPlace(KernelBuilder &k, const GemmTile &tile, Value thread)
    : thread(thread), lane(k.rem(thread, 32)), warp(k.div(thread, 32)),
      row(k.mul(k.div(warp, tile.warpsN), tile.warpM())),
      column(k.mul(k.rem(warp, tile.warpsN), tile.warpN())) {}

SmallVector<Value> TiledProduct::run(KernelBuilder &k, const WarpPlace &place, Value shared,
                                     ValueRange sums) const {
  TileShape leftShape{tile.blockM, rowBytes}, rightShape{tile.blockN, rowBytes};
  int64_t blockK = rowBytes / elementBytes();
  Value pitch = dynamicDepth ? k.mul(dynamicDepth, elementBytes()) : Value();
  auto copyOf = [&](const Operand &operand, TileShape shape) {
    return TileCopy(k, shape, depth * elementBytes(), elementBytes(), tile.threads(), place.thread,
                    operand.matrix, operand.firstRow, operand.rowCount, pitch);
  };
  TileCopy leftCopy = copyOf(left, leftShape), rightCopy = copyOf(right, rightShape);
  FragmentReader leftReader(k, FragmentReader::Side::Left, leftShape, place.lane, place.row);
  FragmentReader rightReader(k, FragmentReader::Side::Right, rightShape, place.lane, place.column);

  if (range.count) {
    Value end = k.minimum(k.mul(range.end(k), rowBytes), k.i32(depth * elementBytes()));
    leftCopy.limitColumns(end);
    rightCopy.limitColumns(end);
  }
  Value firstByte = range.first ? k.mul(range.first, rowBytes) : k.i32(0);

  Pipeline pipeline;
  pipeline.stages = stages;
  pipeline.stageBytes = stageBytes();
  pipeline.tiles = llvm::divideCeil(depth, blockK);
  if (dynamicDepth)
    pipeline.tileCount = k.div(k.add(dynamicDepth, blockK - 1), blockK);
  if (range.count)
    pipeline.tileCount = range.count;
  pipeline.steps = rowBytes / stepBytes;
  pipeline.pointers = {k.offset(leftCopy.pointer(), firstByte),
                       k.offset(rightCopy.pointer(), firstByte)};
  pipeline.advances = {rowBytes, rowBytes};
  pipeline.issue = [&](ValueRange pointers, Value index, Value stage) {
    Value byte = k.add(k.mul(index, rowBytes), firstByte);
    leftCopy.issue(pointers[0], k.add(leftCopy.column(), byte), stage);
    rightCopy.issue(pointers[1], k.add(rightCopy.column(), byte),
                    k.offset(stage, leftShape.bytes()));
  };
  pipeline.read = [&](Value stage, unsigned step) {
    SmallVector<Value> fragments;
    for (int64_t i = 0; i < blocksM(); ++i)
      llvm::append_range(fragments, leftReader.read(stage, step, i));
    Value rightStage = k.offset(stage, leftShape.bytes());
    for (int64_t j = 0; j < blocksN() / 2; ++j)
      llvm::append_range(fragments, rightReader.read(rightStage, step, j));
    return fragments;
  };
  pipeline.multiply = [&](unsigned, ArrayRef<Value> fragments, MutableArrayRef<Value> sums) {
    ArrayRef<Value> a = fragments, b = a.drop_front(blocksM() * 4);
    for (int64_t j = 0; j < blocksN(); ++j)
      for (int64_t i = 0; i < blocksM(); ++i) {
        ValueRange left = a.slice(i * 4, 4), right = b.slice(j * 2, 2);
        MutableArrayRef<Value> d = sums.slice((i * blocksN() + j) * 4, 4);
        llvm::copy(element == Element::S8 ? k.mmaS8(left, right, d)
                                          : k.mmaF16(left, right, d, element == Element::BF16),
                   d.begin());
      }
  };
  return pipeline.run(k, shared, sums);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WarpgroupProduct.h"

#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

/// Bytes of k that a wgmma multiplies, and rows that a warpgroup has.
static constexpr int64_t stepBytes = 32, groupRows = 64;

/// A matrix descriptor counts in 16 bytes.
static constexpr int64_t descriptorUnit = 16;

/// A descriptor's fields but the start: rows in the 128-byte swizzle, of which eight are 1024
/// bytes. The leading offset has no meaning there.
static constexpr uint64_t descriptorFields() {
  constexpr uint64_t swizzle128 = 1, eightRows = 8 * WarpgroupProduct::rowBytes / descriptorUnit;
  return swizzle128 << 62 | eightRows << 32 | uint64_t(1) << 16;
}

bool ptq::kernels::isWgmmaWidth(int64_t n) {
  return n == 8 || n == 24 || (n >= 16 && n <= 256 && n % 16 == 0);
}

SmallVector<Value> WarpgroupProduct::run(KernelBuilder &k, const WarpPlace &place,
                                         Value shared) const {
  TileShape leftShape{tile.blockM, rowBytes}, rightShape{tile.blockN, rowBytes};
  auto copyOf = [&](const TiledProduct::Operand &operand, TileShape shape) {
    return TileCopy(k, shape, depth, /*elementBytes=*/1, tile.threads(), place.thread,
                    operand.matrix, operand.firstRow, operand.rowCount);
  };
  TileCopy leftCopy = copyOf(left, leftShape), rightCopy = copyOf(right, rightShape);
  Value count = k.i32(llvm::divideCeil(depth, rowBytes)), firstByte = k.i32(0);
  if (range.count) {
    Value end = k.minimum(k.mul(range.end(k), rowBytes), k.i32(depth));
    leftCopy.limitColumns(end);
    rightCopy.limitColumns(end);
    count = range.count;
    firstByte = k.mul(range.first, rowBytes);
  }
  auto issue = [&](ValueRange pointers, Value index, Value stage) {
    Value byte = k.add(k.mul(index, rowBytes), firstByte);
    leftCopy.issue(pointers[0], k.add(leftCopy.column(), byte), stage);
    rightCopy.issue(pointers[1], k.add(rightCopy.column(), byte),
                    k.offset(stage, leftShape.bytes()));
    k.commitCopies();
  };
  auto advance = [&](ValueRange pointers) {
    return llvm::map_to_vector(pointers, [&](Value at) { return k.offset(at, rowBytes); });
  };

  int64_t stageBytes = leftShape.bytes() + rightShape.bytes(), ringBytes = tile.stages * stageBytes;
  int64_t ahead = tile.stages - 2;
  SmallVector<Value> pointers{k.offset(leftCopy.pointer(), firstByte),
                              k.offset(rightCopy.pointer(), firstByte)};
  for (int64_t i = 0; i < ahead; ++i) {
    issue(pointers, k.i32(i), k.offset(shared, i * stageBytes));
    pointers = advance(pointers);
  }

  // Of the first step of stage 0; the start is an address below 2^18.
  Value start = LLVM::PtrToIntOp::create(k, k.getI32Type(), shared);
  Value group = k.mul(k.div(place.warp, 4), groupRows * rowBytes);
  auto descriptor = [&](Value address) -> Value {
    Value unit = arith::ExtUIOp::create(k, k.getI64Type(), k.div(address, descriptorUnit));
    Value fields = arith::ConstantOp::create(k, k.getI64IntegerAttr(descriptorFields()));
    return arith::OrIOp::create(k, unit, fields);
  };
  Value leftStart = descriptor(k.add(start, group));
  Value rightStart = descriptor(k.add(start, leftShape.bytes()));
  auto next = [&](Value stage) {
    Value bytes = k.add(stage, stageBytes);
    return k.select(k.equal(bytes, ringBytes), k.i32(0), bytes);
  };

  SmallVector<Value> carried{k.zeroSums(tile.blockN / 2)};
  llvm::append_range(carried, pointers);
  carried.append({k.i32(0), k.i32(ahead * stageBytes)});
  SmallVector<Value> results = k.loop(count, carried, [&](Value index, ValueRange values) {
    Value sums = values[0], stage = values[3], free = values[4];
    ValueRange from = values.slice(1, 2);
    k.waitCopies(ahead - 1);
    k.fenceAsyncProxy();
    k.barrier();
    issue(from, k.add(index, ahead), k.offset(shared, free));
    sums = k.wgmmaFence(sums);
    for (int64_t step = 0; step < rowBytes / stepBytes; ++step) {
      Value units = k.add(k.div(stage, descriptorUnit), step * stepBytes / descriptorUnit);
      Value offset = arith::ExtUIOp::create(k, k.getI64Type(), units);
      sums = k.wgmmaS8(sums, arith::AddIOp::create(k, leftStart, offset),
                       arith::AddIOp::create(k, rightStart, offset), tile.blockN);
    }
    k.wgmmaCommit();
    k.wgmmaWait(1);
    SmallVector<Value> handOn{sums};
    llvm::append_range(handOn, advance(from));
    handOn.append({next(stage), next(free)});
    return handOn;
  });
  SmallVector<Value> sums = k.wgmmaFinish(results[0]);
  k.waitCopies(0);
  k.barrier();
  return sums;
}

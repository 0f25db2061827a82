// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "PartialSums.h"

using namespace mlir;
using namespace ptq::kernels;

namespace {

/// Four sums of each lane of a warp, one lane after another.
constexpr int64_t laneBytes = 16, fourBytes = 32 * laneBytes;

void storeSums(KernelBuilder &k, ValueRange sums, Value to) {
  auto vector = VectorType::get(4, sums.front().getType());
  for (size_t i = 0; i < sums.size(); i += 4) {
    Value four = LLVM::PoisonOp::create(k, vector);
    for (size_t e = 0; e < 4; ++e)
      four = LLVM::InsertElementOp::create(k, four, sums[i + e], k.i32(e));
    k.store(four, k.offset(to, i / 4 * fourBytes), laneBytes);
  }
}

void addStored(KernelBuilder &k, MutableArrayRef<Value> sums, Value from) {
  bool floats = isa<FloatType>(sums.front().getType());
  auto vector = VectorType::get(4, sums.front().getType());
  for (size_t i = 0; i < sums.size(); i += 4) {
    Value four = k.load(vector, k.offset(from, i / 4 * fourBytes), laneBytes);
    for (size_t e = 0; e < 4; ++e) {
      Value &sum = sums[i + e];
      Value more = LLVM::ExtractElementOp::create(k, four, k.i32(e));
      sum = floats ? arith::AddFOp::create(k, sum, more).getResult() : k.add(sum, more);
    }
  }
}

int64_t partBytes(const GemmTile &tile) { return tile.warpM() * tile.warpN() * 4; }

} // namespace

int64_t ptq::kernels::warpSumBytes(const GemmTile &tile) {
  return (tile.warpsK - 1) * tile.blockM * tile.blockN * 4;
}

SmallVector<Value> ptq::kernels::addWarpSums(KernelBuilder &k, const GemmTile &tile, Value shared,
                                             Value part, Value warpK, Value lane, ValueRange sums) {
  int64_t roundBytes = partBytes(tile) * tile.warpsM * tile.warpsN;
  Value mine = k.offset(shared, k.add(k.mul(part, partBytes(tile)), k.mul(lane, laneBytes)));
  k.ifThen(k.less(k.i32(0), warpK),
           [&] { storeSums(k, sums, k.offset(mine, k.mul(k.sub(warpK, k.i32(1)), roundBytes))); });
  k.barrier();
  SmallVector<Value> total(sums);
  auto whole = scf::IfOp::create(k, TypeRange(ValueRange(total)), k.equal(warpK, 0), true);
  OpBuilder::InsertionGuard guard(k);
  k.setInsertionPointToStart(whole.thenBlock());
  for (int64_t other = 1; other < tile.warpsK; ++other)
    addStored(k, total, k.offset(mine, (other - 1) * roundBytes));
  scf::YieldOp::create(k, total);
  k.setInsertionPointToStart(whole.elseBlock());
  scf::YieldOp::create(k, sums);
  return SmallVector<Value>(whole.getResults());
}

SplitTile::SplitTile(KernelBuilder &k, const GemmTile &tile, int64_t tiles, Value workspace,
                     Value counters)
    : k(k), tile(tile), workspace(workspace), counters(counters), tileNumber(k.blockId()) {
  if (tile.splits == 1)
    return;
  split = k.rem(tileNumber, tile.splits);
  tileNumber = k.div(tileNumber, tile.splits);
  // The first ones take one more where they do not divide evenly.
  int64_t each = tiles / tile.splits, more = tiles % tile.splits;
  kRange.first = k.add(k.mul(split, each), k.minimum(split, k.i32(more)));
  kRange.count = k.select(k.less(split, more), k.i32(each + 1), k.i32(each));
}

void SplitTile::finish(Value thread, Value part, Value lane, Value own, ValueRange sums,
                       llvm::function_ref<void(ArrayRef<Value>)> finish) {
  auto owned = [&](llvm::function_ref<void()> body) { own ? k.ifThen(own, body) : body(); };
  if (tile.splits == 1)
    return owned([&] { finish(SmallVector<Value>(sums)); });

  int64_t splitBytes = tile.blockM * tile.blockN * 4;
  Value first =
      k.offset(k.offset(workspace, k.wideMul(tileNumber, Workspace::sumBytesPerTile(tile))),
               k.add(k.mul(part, partBytes(tile)), k.mul(lane, laneBytes)));
  owned([&] { storeSums(k, sums, k.offset(first, k.mul(split, splitBytes))); });
  k.barrier();

  auto counted = scf::IfOp::create(k, k.getI1Type(), k.equal(thread, 0), true);
  {
    OpBuilder::InsertionGuard guard(k);
    k.setInsertionPointToStart(counted.thenBlock());
    Value counter = k.offset(counters, k.wideMul(tileNumber, 4));
    Value last = k.equal(k.atomicAdd(counter, k.i32(1)), tile.splits - 1);
    k.ifThen(last, [&] { k.store(k.i32(0), counter, 4); });
    scf::YieldOp::create(k, last);
    k.setInsertionPointToStart(counted.elseBlock());
    scf::YieldOp::create(k, arith::ConstantIntOp::create(k, 0, 1).getResult());
  }
  k.ifThen(k.barrierAny(counted.getResult(0)), [&] {
    owned([&] {
      bool floats = isa<FloatType>(sums.front().getType());
      SmallVector<Value> start(sums);
      if (floats)
        start.assign(sums.size(), k.f32(0));
      int64_t others = floats ? tile.splits : tile.splits - 1;
      SmallVector<Value> total = k.loop(k.i32(others), start, [&](Value other, ValueRange values) {
        if (!floats) // but the block's own
          other = k.add(other, k.select(k.less(other, split), k.i32(0), k.i32(1)));
        SmallVector<Value> added(values);
        addStored(k, added, k.offset(first, k.mul(other, splitBytes)));
        return added;
      });
      finish(total);
    });
  });
}

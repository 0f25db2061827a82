// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RowReduction.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

/// The value of the lane whose number differs in `mask`.
static Value exchanged(KernelBuilder &k, Value value, int64_t mask) {
  if (value.getType().isF32()) {
    Value word = LLVM::BitcastOp::create(k, k.getI32Type(), value);
    return LLVM::BitcastOp::create(k, k.getF32Type(), k.exchange(word, mask));
  }
  auto pair = VectorType::get(2, k.getI32Type());
  Value words = LLVM::BitcastOp::create(k, pair, value);
  for (int64_t i : {0, 1}) {
    Value word = LLVM::ExtractElementOp::create(k, words, k.i32(i));
    words = LLVM::InsertElementOp::create(k, words, k.exchange(word, mask), k.i32(i));
  }
  return LLVM::BitcastOp::create(k, value.getType(), words);
}

Value RowReduction::reduceWarp(Value value, int64_t lanes, Combine combine) {
  for (int64_t mask = lanes / 2; mask; mask /= 2)
    value = combine(value, exchanged(k, value, mask));
  return value;
}

Value RowReduction::reduce(Value value, Combine combine) {
  value = reduceWarp(value, 32, combine);
  if (warps == 1)
    return value;
  Type type = value.getType();
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  Value slots = k.offset(shared, used);
  used += warps * slotBytes;
  Value lane = k.rem(thread, 32);
  k.ifThen(k.equal(lane, 0),
           [&] { k.store(value, k.offset(slots, k.mul(k.div(thread, 32), bytes)), bytes); });
  k.barrier();
  int64_t lanes = llvm::PowerOf2Ceil(warps);
  Value from = k.rem(lane, lanes);
  Value joined =
      k.load(type, k.offset(slots, k.mul(k.minimum(from, k.i32(warps - 1)), bytes)), bytes);
  if (lanes != warps) {
    Value neutral = arith::ConstantOp::create(k, k.getZeroAttr(type));
    joined = k.select(k.less(from, warps), joined, neutral);
  }
  return reduceWarp(joined, lanes, combine);
}

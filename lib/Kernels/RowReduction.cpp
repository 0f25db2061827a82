// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RowReduction.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

Value RowReduction::reduceWarp(Value value, int64_t lanes, Combine combine) {
  for (int64_t mask = lanes / 2; mask; mask /= 2) {
    Value word = LLVM::BitcastOp::create(k, k.getI32Type(), value);
    Value other = LLVM::BitcastOp::create(k, k.getF32Type(), k.exchange(word, mask));
    value = combine(value, other);
  }
  return value;
}

Value RowReduction::reduce(Value value, Combine combine) {
  value = reduceWarp(value, 32, combine);
  if (warps == 1)
    return value;
  Value words = k.offset(shared, used);
  used += warps * 4;
  Value lane = k.rem(thread, 32);
  k.ifThen(k.equal(lane, 0),
           [&] { k.store(value, k.offset(words, k.mul(k.div(thread, 32), 4)), 4); });
  k.barrier();
  int64_t lanes = llvm::PowerOf2Ceil(warps);
  Value from = k.rem(lane, lanes);
  Value joined =
      k.load(k.getF32Type(), k.offset(words, k.mul(k.minimum(from, k.i32(warps - 1)), 4)), 4);
  if (lanes != warps)
    joined = k.select(k.less(from, warps), joined, k.f32(0));
  return reduceWarp(joined, lanes, combine);
}

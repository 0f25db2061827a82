// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "BlockCopy.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq::kernels;

BlockCopy::BlockCopy(KernelBuilder &k, int64_t rows, int64_t rowBytes, int64_t pitch,
                     unsigned threads, Value thread, Value rowLimit)
    : k(k), rows(rows), rowBytes(rowBytes), pitch(pitch), threads(threads), thread(thread),
      rowLimit(rowLimit) {}

Value BlockCopy::pointer(Value base) {
  return k.offset(k.offset(base, k.wideMul(k.div(thread, perRow()), pitch)), firstByte());
}

void BlockCopy::issue(Value pointer, Value shared, Value limit) {
  int64_t chunks = rows * perRow();
  Value full = k.i32(chunk), none = k.i32(0);
  Value to = k.offset(shared, k.mul(thread, chunk));
  for (int64_t first = 0; first < chunks; first += threads) {
    // Of chunk first + thread; both parts are powers of two, so one of the sums has no carry.
    int64_t row = first / perRow(), byte = first % perRow() * chunk;
    Value inside, taking;
    auto require = [&](Value condition) {
      inside = inside ? k.both(inside, condition) : condition;
    };
    if (rowLimit)
      require(k.less(k.add(k.div(thread, perRow()), row), rowLimit));
    if (limit)
      require(k.less(k.add(firstByte(), byte), limit));
    if (chunks - first < threads)
      taking = k.less(thread, chunks - first);
    k.copyAsync(k.offset(to, first * chunk), k.offset(pointer, row * pitch + byte), chunk,
                inside ? k.select(inside, full, none) : full, taking);
  }
}

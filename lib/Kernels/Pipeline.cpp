// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Pipeline.h"

using namespace mlir;
using namespace ptq::kernels;

Pipeline::Values Pipeline::run(KernelBuilder &k, Value shared, ValueRange zeros) const {
  auto advance = [&](ValueRange from) {
    Values next;
    for (auto [pointer, bytes] : llvm::zip_equal(from, advances))
      next.push_back(k.offset(pointer, bytes));
    return next;
  };
  int64_t ringBytes = stages * stageBytes;
  Values current = pointers;
  for (int64_t tile = 0; tile + 1 < stages; ++tile) {
    issue(current, k.i32(tile), k.offset(shared, tile * stageBytes));
    k.commitCopies();
    current = advance(current);
  }
  k.waitCopies(stages - 2);
  k.barrier();

  // Carried: sums, the first step's fragments, pointers, the stage in use and the one before it.
  Values carried(zeros);
  llvm::append_range(carried, read(shared, 0));
  size_t fragmentCount = carried.size() - zeros.size();
  llvm::append_range(carried, current);
  llvm::append_range(carried, Values{k.i32(0), k.i32(ringBytes - stageBytes)});

  Values result = k.loop(tileCount ? tileCount : k.i32(tiles), carried, [&](Value tile, ValueRange values) {
    Values sums(values.take_front(zeros.size()));
    Values fragments(values.slice(zeros.size(), fragmentCount));
    ValueRange rest = values.drop_front(zeros.size() + fragmentCount);
    ValueRange from = rest.drop_back(2);
    Value stage = rest[rest.size() - 2], previous = rest.back();
    Value next = k.add(stage, stageBytes);
    next = k.select(k.equal(next, ringBytes), k.i32(0), next);
    for (unsigned step = 0; step < steps; ++step) {
      if (step == 0) {
        issue(from, k.add(tile, stages - 1), k.offset(shared, previous));
        k.commitCopies();
      }
      Values ahead;
      if (step + 1 < steps) {
        ahead = read(k.offset(shared, stage), step + 1);
      } else {
        k.waitCopies(stages - 2);
        k.barrier();
        ahead = read(k.offset(shared, next), 0);
      }
      multiply(step, fragments, sums);
      fragments = std::move(ahead);
    }
    Values handOn = std::move(sums);
    llvm::append_range(handOn, fragments);
    llvm::append_range(handOn, advance(from));
    llvm::append_range(handOn, Values{next, stage});
    return handOn;
  });
  result.truncate(zeros.size());
  k.waitCopies(0);
  k.barrier();
  return result;
}

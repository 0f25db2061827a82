// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Distributed/BlockSum.h"

#include "llvm/ADT/bit.h"

#include <cassert>
#include <deque>

using namespace llvm;

namespace ptq::distributed {
namespace {

ArrayRef<char> bytesOf(MutableArrayRef<float> data) {
  return {reinterpret_cast<const char *>(data.data()), data.size() * sizeof(float)};
}

MutableArrayRef<char> mutableBytesOf(MutableArrayRef<float> data) {
  return {reinterpret_cast<char *>(data.data()), data.size() * sizeof(float)};
}

class TreeSum {
public:
  TreeSum(Communicator &communicator, const BlockShare &share,
          function_ref<void(int64_t, MutableArrayRef<float>)> compute)
      : communicator(communicator), share(share), compute(compute) {}

  /// The sum over [first, last) into `to`, on the rank that has block `first`. Ranks without any of
  /// these blocks pass by.
  Error sum(int64_t first, int64_t last, MutableArrayRef<float> to, size_t depth = 0) {
    if (last <= share.first || first >= share.last)
      return Error::success();
    if (last - first == 1) {
      compute(first, to);
      return Error::success();
    }
    int64_t middle = first + static_cast<int64_t>(llvm::bit_ceil(uint64_t(last - first)) / 2);
    int left = ownerOf(first), right = ownerOf(middle), own = communicator.rank();
    // A rank that has no part in the left half needs no second buffer for the right one.
    if (middle <= share.first) {
      if (Error error = sum(middle, last, to, depth))
        return error;
    } else {
      if (Error error = sum(first, middle, to, depth))
        return error;
      if (middle < share.last)
        if (Error error = sum(middle, last, bufferAt(depth, to.size()), depth + 1))
          return error;
    }
    if (left != right && own == right)
      return communicator.send(bytesOf(middle <= share.first ? to : bufferAt(depth, to.size())),
                               left);
    if (own != left)
      return Error::success();
    MutableArrayRef<float> other = bufferAt(depth, to.size());
    if (left != right)
      if (Error error = communicator.receive(mutableBytesOf(other), right))
        return error;
    float *__restrict result = to.data();
    const float *__restrict addend = other.data();
    for (size_t i = 0; i < to.size(); ++i)
      result[i] += addend[i];
    return Error::success();
  }

private:
  int ownerOf(int64_t block) const {
    if (!share.isShared())
      return communicator.rank();
    int64_t ranks = communicator.size(), rank = block * ranks / share.count;
    while (partBegin(rank + 1, ranks, share.count) <= block)
      ++rank;
    return static_cast<int>(rank);
  }

  MutableArrayRef<float> bufferAt(size_t depth, size_t size) {
    while (buffers.size() <= depth)
      buffers.emplace_back(size);
    return buffers[depth];
  }

  Communicator &communicator;
  const BlockShare &share;
  function_ref<void(int64_t, MutableArrayRef<float>)> compute;
  std::deque<std::vector<float>> buffers; ///< Of right halves, by depth; they stay where they are.
};

} // namespace

BlockShare BlockShare::of(int64_t count, const Communicator &communicator) {
  int64_t rank = communicator.rank(), ranks = communicator.size();
  if (count < ranks)
    return {0, count, count};
  return {partBegin(rank, ranks, count), partBegin(rank + 1, ranks, count), count};
}

Error sumBlocks(Communicator &communicator, const BlockShare &share, MutableArrayRef<float> sum,
                function_ref<void(int64_t, MutableArrayRef<float>)> compute) {
  assert(share.count > 0 && "there is nothing to sum");
  if (Error error = TreeSum(communicator, share, compute).sum(0, share.count, sum))
    return error;
  return share.isShared() ? communicator.broadcast(mutableBytesOf(sum), 0) : Error::success();
}

} // namespace ptq::distributed

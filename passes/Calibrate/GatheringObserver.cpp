// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GatheringObserver.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ptq;
using execution::ObservedInput;

llvm::Expected<std::optional<std::vector<float>>>
GatheringObserver::observe(Operation *op, const ObservedInput &input) {
  if (int64_t(input.blockEnds.size()) == input.blockCount)
    return observer.observe(op, input);
  auto ends = world.gather({reinterpret_cast<const char *>(input.blockEnds.data()),
                            input.blockEnds.size() * sizeof(int64_t)});
  if (!ends)
    return ends.takeError();
  std::vector<int64_t> blockEnds;
  SmallVector<int64_t> starts{0}; // of each rank's rows
  for (StringRef bytes : *ends) {
    ArrayRef<int64_t> own(reinterpret_cast<const int64_t *>(bytes.data()),
                          bytes.size() / sizeof(int64_t));
    for (int64_t end : own)
      blockEnds.push_back(starts.back() + end);
    starts.push_back(blockEnds.back());
  }
  numerics::ConstMatrix x = input.x;
  assert(x.stride == x.columns && "inputs are stacked without gaps");
  std::vector<float> whole(starts.back() * x.columns);
  std::copy_n(x.data, x.rows * x.columns, &whole[starts[world.rank()] * x.columns]);
  for (int rank = 0; rank != world.size(); ++rank) {
    MutableArrayRef<float> part(whole.data() + starts[rank] * x.columns,
                                (starts[rank + 1] - starts[rank]) * x.columns);
    if (llvm::Error error = world.broadcast(
            {reinterpret_cast<char *>(part.data()), part.size() * sizeof(float)}, rank))
      return std::move(error);
  }
  return observer.observe(op, {numerics::ConstMatrix(whole.data(), starts.back(), x.columns),
                               blockEnds, 0, input.blockCount});
}

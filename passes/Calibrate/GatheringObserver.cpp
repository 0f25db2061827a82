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
  SmallVector<int64_t> rankEnds; // behind which row each rank's rows end
  int64_t rows = 0;
  for (StringRef bytes : *ends) {
    ArrayRef<int64_t> own(reinterpret_cast<const int64_t *>(bytes.data()),
                          bytes.size() / sizeof(int64_t));
    for (int64_t end : own)
      blockEnds.push_back(rows + end);
    rankEnds.push_back(rows = blockEnds.back());
  }
  numerics::ConstMatrix x = input.x;
  assert(x.stride == x.columns && "inputs are stacked without gaps");
  std::vector<float> whole(rows * x.columns);
  int64_t rowBytes = x.columns * sizeof(float);
  std::copy_n(x.data, x.rows * x.columns, &whole[(rankEnds[world.rank()] - x.rows) * x.columns]);
  for (int64_t &end : rankEnds)
    end *= rowBytes;
  if (llvm::Error error = world.exchange(
          {reinterpret_cast<char *>(whole.data()), whole.size() * sizeof(float)}, rankEnds))
    return std::move(error);
  return observer.observe(
      op, {numerics::ConstMatrix(whole.data(), rows, x.columns), blockEnds, 0, input.blockCount});
}

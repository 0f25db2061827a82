// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Calibrate/BlockedInput.h"

#include "ptq/Distributed/BlockSum.h"
#include "ptq/Numerics/Gram.h"
#include "ptq/Support/ContentHash.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdlib>

using namespace ptq;
using distributed::BlockShare;
using distributed::Communicator;
using execution::ObservedInput;

/// Rows of a Gram matrix that are summed at a time have about this many elements, so that a sum
/// over many blocks takes little room beside the matrix itself.
static constexpr int64_t panelElements = 4 << 20;

llvm::Expected<int64_t> ptq::maxSampleBlocks() {
  const char *text = std::getenv("PTQ_SAMPLE_BLOCKS");
  int64_t blocks = 1;
  if (text && (llvm::StringRef(text).getAsInteger(10, blocks) || blocks < 1 || blocks > 1024))
    return llvm::createStringError(llvm::Twine("PTQ_SAMPLE_BLOCKS is '") + text +
                                   "'; it must be a number from 1 to 1024");
  return blocks;
}

llvm::Error ptq::computeGram(const ObservedInput &input, std::vector<float> &gram) {
  Communicator &world = Communicator::world();
  BlockShare share = BlockShare::of(input.blockCount, world);
  int64_t n = input.x.columns;
  gram.assign(n * n, 0.0f);
  int64_t step = std::max<int64_t>(64, panelElements / std::max<int64_t>(n, 1));
  std::vector<float> panel;
  for (int64_t first = 0; first < n; first += step) {
    int64_t last = std::min(n, first + step), width = n - first;
    bool isWhole = last - first == n;
    if (!isWhole)
      panel.assign((last - first) * width, 0.0f);
    llvm::MutableArrayRef<float> sum = isWhole ? gram : panel;
    auto compute = [&](int64_t block, llvm::MutableArrayRef<float> to) {
      numerics::computeGramRows(input.block(block), first, last,
                                numerics::MutableMatrix(to.data(), last - first, width));
    };
    if (llvm::Error error = distributed::sumBlocks(world, share, sum, compute))
      return error;
    for (int64_t i = first; !isWhole && i < last; ++i)
      std::copy_n(&panel[(i - first) * width + i - first], n - i, &gram[i * n + i]);
  }
  return llvm::Error::success();
}

/// What `describe` appends for each block, of all processes in order.
static llvm::Expected<std::string>
describeBlocks(const ObservedInput &input,
               llvm::function_ref<llvm::Error(numerics::ConstMatrix, std::string &)> describe) {
  Communicator &world = Communicator::world();
  BlockShare share = BlockShare::of(input.blockCount, world);
  std::string own;
  for (int64_t block = share.first; block != share.last; ++block)
    if (llvm::Error error = describe(input.block(block), own))
      return std::move(error);
  if (!share.isShared())
    return own;
  auto all = world.gather(own);
  if (!all)
    return all.takeError();
  return llvm::join(*all, "");
}

llvm::Expected<statistics::StatisticsAccumulator>
ptq::accumulateStatistics(const ObservedInput &input) {
  int64_t firstToken = 0;
  auto accumulate = [&](numerics::ConstMatrix x, std::string &bytes) {
    statistics::StatisticsAccumulator accumulator(firstToken);
    llvm::Error error = accumulator.add(x.data, x.rows, x.columns, x.stride);
    accumulator.write(bytes);
    firstToken += x.rows;
    return error;
  };
  llvm::Expected<std::string> blocks = describeBlocks(input, accumulate);
  if (!blocks)
    return blocks.takeError();
  statistics::StatisticsAccumulator total;
  for (llvm::StringRef bytes = *blocks; !bytes.empty();)
    if (llvm::Error error = total.merge(statistics::StatisticsAccumulator::read(bytes)))
      return std::move(error);
  return total;
}

llvm::Expected<std::string> ptq::hashInput(const ObservedInput &input) {
  return describeBlocks(input, [](numerics::ConstMatrix x, std::string &text) {
    assert(x.stride == x.columns && "inputs are stacked without gaps");
    text += contentHash(llvm::ArrayRef(x.data, x.rows * x.columns)) + " ";
    return llvm::Error::success();
  });
}

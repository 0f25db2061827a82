// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TokenMask.h"

#include "ptq/Execution/Samples.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ptq;

/// The index of the input that marks tokens.
static std::optional<unsigned> findMaskArgument(func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto type = dyn_cast<RankedTensorType>(function.getArgument(i).getType());
    std::string name = execution::getArgumentName(function, i);
    if (type && type.getElementType().isInteger() && (name == "mask" || name == "attention_mask"))
      return i;
  }
  return std::nullopt;
}

std::vector<char> TokenMask::slice(int64_t first, int64_t last) const {
  auto end = [&](int64_t sample) { return sample ? sampleEnds[sample - 1] : 0; };
  return {tokens.begin() + end(first), tokens.begin() + end(last)};
}

TokenMask ptq::findTokenMask(func::FuncOp function,
                             ArrayRef<std::vector<execution::Tensor>> samples) {
  std::optional<unsigned> index = findMaskArgument(function);
  TokenMask mask;
  if (!index)
    return mask;
  for (const std::vector<execution::Tensor> &sample : samples) {
    const execution::Tensor &tensor = sample[*index];
    std::optional<int64_t> width = execution::elementBytes(tensor.type.getElementType());
    if (!width)
      return {};
    ArrayRef<char> bytes = tensor.bytes();
    for (; !bytes.empty(); bytes = bytes.drop_front(*width))
      mask.tokens.push_back(
          llvm::any_of(bytes.take_front(*width), [](char byte) { return byte != 0; }));
    mask.sampleEnds.push_back(mask.tokens.size());
  }
  if (llvm::all_equal(mask.tokens))
    return {};
  return mask;
}

llvm::Expected<std::optional<std::vector<float>>>
TokenMaskObserver::observe(Operation *op, const execution::ObservedInput &input) {
  numerics::ConstMatrix x = input.x;
  if (x.rows != static_cast<int64_t>(mask.size()))
    return observer.observe(op, input);
  int64_t count = llvm::count(mask, 1), to = 0, i = 0;
  std::vector<float> kept(count * x.columns);
  SmallVector<int64_t> blockEnds;
  for (int64_t end : input.blockEnds) {
    for (; i < end; ++i)
      if (mask[i])
        std::copy_n(x.row(i), x.columns, &kept[to++ * x.columns]);
    blockEnds.push_back(to);
  }
  return observer.observe(op, {numerics::ConstMatrix(kept.data(), count, x.columns), blockEnds,
                               input.firstBlock, input.blockCount});
}

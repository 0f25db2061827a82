// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Reference.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

Reference::Result &Reference::result(StringRef name) {
  for (Result &existing : compared)
    if (existing.name == name)
      return existing;
  return compared.emplace_back(Result{name.str(), {}});
}

llvm::Error Reference::compareWithModel(int64_t first, ArrayRef<std::string> names,
                                        const Outputs &outputs) {
  auto references = model->run(first, outputs.size());
  if (!references)
    return references.takeError();
  for (auto [output, reference] : llvm::zip(outputs, *references)) {
    if (output.size() != reference.size())
      return llvm::createStringError("the model has " + Twine(output.size()) +
                                     " outputs, the reference " + Twine(reference.size()));
    for (auto [name, value, expected] : llvm::zip(names, output, reference))
      if (llvm::Error error = result(name).comparison.add(value, expected))
        return error;
  }
  return llvm::Error::success();
}

/// The last index of the second-to-last dimension.
static Tensor takeLast(const Tensor &tensor) {
  ArrayRef<int64_t> shape = tensor.type.getShape();
  int64_t positions = shape[shape.size() - 2];
  int64_t row = shape.back() * *elementBytes(tensor.type.getElementType());
  auto kept = llvm::to_vector(shape.drop_back(2));
  kept.push_back(shape.back());
  std::vector<char> rows;
  for (int64_t i = 0, outer = tensor.numElements() / std::max<int64_t>(positions * shape.back(), 1);
       i != outer; ++i) {
    const char *from = tensor.data + ((i + 1) * positions - 1) * row;
    rows.insert(rows.end(), from, from + row);
  }
  return copyToTensor(RankedTensorType::get(kept, tensor.type.getElementType()), rows);
}

llvm::Error Reference::compareWithFile(int64_t first, SampleCount samples,
                                       ArrayRef<std::string> names, const Outputs &outputs) {
  bool any = false;
  for (auto [index, name] : llvm::enumerate(names)) {
    bool last = false;
    auto stored = file->lookup(name);
    if (!stored && (stored = file->lookup(name + ".last")))
      last = true;
    if (!stored)
      continue;
    any = true;
    for (auto [i, sample] : llvm::enumerate(outputs)) {
      Tensor output = sample[index];
      if (last && output.type.getRank() < 2)
        return llvm::createStringError("'" + name +
                                       ".last' is a position of an output of rank < 2");
      if (last)
        output = takeLast(output);
      Type element = execution::getElementType(stored->info->dtype, output.type.getContext());
      Tensor whole{RankedTensorType::get(stored->info->shape, element), stored->data.data(),
                   stored->owner};
      if (whole.numElements() == output.numElements() * samples.inputs ||
          whole.numElements() == output.numElements() * samples.run) {
        whole.type = RankedTensorType::get(output.type.getShape(), element);
        whole.data += (first + static_cast<int64_t>(i)) * whole.numBytes();
      }
      if (llvm::Error error = result(name).comparison.add(output, whole))
        return llvm::createStringError("'" + name + "': " + llvm::toString(std::move(error)));
    }
  }
  if (!any)
    return llvm::createStringError("the reference file has no tensor for any output: " +
                                   llvm::join(names, ", "));
  return llvm::Error::success();
}

llvm::Error Reference::compare(int64_t first, SampleCount samples, ArrayRef<std::string> names,
                               const Outputs &outputs) {
  return model ? compareWithModel(first, names, outputs)
               : compareWithFile(first, samples, names, outputs);
}

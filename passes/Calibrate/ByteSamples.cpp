// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ByteSamples.h"

#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace ptq;

llvm::Expected<std::vector<std::vector<execution::Tensor>>>
ptq::readByteSamples(func::FuncOp function, StringRef path) {
  constexpr int64_t defaultLength = 256;
  auto type = function.getNumArguments() == 1
                  ? dyn_cast<RankedTensorType>(function.getArgumentTypes()[0])
                  : RankedTensorType();
  auto integer = type ? dyn_cast<IntegerType>(type.getElementType()) : IntegerType();
  if (!integer || integer.getWidth() < 8 || integer.getWidth() % 8 != 0)
    return llvm::createStringError(
        "'" + path +
        "' is no .safetensors file; the bytes of other files are samples only of a "
        "function whose one input is a tensor of byte ids, which @" +
        function.getSymName() + " is not");
  auto buffer =
      llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError("cannot read '" + path + "': " + buffer.getError().message());
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t &size : shape)
    if (ShapedType::isDynamic(size))
      size = defaultLength;
  auto sampleType = RankedTensorType::get(shape, integer);
  int64_t length = sampleType.getNumElements(), width = integer.getWidth() / 8;
  StringRef text = (*buffer)->getBuffer();
  int64_t count = length ? text.size() / length : 0;
  if (count == 0)
    return llvm::createStringError("'" + path + "' has " + Twine(text.size()) +
                                   " bytes; one sample takes " + Twine(length));
  std::vector<std::vector<execution::Tensor>> samples;
  std::vector<char> ids(length * width, 0);
  for (int64_t i = 0; i < count; ++i) {
    // Little endian: the byte is the id's first.
    for (int64_t j = 0; j < length; ++j)
      ids[j * width] = text[i * length + j];
    samples.push_back({execution::copyToTensor(sampleType, ids)});
  }
  return samples;
}

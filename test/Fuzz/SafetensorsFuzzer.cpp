// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opens any bytes as a safetensors file. What opens has all its data inside the file.

#include "InputFolder.h"
#include "ptq/Checkpoint/Safetensors.h"

#include <numeric>

using namespace ptq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fuzz::InputFolder folder;
  auto file = checkpoint::SafetensorsFile::open(
      folder.write("model.safetensors", fuzz::textOf(data, size)));
  if (!file) {
    fuzz::require(!llvm::toString(file.takeError()).empty(), "an error says what is wrong");
    return 0;
  }
  uint64_t bytes = 0;
  unsigned sum = 0;
  for (const checkpoint::TensorInfo &info : (*file)->tensors()) {
    llvm::ArrayRef<char> values = (*file)->data(info);
    bytes += values.size();
    sum = std::accumulate(values.begin(), values.end(), sum);
    fuzz::require((*file)->find(info.name) == &info, "a tensor is found by its name");
    fuzz::require(info.numElements() >= 0, "extents multiply without overflow");
  }
  fuzz::require(bytes <= size, "tensors lie in the file");
  volatile unsigned kept = sum;
  (void)kept;
  return 0;
}

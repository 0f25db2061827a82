// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Elements.h"
#include "ptq/Checkpoint/Float16.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace mlir;

namespace ptq::execution {

std::vector<int64_t> readIntegers(const Tensor &tensor) {
  unsigned width = tensor.type.getElementTypeBitWidth();
  int64_t bytes = *elementBytes(tensor.type.getElementType());
  std::vector<int64_t> values(tensor.numElements());
  for (auto [i, value] : llvm::enumerate(values)) {
    uint64_t bits = 0;
    memcpy(&bits, tensor.data + i * bytes, bytes);
    value = llvm::SignExtend64(bits, width);
  }
  return values;
}

std::vector<float> readFloats(const Tensor &tensor) {
  std::vector<float> values(tensor.numElements());
  convertToFloat(tensor, values);
  return values;
}

std::vector<double> readDoubles(const Tensor &tensor) {
  if (tensor.type.getElementType().isF64())
    return tensor.as<double>().vec();
  std::vector<float> values = readFloats(tensor);
  return std::vector<double>(values.begin(), values.end());
}

ArrayRef<float> viewFloats(const Tensor &tensor, std::vector<float> &storage) {
  if (tensor.type.getElementType().isF32())
    return tensor.as<float>();
  storage = readFloats(tensor);
  return storage;
}

void writeIntegers(ArrayRef<int8_t> values, Type elementType, char *to) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  int64_t bytes = *elementBytes(elementType);
  uint64_t mask = llvm::maskTrailingOnes<uint64_t>(width);
  for (auto [i, value] : llvm::enumerate(values)) {
    uint64_t bits = static_cast<uint64_t>(int64_t(value)) & mask;
    memcpy(to + i * bytes, &bits, bytes);
  }
}

void writeFloats(ArrayRef<float> values, Type elementType, char *to) {
  if (elementType.isF64()) {
    llvm::copy(values, reinterpret_cast<double *>(to));
    return;
  }
  checkpoint::DType dtype = elementType.isF16()    ? checkpoint::DType::F16
                            : elementType.isBF16() ? checkpoint::DType::BF16
                                                   : checkpoint::DType::F32;
  checkpoint::convertFromFloat(
      dtype, values, {to, static_cast<size_t>(values.size() * *elementBytes(elementType))});
}

void writeFloats(ArrayRef<double> values, Type elementType, char *to) {
  if (elementType.isF64()) {
    llvm::copy(values, reinterpret_cast<double *>(to));
    return;
  }
  writeFloats(std::vector<float>(values.begin(), values.end()), elementType, to);
}

} // namespace ptq::execution

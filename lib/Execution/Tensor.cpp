// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors: storage sizes, values of constants, conversion to float.
//
#include "ptq/Execution/Tensor.h"

#include "ptq/Checkpoint/Float16.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace ptq::execution {

std::optional<int64_t> elementBytes(Type elementType) {
  if (elementType.isIndex())
    return 8;
  if (!elementType.isIntOrFloat())
    return std::nullopt;
  unsigned bits = elementType.getIntOrFloatBitWidth();
  if (isa<FloatType>(elementType) && bits % 8 != 0)
    return std::nullopt;
  if (bits <= 8)
    return 1;
  // Any other width has a padded layout that constants and kernels would have to agree on.
  if (bits == 16 || bits == 32 || bits == 64)
    return bits / 8;
  return std::nullopt;
}

static llvm::Error unstoredType(Type type) {
  std::string text;
  llvm::raw_string_ostream(text)
      << "a tensor of type " << type
      << " cannot be executed: elements are integers of 1 to 8, 16, 32 or 64 bits, "
         "floats of 8, 16, 32 or 64 bits, or index";
  return llvm::createStringError(text);
}

/// Memory aligned for any vector instruction, with an owner.
static std::shared_ptr<char> allocate(int64_t bytes) {
  constexpr std::align_val_t alignment{64};
  char *data = static_cast<char *>(::operator new(std::max<int64_t>(bytes, 1), alignment));
  return std::shared_ptr<char>(data, [=](char *p) { ::operator delete(p, alignment); });
}

Tensor copyToTensor(RankedTensorType type, ArrayRef<char> bytes) {
  auto memory = allocate(bytes.size());
  if (!bytes.empty())
    memcpy(memory.get(), bytes.data(), bytes.size());
  return {type, memory.get(), memory};
}

/// The value of an integer of at most 64 bits, as its (zero-extended) bytes in memory.
static Tensor tensorOfIntegers(RankedTensorType type, DenseElementsAttr attribute, int64_t width) {
  int64_t count = type.getNumElements();
  auto memory = allocate(count * width);
  char *to = memory.get();
  for (const APInt &value : attribute.getValues<APInt>()) {
    uint64_t bits = value.getZExtValue();
    memcpy(to, &bits, width);
    to += width;
  }
  return {type, memory.get(), memory};
}

llvm::Expected<Tensor> tensorFromAttribute(ElementsAttr attribute) {
  auto type = dyn_cast<RankedTensorType>(attribute.getType());
  if (!type || !elementBytes(type.getElementType()))
    return unstoredType(attribute.getType());
  int64_t width = *elementBytes(type.getElementType());
  int64_t bytes = type.getNumElements() * width;

  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    StringRef key = resource.getRawHandle().getKey();
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return llvm::createStringError(
          "the constant's resource '" + key +
          "' has no data: it was elided when the module was printed; print it without "
          "--mlir-elide-resource-strings-if-larger, or load the parameters from their file");
    ArrayRef<char> data = blob->getData();
    if (static_cast<int64_t>(data.size()) != bytes)
      return llvm::createStringError("the constant's resource '" + key + "' has " +
                                     Twine(data.size()) + " bytes, its type needs " + Twine(bytes));
    if (reinterpret_cast<uintptr_t>(data.data()) % width != 0)
      return copyToTensor(type, data);
    return Tensor{type, data.data(), nullptr};
  }

  if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    // Integers of other than whole bytes are packed in the attribute, and index has a width of its
    // own.
    Type element = type.getElementType();
    bool isInteger = element.isIntOrIndex();
    if (isInteger &&
        (dense.isSplat() || element.isIndex() || element.getIntOrFloatBitWidth() % 8 != 0))
      return tensorOfIntegers(type, dense, width);
    ArrayRef<char> data = dense.getRawData();
    if (dense.isSplat()) {
      auto memory = allocate(bytes);
      for (int64_t i = 0; i != bytes; i += width)
        memcpy(memory.get() + i, data.data(), width);
      return Tensor{type, memory.get(), memory};
    }
    if (static_cast<int64_t>(data.size()) != bytes)
      return unstoredType(type);
    if (reinterpret_cast<uintptr_t>(data.data()) % width == 0)
      return Tensor{type, data.data(), nullptr};
    return copyToTensor(type, data);
  }

  std::string text;
  llvm::raw_string_ostream(text) << "the constant's kind of attribute ("
                                 << attribute.getAbstractAttribute().getName()
                                 << ") cannot be executed";
  return llvm::createStringError(text);
}

void convertToFloat(const Tensor &tensor, MutableArrayRef<float> to) {
  Type element = tensor.type.getElementType();
  checkpoint::DType dtype = element.isF16()    ? checkpoint::DType::F16
                            : element.isBF16() ? checkpoint::DType::BF16
                            : element.isF64()  ? checkpoint::DType::F64
                                               : checkpoint::DType::F32;
  checkpoint::convertToFloat(dtype, tensor.bytes(), to);
}

} // namespace ptq::execution

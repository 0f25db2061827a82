// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A dense row-major tensor in host memory: what the executor takes, passes on and returns.
//
#ifndef PTQ_EXECUTION_TENSOR_H
#define PTQ_EXECUTION_TENSOR_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>

namespace ptq::execution {

/// Bytes an element takes in memory: i1 and integers below 8 bits take a whole byte, index takes 8.
/// nullopt for types that the executor does not store (complex, vectors, integers over 64 bits, …).
std::optional<int64_t> elementBytes(mlir::Type elementType);

/// An immutable value. Elements lie row major without gaps, each at its natural alignment.
struct Tensor {
  /// Static shape; element type as in the IR.
  mlir::RankedTensorType type;
  const char *data = nullptr;
  /// Keeps `data` alive; null if something else does.
  std::shared_ptr<const void> owner;

  int64_t numElements() const { return type.getNumElements(); }
  int64_t numBytes() const { return numElements() * *elementBytes(type.getElementType()); }
  llvm::ArrayRef<char> bytes() const { return {data, static_cast<size_t>(numBytes())}; }
  template <typename T> llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(data), static_cast<size_t>(numElements())};
  }
};

/// A tensor of its own memory with a copy of `bytes`, which must have the type's size.
Tensor copyToTensor(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

/// The value of a constant: a view of the attribute's data where its layout allows (a resource blob
/// always), else a copy. The attribute (its context) must outlive a view. Errors: a resource
/// without data (elided), a blob of the wrong size, an element type that is not stored.
llvm::Expected<Tensor> tensorFromAttribute(mlir::ElementsAttr attribute);

/// Elements of a float tensor (f16, bf16, f32, f64) as float32, rounded half to even.
void convertToFloat(const Tensor &tensor, llvm::MutableArrayRef<float> to);

} // namespace ptq::execution

#endif // PTQ_EXECUTION_TENSOR_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants whose data is a resource of its own: how passes put new numbers into the IR.

#ifndef PTQ_ANALYSIS_STOREDCONSTANT_H
#define PTQ_ANALYSIS_STOREDCONSTANT_H

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <memory>
#include <vector>

namespace ptq {

/// The elements of a tensor, row major in `data`, under a resource named after `key`. A single
/// element is always a splat, which a resource cannot be: it becomes a dense attribute.
mlir::ElementsAttr storeElements(mlir::RankedTensorType type, mlir::AsmResourceBlob data,
                                 llvm::StringRef key);

/// The same; the attribute takes the vector over.
template <typename T>
mlir::ElementsAttr storeElements(mlir::RankedTensorType type, std::vector<T> data,
                                 llvm::StringRef key) {
  auto owner = std::make_shared<std::vector<T>>(std::move(data));
  llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(owner->data()),
                             owner->size() * sizeof(T));
  return storeElements(type,
                       mlir::AsmResourceBlob(
                           bytes, alignof(T), [owner](void *, size_t, size_t) {},
                           /*dataIsMutable=*/false),
                       key);
}

/// A constant of `elements` with the checkpoint key `key`.
mlir::Value createConstant(mlir::OpBuilder &b, mlir::Location loc, mlir::ElementsAttr elements,
                           llvm::StringRef key);

/// A constant that owns `data`, keyed for the checkpoint.
template <typename T>
mlir::Value createConstant(mlir::OpBuilder &b, mlir::Location loc, std::vector<T> data,
                           llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                           const llvm::Twine &key) {
  std::string name = key.str();
  auto type = mlir::RankedTensorType::get(shape, elementType);
  return createConstant(b, loc, storeElements(type, std::move(data), name), name);
}

} // namespace ptq

#endif

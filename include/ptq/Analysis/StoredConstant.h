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

/// An array that does not change: a vector taken over, or part of what `owner` keeps, a mapped file
/// for example. Copies share the data.
template <typename T> class StoredArray {
public:
  StoredArray() = default;
  StoredArray(std::vector<T> data) {
    auto taken = std::make_shared<std::vector<T>>(std::move(data));
    view = *taken;
    owner = std::move(taken);
  }
  StoredArray(llvm::ArrayRef<T> data, std::shared_ptr<const void> owner)
      : view(data), owner(std::move(owner)) {}

  operator llvm::ArrayRef<T>() const { return view; }
  std::vector<T> vec() const { return view.vec(); }
  bool empty() const { return view.empty(); }
  size_t size() const { return view.size(); }
  const T *data() const { return view.data(); }
  const T &operator[](size_t i) const { return view[i]; }

  llvm::ArrayRef<char> bytes() const {
    return {reinterpret_cast<const char *>(view.data()), view.size() * sizeof(T)};
  }
  /// The data as a resource that keeps what owns them.
  mlir::AsmResourceBlob blob() const {
    return mlir::AsmResourceBlob(
        bytes(), alignof(T), [owner = owner](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
  }

private:
  llvm::ArrayRef<T> view;
  std::shared_ptr<const void> owner;
};

/// The elements of a tensor, row major in `data`, under a resource named after `key`. A single
/// element is always a splat, which a resource cannot be: it becomes a dense attribute.
mlir::ElementsAttr storeElements(mlir::RankedTensorType type, mlir::AsmResourceBlob data,
                                 llvm::StringRef key);

/// The same; the attribute takes the vector over.
template <typename T>
mlir::ElementsAttr storeElements(mlir::RankedTensorType type, std::vector<T> data,
                                 llvm::StringRef key) {
  return storeElements(type, StoredArray<T>(std::move(data)).blob(), key);
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

/// The same of data that may be shared.
template <typename T>
mlir::Value createConstant(mlir::OpBuilder &b, mlir::Location loc, const StoredArray<T> &data,
                           llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                           const llvm::Twine &key) {
  std::string name = key.str();
  auto type = mlir::RankedTensorType::get(shape, elementType);
  return createConstant(b, loc, storeElements(type, data.blob(), name), name);
}

} // namespace ptq

#endif

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaleConstant.h"

#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Analysis/ScratchBlob.h"
#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Checkpoint/Float16.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace ptq;
using namespace ptq::channel_scale;

static llvm::Error error(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// The bytes of constant data; one element of a splat.
static ArrayRef<char> rawData(ElementsAttr elements) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements))
    return resource.getRawHandle().getBlob()->getData();
  return cast<DenseElementsAttr>(elements).getRawData();
}

static bool isSplat(ElementsAttr elements) {
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  return dense && dense.isSplat();
}

llvm::Error ptq::channel_scale::checkReadable(ElementsAttr elements) {
  std::optional<checkpoint::DType> dtype = toDType(elements.getElementType());
  if (!dtype || !isa<FloatType>(elements.getElementType()))
    return error("its elements are not of a float type that can be read");
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return error("the resource '" + resource.getRawHandle().getKey() +
                   "' has no data: it was elided when the IR was printed; bind the weights with "
                   "--load-parameters");
    if (int64_t(blob->getData().size()) !=
        elements.getNumElements() * checkpoint::byteWidth(*dtype))
      return error("the resource '" + resource.getRawHandle().getKey() +
                   "' does not have the size of its type");
  } else if (!isa<DenseElementsAttr>(elements)) {
    return error("it is a constant of a kind that holds no floats");
  }
  return llvm::Error::success();
}

/// Edits row-major data in place. Rows are runs of the last dimension: along one, a factor is
/// either the same everywhere or consecutive.
template <typename T>
static void edit(MutableArrayRef<T> data, ArrayRef<int64_t> shape, const ConstantEdit &edit) {
  int64_t rank = shape.size(), length = rank ? shape.back() : 1;
  SmallVector<int64_t, 4> index(rank, 0);
  for (size_t row = 0; row < data.size(); row += length) {
    double common = 1;
    SmallVector<const double *, 2> along;
    for (const Factors &factors : edit.factors) {
      int64_t at = 0;
      bool varies = false;
      for (auto [dim, size] : llvm::zip_equal(factors.dims, factors.sizes)) {
        at = at * size + (dim + 1 == rank ? 0 : index[dim]);
        varies |= dim + 1 == rank;
      }
      if (varies)
        along.push_back(factors.values.data() + at);
      else
        common *= factors.values[at];
    }
    T *values = data.data() + row;
    if (along.size() == 1) {
      const double *factors = along[0];
      for (int64_t i = 0; i < length; ++i)
        values[i] = T((values[i] + edit.shift) * (factors[i] * common) - edit.shift);
    } else {
      for (int64_t i = 0; i < length; ++i) {
        double factor = common;
        for (const double *factors : along)
          factor *= factors[i];
        values[i] = T((values[i] + edit.shift) * factor - edit.shift);
      }
    }
    for (int64_t dim = rank - 2; dim >= 0 && ++index[dim] == shape[dim]; --dim)
      index[dim] = 0;
  }
}

/// An error if scaling made an infinity of a number.
static llvm::Error checkRange(ArrayRef<float> before, ArrayRef<float> after, Type type) {
  for (auto [old, value] : llvm::zip_equal(before, after))
    if (!std::isfinite(value) && std::isfinite(old)) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "the scale takes " << old << " out of the range of " << type;
      return error(text);
    }
  return llvm::Error::success();
}

static ElementsAttr toResource(RankedTensorType type, AsmResourceBlob blob, StringRef key) {
  return storeElements(type, std::move(blob), key.empty() ? "scaled" : key);
}

template <typename T> static MutableArrayRef<T> dataOf(AsmResourceBlob &blob) {
  MutableArrayRef<char> bytes = blob.getMutableData();
  return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
}

llvm::Expected<ElementsAttr> ptq::channel_scale::editElements(ArrayRef<float> data,
                                                              RankedTensorType type,
                                                              const ConstantEdit &change,
                                                              StringRef key) {
  checkpoint::DType dtype = *toDType(type.getElementType());
  size_t width = checkpoint::byteWidth(dtype);
  AsmResourceBlob blob = allocateScratchBlob(data.size() * width, width);
  if (type.getElementType().isF32()) {
    MutableArrayRef<float> target = dataOf<float>(blob);
    llvm::copy(data, target.begin());
    edit(target, type.getShape(), change);
    if (llvm::Error problem = checkRange(data, target, type.getElementType()))
      return problem;
  } else {
    std::vector<float> values(data);
    edit<float>(values, type.getShape(), change);
    checkpoint::convertFromFloat(dtype, values, blob.getMutableData());
    checkpoint::convertToFloat(dtype, blob.getData(), values);
    if (llvm::Error problem = checkRange(data, values, type.getElementType()))
      return problem;
  }
  return toResource(type, std::move(blob), key);
}

llvm::Expected<ElementsAttr>
ptq::channel_scale::editElements(ElementsAttr elements, const ConstantEdit &change, StringRef key) {
  auto type = cast<RankedTensorType>(elements.getType());
  Type elementType = type.getElementType();
  checkpoint::DType dtype = *toDType(elementType);
  size_t width = checkpoint::byteWidth(dtype), count = elements.getNumElements();
  ArrayRef<char> raw = rawData(elements);
  if (elementType.isF64()) {
    AsmResourceBlob blob = allocateScratchBlob(count * width, width);
    MutableArrayRef<char> bytes = blob.getMutableData();
    for (size_t i = 0; i < count; ++i)
      std::memcpy(bytes.data() + i * width, raw.data() + (isSplat(elements) ? 0 : i * width),
                  width);
    edit(dataOf<double>(blob), type.getShape(), change);
    return toResource(type, std::move(blob), key);
  }
  std::vector<float> values(count);
  if (isSplat(elements)) {
    checkpoint::convertToFloat(dtype, raw.take_front(width), MutableArrayRef(values).take_front(1));
    std::fill(values.begin(), values.end(), values.front());
  } else {
    checkpoint::convertToFloat(dtype, raw, values);
  }
  return editElements(values, type, change, key);
}

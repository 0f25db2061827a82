// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/WeightValue.h"

#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Checkpoint/Float16.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <unistd.h>

using namespace mlir;
using namespace ptq;

static llvm::Error error(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static WeightValue view(ArrayRef<float> data) {
  WeightValue value;
  value.data = data;
  return value;
}

static WeightValue owning(std::vector<float> data) {
  WeightValue value;
  value.storage = std::move(data);
  value.data = value.storage;
  return value;
}

/// The stored elements of any float type as float32; a view if they are that already.
static llvm::Expected<WeightValue> fromStorage(ArrayRef<char> raw, Type elementType,
                                               int64_t count) {
  std::optional<checkpoint::DType> dtype = toDType(elementType);
  if (!dtype || !isa<FloatType>(elementType))
    return error("its elements are not of a float type that can be read");
  if (raw.size() != size_t(count) * checkpoint::byteWidth(*dtype))
    return error("its data has " + Twine(raw.size()) + " bytes, not " +
                 Twine(count * checkpoint::byteWidth(*dtype)));
  if (elementType.isF32() && reinterpret_cast<uintptr_t>(raw.data()) % alignof(float) == 0)
    return view(ArrayRef(reinterpret_cast<const float *>(raw.data()), count));
  std::vector<float> data(count);
  checkpoint::convertToFloat(*dtype, raw, data);
  return owning(std::move(data));
}

static llvm::Expected<WeightValue> fromElements(ElementsAttr attr) {
  Type elementType = attr.getElementType();
  int64_t count = attr.getNumElements();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return error(
          "the resource '" + resource.getRawHandle().getKey() +
          "' has no data: it was elided when the IR was printed; print it in full or bind the "
          "weights with --load-parameters");
    return fromStorage(blob->getData(), elementType, count);
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense || !isa<FloatType>(elementType))
    return error("it is a constant of a kind that holds no floats");
  if (dense.isSplat()) {
    // Nothing backs a splat: its type alone may claim more than there is.
    if (count > int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / int64_t(sizeof(float)))
      return error("its " + Twine(count) + " elements are more than this machine's memory holds");
    return owning(std::vector<float>(count, dense.getSplatValue<APFloat>().convertToDouble()));
  }
  return fromStorage(dense.getRawData(), elementType, count);
}

/// `data` of shape `shape` with its dimensions permuted: dimension i of the result is perm[i] of
/// the source.
static std::vector<float> transpose(ArrayRef<float> data, ArrayRef<int64_t> shape,
                                    ArrayRef<int64_t> permutation) {
  int64_t rank = shape.size();
  SmallVector<int64_t> strides(rank, 1), sizes(rank), steps(rank), index(rank, 0);
  for (int64_t i = rank - 1; i > 0; --i)
    strides[i - 1] = strides[i] * shape[i];
  for (int64_t i = 0; i < rank; ++i) {
    sizes[i] = shape[permutation[i]];
    steps[i] = strides[permutation[i]];
  }
  std::vector<float> result(data.size());
  int64_t source = 0;
  for (float &out : result) {
    out = data[source];
    for (int64_t i = rank - 1; i >= 0; --i) {
      source += steps[i];
      if (++index[i] < sizes[i])
        break;
      source -= steps[i] * sizes[i];
      index[i] = 0;
    }
  }
  return result;
}

/// The elements [offsets + i·strides] of `data` of shape `shape`, which are in bounds.
static std::vector<float> slice(ArrayRef<float> data, ArrayRef<int64_t> shape,
                                ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes,
                                ArrayRef<int64_t> strides) {
  int64_t rank = shape.size(), source = 0, pitch = 1, count = 1;
  SmallVector<int64_t> steps(rank), index(rank, 0);
  for (int64_t i = rank - 1; i >= 0; --i) {
    source += offsets[i] * pitch;
    steps[i] = strides[i] * pitch;
    pitch *= shape[i];
    count *= sizes[i];
  }
  std::vector<float> result(count);
  for (float &out : result) {
    out = data[source];
    for (int64_t i = rank - 1; i >= 0; --i) {
      source += steps[i];
      if (++index[i] < sizes[i])
        break;
      source -= steps[i] * sizes[i];
      index[i] = 0;
    }
  }
  return result;
}

/// What a cast to `elementType` does to float32 numbers: nothing if it widens.
static llvm::Expected<WeightValue> cast(WeightValue value, Type elementType) {
  if (!elementType.isF16() && !elementType.isBF16())
    return value;
  checkpoint::DType dtype = *toDType(elementType);
  std::vector<char> narrow(value.data.size() * checkpoint::byteWidth(dtype));
  checkpoint::convertFromFloat(dtype, value.data, narrow);
  std::vector<float> data(value.data.size());
  checkpoint::convertToFloat(dtype, narrow, data);
  return owning(std::move(data));
}

llvm::Expected<WeightValue> ptq::evaluateWeight(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return error("it is a function argument without data; bind the weights with --load-parameters");
  auto then = [](Value source, auto &&next) -> llvm::Expected<WeightValue> {
    llvm::Expected<WeightValue> operand = evaluateWeight(source);
    if (!operand)
      return operand.takeError();
    return next(std::move(*operand));
  };
  using Result = llvm::Expected<WeightValue>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::ConstantOp constant) -> Result {
        if (auto elements = dyn_cast<ElementsAttr>(constant.getValue()))
          return fromElements(elements);
        return error("it is a scalar");
      })
      .Case([](ml_program::GlobalLoadConstOp load) -> Result {
        auto global =
            SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobal());
        if (global && global.getValue())
          if (auto elements = dyn_cast<ElementsAttr>(*global.getValue()))
            return fromElements(elements);
        return error("the global @" + load.getGlobal().getLeafReference().getValue() +
                     " has no value; bind the weights with --load-parameters");
      })
      .Case([&](linalg::TransposeOp op) -> Result {
        return then(op.getInput(), [&](WeightValue input) -> Result {
          auto type = cast<RankedTensorType>(op.getInput().getType());
          return owning(transpose(input.data, type.getShape(), op.getPermutation()));
        });
      })
      .Case([&](tensor::ExtractSliceOp op) -> Result {
        auto isDynamic = [](ArrayRef<int64_t> values) {
          return ShapedType::isDynamicShape(values);
        };
        if (isDynamic(op.getStaticOffsets()) || isDynamic(op.getStaticSizes()) ||
            isDynamic(op.getStaticStrides()))
          return error("it is a slice whose place is computed");
        ArrayRef<int64_t> shape = op.getSourceType().getShape();
        for (auto [extent, offset, size, stride] : llvm::zip_equal(
                 shape, op.getStaticOffsets(), op.getStaticSizes(), op.getStaticStrides()))
          if (offset < 0 || (size > 0 && (offset + (size - 1) * stride < 0 ||
                                          offset + (size - 1) * stride >= extent)))
            return error("it is a slice beyond the bounds of what it is taken from");
        return then(op.getSource(), [&](WeightValue input) -> Result {
          return owning(slice(input.data, shape, op.getStaticOffsets(), op.getStaticSizes(),
                              op.getStaticStrides()));
        });
      })
      .Case<arith::TruncFOp, arith::ExtFOp>([&](auto op) -> Result {
        return then(op.getIn(), [&](WeightValue input) -> Result {
          return cast(std::move(input), getElementTypeOrSelf(op.getType()));
        });
      })
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
          [&](auto op) -> Result { return evaluateWeight(op.getSrc()); })
      .Default([](Operation *op) -> Result {
        return error("it is computed by '" + op->getName().getStringRef() +
                     "', which is not evaluated here; fold the computation into the checkpoint");
      });
}

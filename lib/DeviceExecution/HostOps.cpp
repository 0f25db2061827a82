// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "HostOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::execution;

/// The error of an operation, with its place.
static llvm::Error failure(Operation &op, const llvm::Twine &message) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto place = op.getLoc()->findInstanceOf<FileLineColLoc>())
    stream << place.getFilename().getValue() << ":" << place.getLine() << ":" << place.getColumn()
           << ": ";
  stream << "'" << op.getName() << "': " << message;
  return llvm::createStringError(text);
}

std::vector<char> ptq::execution::bytesOf(Attribute attribute) {
  llvm::APInt bits;
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    bits = integer.getValue();
  else
    bits = cast<FloatAttr>(attribute).getValue().bitcastToAPInt();
  unsigned count = (bits.getBitWidth() + 7) / 8;
  uint64_t word = bits.getZExtValue();
  const char *bytes = reinterpret_cast<const char *>(&word);
  return {bytes, bytes + count};
}

static Attribute attributeOf(Type type, ArrayRef<char> bytes) {
  uint64_t word = 0;
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char *>(&word));
  if (auto floats = dyn_cast<FloatType>(type)) {
    llvm::APInt bits(floats.getWidth(), word, false, /*implicitTrunc=*/true);
    return FloatAttr::get(type, llvm::APFloat(floats.getFloatSemantics(), bits));
  }
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  return IntegerAttr::get(type, llvm::APInt(width, word, false, /*implicitTrunc=*/true));
}

static int64_t bytesOfElement(Type memref) {
  return elementBytes(cast<MemRefType>(memref).getElementType()).value_or(0);
}

int64_t HostOps::number(Value value) const {
  auto attribute = cast<IntegerAttr>(std::get<Attribute>(values.find(value)->second));
  return attribute.getValue().getSExtValue();
}

const BufferView &HostOps::view(Value value) const {
  return std::get<BufferView>(values.find(value)->second);
}

SmallVector<int64_t, 4> HostOps::numbers(ArrayRef<OpFoldResult> mixed) const {
  SmallVector<int64_t, 4> result;
  for (OpFoldResult entry : mixed) {
    auto attribute = dyn_cast<Attribute>(entry);
    result.push_back(attribute ? cast<IntegerAttr>(attribute).getInt()
                               : number(cast<Value>(entry)));
  }
  return result;
}

llvm::Expected<DeviceBuffer> HostOps::allocate(int64_t bytes) {
  auto address = device.allocate(bytes);
  if (!address)
    return address.takeError();
  emulator::Device *owner = &device;
  uint64_t at = *address;
  return DeviceBuffer{at, std::shared_ptr<void>(nullptr, [owner, at](void *) {
                        llvm::consumeError(owner->free(at));
                      })};
}

llvm::Expected<BufferView> HostOps::upload(const Tensor &tensor) {
  auto buffer = allocate(tensor.numBytes());
  if (!buffer)
    return buffer.takeError();
  if (llvm::Error error = device.write(buffer->address, tensor.bytes()))
    return error;
  SmallVector<int64_t, 4> sizes(tensor.type.getShape());
  return BufferView{*buffer, 0, sizes, identityStrides(sizes)};
}

llvm::Expected<Tensor> HostOps::download(Value value) {
  const BufferView &from = view(value);
  auto type = RankedTensorType::get(from.sizes, cast<MemRefType>(value.getType()).getElementType());
  int64_t element = bytesOfElement(value.getType());
  std::vector<char> bytes(from.numElements() * element);
  if (llvm::Error error = device.read(from.buffer.address + from.offset * element, bytes))
    return error;
  return copyToTensor(type, bytes);
}

llvm::Error HostOps::loadGlobal(memref::GlobalOp global) {
  auto elements = dyn_cast_or_null<ElementsAttr>(global.getInitialValueAttr());
  if (!elements)
    return failure(*global, "a global without an initial value");
  auto tensor = tensorFromAttribute(elements);
  if (!tensor)
    return tensor.takeError();
  auto uploaded = upload(*tensor);
  if (!uploaded)
    return uploaded.takeError();
  globals[global.getSymName()] = std::move(*uploaded);
  return llvm::Error::success();
}

llvm::Error HostOps::check(Operation &op) const {
  if (isa<memref::AllocOp, memref::DeallocOp, memref::GetGlobalOp, memref::SubViewOp,
          memref::ReinterpretCastOp, memref::ReshapeOp, memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp,
          memref::DimOp, memref::LoadOp, memref::StoreOp, gpu::LaunchFuncOp, func::ReturnOp,
          arith::ConstantOp, cf::AssertOp>(op))
    return llvm::Error::success();
  if (isa<arith::ArithDialect>(op.getDialect()))
    return llvm::Error::success();
  return failure(op, "does not run on the host of a device; it does after --ptq-module-to-gpu, "
                     "unless it is control flow");
}

llvm::Error HostOps::execute(Operation &op) {
  return llvm::TypeSwitch<Operation *, llvm::Error>(&op)
      .Case([&](memref::AllocOp alloc) { return allocate(alloc); })
      .Case([&](memref::DeallocOp) { return llvm::Error::success(); })
      .Case([&](memref::GetGlobalOp get) {
        values[get] = globals.find(get.getName())->second;
        return llvm::Error::success();
      })
      .Case([&](memref::SubViewOp subview) {
        takeSubview(subview);
        return llvm::Error::success();
      })
      .Case([&](memref::ReinterpretCastOp cast) {
        reinterpret(cast);
        return llvm::Error::success();
      })
      .Case([&](memref::ReshapeOp shape) { return reshape(shape); })
      .Case([&](memref::ExpandShapeOp shape) {
        expand(shape);
        return llvm::Error::success();
      })
      .Case([&](memref::CollapseShapeOp shape) {
        collapse(shape);
        return llvm::Error::success();
      })
      .Case([&](memref::CastOp cast) {
        HostValue same = values[cast.getSource()];
        values[cast] = std::move(same);
        return llvm::Error::success();
      })
      .Case([&](memref::DimOp dim) {
        int64_t size = view(dim.getSource()).sizes[number(dim.getIndex())];
        values[dim] = Attribute(IntegerAttr::get(IndexType::get(op.getContext()), size));
        return llvm::Error::success();
      })
      .Case([&](memref::LoadOp load) { return loadScalar(load); })
      .Case([&](memref::StoreOp store) { return storeScalar(store); })
      .Case([&](gpu::LaunchFuncOp launched) { return launch(launched); })
      .Case([&](cf::AssertOp assertion) {
        return number(assertion.getArg()) ? llvm::Error::success()
                                          : failure(op, assertion.getMsg());
      })
      .Default([&](Operation *) { return fold(op); });
}

/// MLIR's own folders compute numbers.
llvm::Error HostOps::fold(Operation &op) {
  SmallVector<Attribute> operands;
  for (Value operand : op.getOperands())
    operands.push_back(std::get<Attribute>(values[operand]));
  SmallVector<OpFoldResult> results;
  if (failed(op.fold(operands, results)) || results.size() != op.getNumResults())
    return failure(op, "cannot be computed on the host");
  for (auto [result, folded] : llvm::zip_equal(op.getResults(), results)) {
    auto attribute = dyn_cast<Attribute>(folded);
    HostValue value = attribute ? HostValue(attribute) : values[cast<Value>(folded)];
    values[result] = std::move(value);
  }
  return llvm::Error::success();
}

llvm::Error HostOps::allocate(memref::AllocOp op) {
  SmallVector<int64_t, 4> sizes = numbers(op.getMixedSizes());
  for (int64_t size : sizes)
    if (size < 0)
      return failure(*op, "a negative size");
  BufferView made{{}, 0, sizes, identityStrides(sizes)};
  auto buffer = allocate(made.numElements() * bytesOfElement(op.getType()));
  if (!buffer)
    return buffer.takeError();
  made.buffer = std::move(*buffer);
  values[op] = std::move(made);
  return llvm::Error::success();
}

void HostOps::takeSubview(memref::SubViewOp op) {
  BufferView result = view(op.getSource());
  SmallVector<int64_t, 4> offsets = numbers(op.getMixedOffsets()),
                          sizes = numbers(op.getMixedSizes()),
                          steps = numbers(op.getMixedStrides());
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<int64_t, 4> keptSizes, keptStrides;
  for (size_t d = 0; d != sizes.size(); ++d) {
    result.offset += offsets[d] * result.strides[d];
    if (dropped.test(d))
      continue;
    keptSizes.push_back(sizes[d]);
    keptStrides.push_back(result.strides[d] * steps[d]);
  }
  result.sizes = keptSizes;
  result.strides = keptStrides;
  values[op] = std::move(result);
}

void HostOps::reinterpret(memref::ReinterpretCastOp op) {
  BufferView result = view(op.getSource());
  result.offset = numbers(op.getMixedOffsets()).front();
  result.sizes = numbers(op.getMixedSizes());
  result.strides = numbers(op.getMixedStrides());
  values[op] = std::move(result);
}

llvm::Error HostOps::reshape(memref::ReshapeOp op) {
  BufferView result = view(op.getSource());
  auto stored = download(op.getShape());
  if (!stored)
    return stored.takeError();
  int64_t elements = result.numElements(), wanted = 1;
  result.sizes.clear();
  bool isWord = stored->type.getElementType().isInteger(32);
  for (int64_t d = 0; d != stored->numElements(); ++d) {
    result.sizes.push_back(isWord ? stored->as<int32_t>()[d] : stored->as<int64_t>()[d]);
    wanted *= result.sizes.back();
  }
  if (wanted != elements)
    return failure(*op, llvm::Twine(elements) + " elements cannot become " + llvm::Twine(wanted));
  result.strides = identityStrides(result.sizes);
  values[op] = std::move(result);
  return llvm::Error::success();
}

void HostOps::expand(memref::ExpandShapeOp op) {
  const BufferView &source = view(op.getSrc());
  BufferView result{source.buffer, source.offset, numbers(op.getMixedOutputShape()), {}};
  result.strides.assign(result.sizes.size(), 1);
  for (auto [index, group] : llvm::enumerate(op.getReassociationIndices())) {
    int64_t stride = source.strides[index];
    for (int64_t d : llvm::reverse(group)) {
      result.strides[d] = stride;
      stride *= result.sizes[d];
    }
  }
  values[op] = std::move(result);
}

void HostOps::collapse(memref::CollapseShapeOp op) {
  const BufferView &source = view(op.getSrc());
  BufferView result{source.buffer, source.offset, {}, {}};
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t size = 1, stride = 1;
    bool found = false;
    for (int64_t d : llvm::reverse(group)) {
      if (!found && source.sizes[d] != 1) {
        stride = source.strides[d];
        found = true;
      }
      size *= source.sizes[d];
    }
    result.sizes.push_back(size);
    result.strides.push_back(stride);
  }
  values[op] = std::move(result);
}

/// The address of an element.
static uint64_t addressOf(const BufferView &view, ArrayRef<int64_t> indices, int64_t bytes) {
  int64_t offset = view.offset;
  for (auto [index, stride] : llvm::zip_equal(indices, view.strides))
    offset += index * stride;
  return view.buffer.address + offset * bytes;
}

llvm::Error HostOps::loadScalar(memref::LoadOp op) {
  SmallVector<int64_t, 4> indices = numbers(getAsOpFoldResult(op.getIndices()));
  int64_t bytes = bytesOfElement(op.getMemRefType());
  std::vector<char> data(bytes);
  if (llvm::Error error = device.read(addressOf(view(op.getMemRef()), indices, bytes), data))
    return error;
  values[op] = attributeOf(op.getType(), data);
  return llvm::Error::success();
}

llvm::Error HostOps::storeScalar(memref::StoreOp op) {
  SmallVector<int64_t, 4> indices = numbers(getAsOpFoldResult(op.getIndices()));
  std::vector<char> data = bytesOf(std::get<Attribute>(values[op.getValueToStore()]));
  return device.write(addressOf(view(op.getMemRef()), indices, bytesOfElement(op.getMemRefType())),
                      data);
}

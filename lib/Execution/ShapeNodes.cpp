// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that move elements without changing them: reshapes share their data, all others copy.
//
#include "KernelExtraction.h"
#include "Node.h"
#include "StridedCopy.h"
#include "TensorView.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ptq::execution {

static std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::interleave(shape, stream, "x");
  return "[" + text + "]";
}

namespace {
/// The result is the source's data under another shape.
class ReshapeNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  llvm::Error resultShape(Frame &frame, SmallVectorImpl<int64_t> &shape);
};
} // namespace

llvm::Error ReshapeNode::resultShape(Frame &frame, SmallVectorImpl<int64_t> &shape) {
  ArrayRef<int64_t> source = frame.tensor(reads[0]).type.getShape();
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    for (auto [size, group] : llvm::zip(shape, collapse.getReassociationIndices())) {
      size = 1;
      for (int64_t dim : group)
        size *= source[dim];
    }
  } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    const ValueId *next = reads.begin() + 1;
    for (auto [size, given] : llvm::zip(shape, expand.getStaticOutputShape()))
      size =
          ShapedType::isDynamic(given) ? cast<IntegerAttr>(frame.scalar(*next++)).getInt() : given;
    for (auto [dim, group] : llvm::enumerate(expand.getReassociationIndices())) {
      int64_t product = 1;
      for (int64_t inner : group)
        product *= shape[inner];
      if (product != source[dim])
        return errorAt(op, "cannot expand dimension " + Twine(dim) + " of size " +
                               Twine(source[dim]) + " to the given sizes");
    }
  } else if (isa<tensor::ReshapeOp>(op)) {
    const Tensor &sizes = frame.written(reads[1]);
    bool wide = sizes.type.getElementType().isIndex() || sizes.type.getElementTypeBitWidth() == 64;
    for (auto [dim, size] : llvm::enumerate(shape))
      size = wide ? sizes.as<int64_t>()[dim] : sizes.as<int32_t>()[dim];
  } else {
    for (auto [size, from] : llvm::zip(shape, source)) {
      if (!ShapedType::isDynamic(size) && size != from)
        return errorAt(op, "the tensor's shape is " + shapeText(source));
      size = from;
    }
  }
  return llvm::Error::success();
}

llvm::Error ReshapeNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto shape = llvm::to_vector(type.getShape());
  if (!type.hasStaticShape() || isa<tensor::CastOp, tensor::ReshapeOp>(op))
    if (llvm::Error error = resultShape(frame, shape))
      return error;
  Tensor tensor = frame.tensor(reads[0]);
  int64_t count = 1;
  for (auto [size, declared] : llvm::zip(shape, type.getShape())) {
    if (size < 0 || (!ShapedType::isDynamic(declared) && size != declared))
      return errorAt(op, "the result's shape would be " + shapeText(shape));
    count *= size;
  }
  if (count != tensor.numElements())
    return errorAt(op, "cannot reshape " + shapeText(tensor.type.getShape()) + " to " +
                           shapeText(shape));
  tensor.type = withShape(type, shape);
  frame.setTensor(writes[0], std::move(tensor));
  return llvm::Error::success();
}

NodePtr makeReshapeNode(Operation *op, ValueTable &values) {
  if (!getReshapeSource(op))
    return nullptr;
  auto node = std::make_unique<ReshapeNode>(op);
  for (Value operand : op->getOperands())
    node->reads.push_back(values.id(operand));
  node->writes.push_back(values.id(op->getResult(0)));
  return node;
}

namespace {
/// A copy whose source indices are a linear function of the result's, all known in advance.
class ViewCopyNode : public Node {
public:
  ViewCopyNode(Operation *op, AffineMap map) : Node(op), map(map) {}
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    Tensor source = frame.written(reads[0]);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t width = *elementBytes(type.getElementType()), offset = 0;
    SmallVector<int64_t> from(type.getRank(), 0);
    for (auto [expression, stride] :
         llvm::zip(map.getResults(), rowMajorStrides(source.type.getShape())))
      addLinear(expression, stride, from, offset);
    copyStrided(frame.allocate(writes[0], type), rowMajorStrides(type.getShape()),
                source.data + offset * width, from, type.getShape(), width);
    return llvm::Error::success();
  }

  static bool isLinear(AffineExpr expression) {
    bool linear = true;
    expression.walk([&](AffineExpr part) {
      linear &= part.getKind() == AffineExprKind::Add || part.getKind() == AffineExprKind::Mul ||
                isa<AffineDimExpr, AffineConstantExpr>(part);
    });
    return linear;
  }

private:
  static void addLinear(AffineExpr expression, int64_t factor, MutableArrayRef<int64_t> strides,
                        int64_t &offset) {
    if (auto dim = dyn_cast<AffineDimExpr>(expression))
      strides[dim.getPosition()] += factor;
    else if (auto constant = dyn_cast<AffineConstantExpr>(expression))
      offset += factor * constant.getValue();
    else {
      auto binary = cast<AffineBinaryOpExpr>(expression);
      if (binary.getKind() == AffineExprKind::Mul)
        return addLinear(binary.getLHS(),
                         factor * cast<AffineConstantExpr>(binary.getRHS()).getValue(), strides,
                         offset);
      addLinear(binary.getLHS(), factor, strides, offset);
      addLinear(binary.getRHS(), factor, strides, offset);
    }
  }

  AffineMap map;
};

/// Offsets, sizes and strides of a slice, with what is only known at run time filled in; checks
/// that it lies within `shape`.
struct Slice {
  SmallVector<int64_t> offsets, sizes, strides;

  llvm::Error read(Operation *op, OffsetSizeAndStrideOpInterface slice, Frame &frame,
                   ArrayRef<ValueId> operands, ArrayRef<int64_t> shape) {
    auto fill = [&](ArrayRef<int64_t> from, SmallVectorImpl<int64_t> &to) {
      for (int64_t value : from) {
        if (ShapedType::isDynamic(value)) {
          value = cast<IntegerAttr>(frame.scalar(operands.front())).getInt();
          operands = operands.drop_front();
        }
        to.push_back(value);
      }
    };
    fill(slice.getStaticOffsets(), offsets);
    fill(slice.getStaticSizes(), sizes);
    fill(slice.getStaticStrides(), strides);
    for (auto [dim, extent] : llvm::enumerate(shape)) {
      int64_t first = offsets[dim], last = first + (sizes[dim] - 1) * strides[dim];
      if (sizes[dim] < 0 ||
          (sizes[dim] > 0 && (std::min(first, last) < 0 || std::max(first, last) >= extent)))
        return errorAt(op, "the slice at " + shapeText(offsets) + " of size " + shapeText(sizes) +
                               " is not within a tensor of shape " + shapeText(shape));
    }
    return llvm::Error::success();
  }

  /// Strides into the tensor, and the offset of the first element.
  SmallVector<int64_t> memoryStrides(ArrayRef<int64_t> shape, int64_t &offset) const {
    SmallVector<int64_t> result = rowMajorStrides(shape);
    offset = 0;
    for (size_t dim = 0; dim != shape.size(); ++dim) {
      offset += offsets[dim] * result[dim];
      result[dim] *= strides[dim];
    }
    return result;
  }
};

class ExtractSliceNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    auto slice = cast<tensor::ExtractSliceOp>(op);
    Tensor source = frame.written(reads[0]);
    Slice at;
    if (llvm::Error error =
            at.read(op, slice, frame, ArrayRef(reads).drop_front(), source.type.getShape()))
      return error;
    SmallVector<int64_t> shape;
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (auto [dim, size] : llvm::enumerate(at.sizes))
      if (!dropped[dim])
        shape.push_back(size);
    int64_t offset, width = *elementBytes(source.type.getElementType());
    SmallVector<int64_t> from = at.memoryStrides(source.type.getShape(), offset);
    copyStrided(frame.allocate(writes[0], withShape(op->getResult(0).getType(), shape)),
                rowMajorStrides(at.sizes), source.data + offset * width, from, at.sizes, width);
    return llvm::Error::success();
  }
};

class InsertSliceNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    Tensor source = frame.written(reads[0]), destination = frame.tensor(reads[1]);
    ArrayRef<int64_t> shape = destination.type.getShape();
    Slice at;
    if (llvm::Error error = at.read(op, cast<tensor::InsertSliceOp>(op), frame,
                                    ArrayRef(reads).drop_front(2), shape))
      return error;
    if (ShapedType::getNumElements(at.sizes) != source.numElements())
      return errorAt(op, "the slice has size " + shapeText(at.sizes) + ", the source " +
                             shapeText(source.type.getShape()));
    int64_t offset, width = *elementBytes(source.type.getElementType());
    SmallVector<int64_t> strides = at.memoryStrides(shape, offset);
    char *to = frame.allocate(writes[0], destination.type);
    if (destination.data)
      memcpy(to, destination.data, destination.numBytes());
    else
      memset(to, 0, destination.numBytes());
    copyStrided(to + offset * width, strides, source.data, rowMajorStrides(at.sizes), at.sizes,
                width);
    return llvm::Error::success();
  }
};

class ConcatNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    int64_t dim = cast<tensor::ConcatOp>(op).getDim();
    auto shape = llvm::to_vector(frame.tensor(reads[0]).type.getShape());
    shape[dim] = 0;
    for (ValueId id : reads) {
      ArrayRef<int64_t> part = frame.tensor(id).type.getShape();
      for (size_t d = 0; d != shape.size(); ++d)
        if (static_cast<int64_t>(d) != dim && part[d] != shape[d])
          return errorAt(op, "the parts' shapes differ in dimension " + Twine(d));
      shape[dim] += part[dim];
    }
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (!type.isDynamicDim(dim) && type.getDimSize(dim) != shape[dim])
      return errorAt(op, "the parts make a tensor of shape " + shapeText(shape));
    char *to = frame.allocate(writes[0], withShape(type, shape));
    SmallVector<int64_t> strides = rowMajorStrides(shape);
    int64_t width = *elementBytes(type.getElementType());
    for (ValueId id : reads) {
      const Tensor &part = frame.written(id);
      copyStrided(to, strides, part.data, rowMajorStrides(part.type.getShape()),
                  part.type.getShape(), width);
      to += part.type.getDimSize(dim) * strides[dim] * width;
    }
    return llvm::Error::success();
  }
};

/// tensor.pad with one padding value.
class PadNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    auto pad = cast<tensor::PadOp>(op);
    Tensor source = frame.written(reads[0]);
    ArrayRef<ValueId> operands = ArrayRef(reads).drop_front();
    auto amounts = [&](ArrayRef<int64_t> given) {
      SmallVector<int64_t> result;
      for (int64_t amount : given) {
        if (ShapedType::isDynamic(amount)) {
          amount = cast<IntegerAttr>(frame.scalar(operands.front())).getInt();
          operands = operands.drop_front();
        }
        result.push_back(amount);
      }
      return result;
    };
    SmallVector<int64_t> low = amounts(pad.getStaticLow()), high = amounts(pad.getStaticHigh());
    SmallVector<int64_t> shape = llvm::to_vector(source.type.getShape());
    for (size_t d = 0; d != shape.size(); ++d) {
      if (low[d] < 0 || high[d] < 0)
        return errorAt(op, "pads by a negative amount");
      shape[d] += low[d] + high[d];
    }
    auto type = withShape(op->getResult(0).getType(), shape);
    int64_t width = *elementBytes(type.getElementType()),
            bits = scalarBits(frame.scalar(reads.back()));
    char *to = frame.allocate(writes[0], type);
    SmallVector<int64_t> strides = rowMajorStrides(shape), same(shape.size(), 0);
    copyStrided(to, strides, reinterpret_cast<const char *>(&bits), same, shape, width);
    for (size_t d = 0; d != shape.size(); ++d)
      to += low[d] * strides[d] * width;
    copyStrided(to, strides, source.data, rowMajorStrides(source.type.getShape()),
                source.type.getShape(), width);
    return llvm::Error::success();
  }
};
} // namespace

NodePtr makeCopyNode(Operation *op, ValueTable &values) {
  NodePtr node;
  SmallVector<Value> operands(op->getOperands());
  if (auto view = getViewSource(op); view && !getReshapeSource(op) &&
                                     llvm::all_of(view->map.getResults(), ViewCopyNode::isLinear)) {
    node = std::make_unique<ViewCopyNode>(op, view->map);
    operands = {view->tensor};
  } else if (isa<tensor::ExtractSliceOp>(op)) {
    node = std::make_unique<ExtractSliceNode>(op);
  } else if (isa<tensor::InsertSliceOp>(op)) {
    node = std::make_unique<InsertSliceNode>(op);
  } else if (isa<tensor::ConcatOp>(op)) {
    node = std::make_unique<ConcatNode>(op);
  } else if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    Value padding = pad.getConstantPaddingValue();
    if (!padding)
      return nullptr;
    node = std::make_unique<PadNode>(op);
    operands.push_back(padding);
  } else {
    return nullptr;
  }
  for (Value operand : operands)
    node->reads.push_back(values.id(operand));
  node->writes.push_back(values.id(op->getResult(0)));
  return node;
}

} // namespace ptq::execution

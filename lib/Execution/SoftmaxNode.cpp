// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// linalg.softmax: y = exp(x − max) / Σ exp(x − max) along one dimension, in float32 (float64 for
// f64).
//
// It is no structured operation, so it has no loops that a kernel could be made of.
//
#include "KernelExtraction.h"
#include "Node.h"
#include "ptq/Checkpoint/Float16.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <cmath>

using namespace mlir;

namespace ptq::execution {

/// Softmax over `size` elements with a distance of `stride`, for `stride` neighbours at a time.
template <typename T> static void softmax(const T *x, T *y, int64_t size, int64_t stride) {
  for (int64_t inner = 0; inner != stride; ++inner) {
    T largest = x[inner];
    for (int64_t i = 1; i < size; ++i)
      largest = std::max(largest, x[inner + i * stride]);
    T sum = 0;
    for (int64_t i = 0; i != size; ++i)
      sum += y[inner + i * stride] = std::exp(x[inner + i * stride] - largest);
    for (int64_t i = 0; i != size; ++i)
      y[inner + i * stride] /= sum;
  }
}

namespace {
class SoftmaxNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override {
    Frame &frame = *frames.front();
    Tensor x = frame.written(reads[0]);
    auto type = withShape(op->getResult(0).getType(), x.type.getShape());
    char *to = frame.allocate(writes[0], type);
    int64_t dim = cast<linalg::SoftmaxOp>(op).getDimension(), outer = 1, inner = 1,
            size = x.type.getDimSize(dim);
    for (auto [d, extent] : llvm::enumerate(x.type.getShape()))
      (static_cast<int64_t>(d) < dim ? outer : inner) *=
          static_cast<int64_t>(d) == dim ? 1 : extent;
    if (x.numElements() == 0)
      return llvm::Error::success();
    Type element = type.getElementType();
    if (element.isF64()) {
      auto *from = reinterpret_cast<const double *>(x.data);
      for (int64_t i = 0; i != outer; ++i)
        softmax(from + i * size * inner, reinterpret_cast<double *>(to) + i * size * inner, size,
                inner);
      return llvm::Error::success();
    }
    std::vector<float> values(x.numElements());
    convertToFloat(x, values);
    for (int64_t i = 0; i != outer; ++i)
      softmax(values.data() + i * size * inner, values.data() + i * size * inner, size, inner);
    auto dtype = element.isF16()    ? checkpoint::DType::F16
                 : element.isBF16() ? checkpoint::DType::BF16
                                    : checkpoint::DType::F32;
    checkpoint::convertFromFloat(
        dtype, values, {to, static_cast<size_t>(type.getNumElements() * *elementBytes(element))});
    return llvm::Error::success();
  }
};
} // namespace

NodePtr makeSoftmaxNode(Operation *op, ValueTable &values) {
  auto softmax = dyn_cast<linalg::SoftmaxOp>(op);
  if (!softmax || op->getNumResults() != 1 ||
      !isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType())) ||
      getElementTypeOrSelf(softmax.getInput().getType()) !=
          getElementTypeOrSelf(op->getResult(0).getType()))
    return nullptr;
  auto node = std::make_unique<SoftmaxNode>(op);
  node->reads = {values.id(softmax.getInput())};
  node->writes = {values.id(op->getResult(0))};
  return node;
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.quantize and ptq.dequantize, element by element as the dialect defines them:
//
//   q = clamp(round(x / s) + z, −2^(bits−1), 2^(bits−1) − 1), half to even, NaN ↦ z
//   x = (q − z)·s
//
// with s and z taken where the scheme's granularity says.
//
#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/IR/PTQ.h"

#include <cmath>

using namespace mlir;

namespace ptq::execution {

/// All elements of a tensor, as integers: an element of fewer than 8 bits lies in the low bits of
/// its byte.
static std::vector<int64_t> readIntegers(const Tensor &tensor) {
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

static std::vector<double> readFloats(const Tensor &tensor) {
  if (tensor.type.getElementType().isF64())
    return std::vector<double>(tensor.as<double>());
  std::vector<float> values(tensor.numElements());
  convertToFloat(tensor, values);
  return std::vector<double>(values.begin(), values.end());
}

namespace {
/// Which scale an element has: parameter(row, column) for rows of the last dimension.
struct ScaleIndex {
  SchemeAttr scheme;
  int64_t columns = 1, rows = 1, rowsPerChannel = 1, groups = 1;

  ScaleIndex(SchemeAttr scheme, ArrayRef<int64_t> shape) : scheme(scheme) {
    if (!shape.empty())
      columns = shape.back();
    for (int64_t size : shape.drop_back(shape.empty() ? 0 : 1))
      rows *= size;
    if (shape.size() > 1 && shape.front() > 0)
      rowsPerChannel = rows / shape.front();
    if (scheme.getGranularity() == Granularity::PerGroup)
      groups = columns / scheme.getGroupSize();
    // A vector's channels are its elements.
    perElement = shape.size() == 1 && scheme.getGranularity() == Granularity::PerChannel;
  }

  int64_t operator()(int64_t row, int64_t column) const {
    switch (scheme.getGranularity()) {
    case Granularity::PerTensor:
      return 0;
    case Granularity::PerChannel:
      return perElement ? column : row / rowsPerChannel;
    case Granularity::PerToken:
      return row;
    case Granularity::PerGroup:
      return row * groups + column / scheme.getGroupSize();
    }
    llvm_unreachable("not a granularity");
  }

private:
  bool perElement = false;
};

class QuantizeNode : public Node {
public:
  using Node::Node;
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  llvm::Error checkParameters(const ScaleIndex &index, size_t scales, size_t zeroPoints);
};
} // namespace

llvm::Error QuantizeNode::checkParameters(const ScaleIndex &index, size_t scales,
                                          size_t zeroPoints) {
  if (index.rows == 0 || index.columns == 0)
    return llvm::Error::success();
  size_t needed = index(index.rows - 1, index.columns - 1) + 1;
  if (scales < needed || (reads.size() > 2 && zeroPoints < needed))
    return errorAt(op,
                   "needs " + Twine(needed) + " scales (and zero points), has " + Twine(scales));
  return llvm::Error::success();
}

llvm::Error QuantizeNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor from = frame.written(reads[0]);
  auto type = withShape(op->getResult(0).getType(), from.type.getShape());
  std::vector<double> scales = readFloats(frame.written(reads[1]));
  std::vector<int64_t> zeroPoints;
  if (reads.size() > 2)
    zeroPoints = readIntegers(frame.written(reads[2]));
  auto quantize = dyn_cast<QuantizeOp>(op);
  SchemeAttr scheme = quantize ? quantize.getScheme() : cast<DequantizeOp>(op).getScheme();
  ScaleIndex index(scheme, from.type.getShape());
  if (llvm::Error error = checkParameters(index, scales.size(), zeroPoints.size()))
    return error;
  auto zeroPointAt = [&](int64_t at) { return zeroPoints.empty() ? int64_t(0) : zeroPoints[at]; };
  char *to = frame.allocate(writes[0], type);
  int64_t width = *elementBytes(type.getElementType());

  if (quantize) {
    std::vector<double> x = readFloats(from);
    double low = scheme.getMinimum(), high = scheme.getMaximum();
    uint64_t mask = type.getElementTypeBitWidth() < 8 ? (1u << type.getElementTypeBitWidth()) - 1
                                                      : ~uint64_t(0);
    bool isDouble = from.type.getElementType().isF64();
    for (int64_t row = 0, i = 0; row != index.rows; ++row)
      for (int64_t column = 0; column != index.columns; ++column, ++i) {
        int64_t at = index(row, column);
        // The quotient is rounded to the precision of x first: all implementations divide in it.
        double quotient = isDouble ? x[i] / scales[at] : float(x[i]) / float(scales[at]);
        double zero = zeroPointAt(at);
        double code = std::isnan(quotient) ? zero : std::nearbyint(quotient) + zero;
        uint64_t bits =
            static_cast<uint64_t>(static_cast<int64_t>(std::clamp(code, low, high))) & mask;
        memcpy(to + i * width, &bits, width);
      }
    return llvm::Error::success();
  }

  std::vector<int64_t> codes = readIntegers(from);
  bool isDouble = type.getElementType().isF64();
  std::vector<float> values(isDouble ? 0 : codes.size());
  for (int64_t row = 0, i = 0; row != index.rows; ++row)
    for (int64_t column = 0; column != index.columns; ++column, ++i) {
      int64_t at = index(row, column), difference = codes[i] - zeroPointAt(at);
      if (isDouble)
        reinterpret_cast<double *>(to)[i] = difference * scales[at];
      else
        values[i] = float(difference) * float(scales[at]);
    }
  if (!isDouble) {
    Type element = type.getElementType();
    auto dtype = element.isF16()    ? checkpoint::DType::F16
                 : element.isBF16() ? checkpoint::DType::BF16
                                    : checkpoint::DType::F32;
    checkpoint::convertFromFloat(dtype, values,
                                 {to, static_cast<size_t>(type.getNumElements() * width)});
  }
  return llvm::Error::success();
}

NodePtr makeQuantizeNode(Operation *op, ValueTable &values) {
  if (!isa<QuantizeOp, DequantizeOp>(op))
    return nullptr;
  auto node = std::make_unique<QuantizeNode>(op);
  for (Value operand : op->getOperands())
    node->reads.push_back(values.id(operand));
  node->writes = {values.id(op->getResult(0))};
  return node;
}

} // namespace ptq::execution

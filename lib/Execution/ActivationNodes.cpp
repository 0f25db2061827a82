// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.scale_channels and ptq.dynamic_quantize. lib/Numerics/ActivationRounding has the arithmetic
// in float32; float64 is computed here.
//
#include "Elements.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/ActivationRounding.h"
#include "ptq/Numerics/Threads.h"

#include <cfloat>
#include <cmath>

using namespace mlir;

namespace ptq::execution {

/// Rows of about this many elements are one task.
static constexpr int64_t elementsPerTask = 1 << 14;

namespace {
class ScaleChannelsNode : public Node {
public:
  ScaleChannelsNode(ScaleChannelsOp op, ValueTable &values) : Node(op) {
    reads = {values.id(op.getX()), values.id(op.getScales())};
    writes = {values.id(op.getY())};
  }
  llvm::Error run(ArrayRef<Frame *> frames) override;
};

class DynamicQuantizeNode : public Node {
public:
  DynamicQuantizeNode(DynamicQuantizeOp op, ValueTable &values) : Node(op) {
    for (Value operand : op->getOperands())
      reads.push_back(values.id(operand));
    for (Value result : op->getResults())
      writes.push_back(values.id(result));
  }
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  void runFloat(Frame &frame, const Tensor &x, int64_t rows, int64_t columns, int64_t parameters);
  void runDouble(Frame &frame, const Tensor &x, int64_t rows, int64_t columns, int64_t parameters);
  void writeZeroPoints(Frame &frame, const Tensor &x, ArrayRef<int8_t> zeroPoints);
  RankedTensorType parameterType(Value result, const Tensor &x);
};
} // namespace

llvm::Error ScaleChannelsNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor x = frame.written(reads[0]), scales = frame.written(reads[1]);
  int64_t columns = x.type.getShape().back(), rows = columns ? x.numElements() / columns : 0;
  char *to = frame.allocate(writes[0], x.type);
  Type element = x.type.getElementType();
  bool isDouble = element.isF64() || scales.type.getElementType().isF64();
  if (isDouble) {
    std::vector<double> values = readDoubles(x), c = readDoubles(scales);
    for (auto [i, value] : llvm::enumerate(values))
      value *= c[i % columns];
    writeFloats(values, element, to);
    return llvm::Error::success();
  }
  std::vector<float> storage, c = readFloats(scales);
  bool isFloat = element.isF32();
  const float *from = viewFloats(x, storage).data();
  auto *products = isFloat ? reinterpret_cast<float *>(to) : storage.data();
  int64_t grain = std::max<int64_t>(1, elementsPerTask / std::max<int64_t>(columns, 1));
  numerics::parallelFor(0, rows, grain, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i != last; ++i)
      for (int64_t k = 0; k != columns; ++k)
        products[i * columns + k] = from[i * columns + k] * c[k];
  });
  if (!isFloat)
    writeFloats(storage, element, to);
  return llvm::Error::success();
}

/// The type of scales and zero points of x.
RankedTensorType DynamicQuantizeNode::parameterType(Value result, const Tensor &x) {
  bool perTensor =
      cast<DynamicQuantizeOp>(op).getScheme().getGranularity() == Granularity::PerTensor;
  return withShape(result.getType(),
                   perTensor ? ArrayRef<int64_t>{1} : x.type.getShape().drop_back());
}

void DynamicQuantizeNode::writeZeroPoints(Frame &frame, const Tensor &x,
                                          ArrayRef<int8_t> zeroPoints) {
  Value result = cast<DynamicQuantizeOp>(op).getZeroPoints();
  if (!result)
    return;
  RankedTensorType type = parameterType(result, x);
  writeIntegers(zeroPoints, type.getElementType(), frame.allocate(writes[2], type));
}

void DynamicQuantizeNode::runFloat(Frame &frame, const Tensor &x, int64_t rows, int64_t columns,
                                   int64_t parameters) {
  auto quantize = cast<DynamicQuantizeOp>(op);
  SchemeAttr attr = quantize.getScheme();
  numerics::ActivationScheme scheme{attr.getBits(), attr.getSymmetric()};
  std::vector<float> storage, channelStorage, scaleStorage;
  ArrayRef<float> channelScales;
  if (reads.size() > 1)
    channelScales = viewFloats(frame.written(reads[1]), channelStorage);
  numerics::ConstMatrix matrix(viewFloats(x, storage).data(), rows, columns);
  std::vector<float> scales(parameters);
  std::vector<int8_t> zeroPoints(scheme.symmetric ? 0 : parameters);
  if (attr.getGranularity() == Granularity::PerTensor) {
    int8_t zeroPoint;
    numerics::computeTensorParameters(matrix, channelScales, scheme, scales[0], zeroPoint);
    if (!scheme.symmetric)
      zeroPoints[0] = zeroPoint;
  } else {
    numerics::computeTokenParameters(matrix, channelScales, scheme, scales, zeroPoints);
  }
  // What divides is the scale as its type holds it.
  RankedTensorType scaleType = parameterType(quantize.getScales(), x);
  char *to = frame.allocate(writes[1], scaleType);
  writeFloats(scales, scaleType.getElementType(), to);
  ArrayRef<float> rounded = viewFloats(Tensor{scaleType, to, nullptr}, scaleStorage);

  auto type = withShape(quantize.getQ().getType(), x.type.getShape());
  char *q = frame.allocate(writes[0], type);
  bool isInt8 = type.getElementType().isInteger(8);
  std::vector<int8_t> wider(isInt8 ? 0 : rows * columns);
  numerics::quantizeActivations(
      matrix, channelScales, scheme, rounded, zeroPoints,
      numerics::MatrixRef<int8_t>(isInt8 ? reinterpret_cast<int8_t *>(q) : wider.data(), rows,
                                  columns));
  writeIntegers(wider, type.getElementType(), q);
  writeZeroPoints(frame, x, zeroPoints);
}

void DynamicQuantizeNode::runDouble(Frame &frame, const Tensor &x, int64_t rows, int64_t columns,
                                    int64_t parameters) {
  auto quantize = cast<DynamicQuantizeOp>(op);
  SchemeAttr scheme = quantize.getScheme();
  std::vector<double> values = readDoubles(x);
  if (reads.size() > 1) {
    std::vector<double> c = readDoubles(frame.written(reads[1]));
    for (auto [i, value] : llvm::enumerate(values))
      value *= c[i % columns];
  }
  double steps = scheme.getMaximum() - scheme.getMinimum();
  std::vector<double> scales(parameters);
  std::vector<int8_t> zeroPoints(parameters), codes(values.size());
  int64_t width = parameters ? values.size() / parameters : 0;
  for (int64_t i = 0; i != parameters; ++i) {
    auto part = MutableArrayRef(values).slice(i * width, width);
    double lo = 0, hi = 0;
    bool hasNaN = false;
    for (double value : part) {
      hasNaN |= std::isnan(value);
      lo = std::min(lo, value);
      hi = std::max(hi, value);
    }
    double s = scheme.getSymmetric() ? std::max(-lo, hi) / scheme.getMaximum()
                                     : (hi * 0.5 - lo * 0.5) / (steps * 0.5);
    scales[i] = hasNaN ? std::nan("") : std::max<double>(s, FLT_MIN);
  }
  RankedTensorType scaleType = parameterType(quantize.getScales(), x);
  char *to = frame.allocate(writes[1], scaleType);
  writeFloats(scales, scaleType.getElementType(), to);
  std::vector<double> rounded = readDoubles(Tensor{scaleType, to, nullptr});
  for (int64_t i = 0; i != parameters; ++i) {
    auto part = MutableArrayRef(values).slice(i * width, width);
    double zero = 0;
    if (!scheme.getSymmetric()) {
      double lo = 0;
      for (double value : part)
        lo = std::min(lo, value);
      double ratio = -lo / scales[i];
      zero = (std::isnan(ratio) ? 0 : std::clamp(std::nearbyint(ratio), 0.0, steps)) +
             scheme.getMinimum();
    }
    zeroPoints[i] = static_cast<int8_t>(zero);
    for (auto [j, value] : llvm::enumerate(part)) {
      double quotient = value / rounded[i];
      double code = std::isnan(quotient) ? zero : std::nearbyint(quotient) + zero;
      codes[i * width + j] =
          static_cast<int8_t>(std::clamp<double>(code, scheme.getMinimum(), scheme.getMaximum()));
    }
  }
  auto type = withShape(quantize.getQ().getType(), x.type.getShape());
  writeIntegers(codes, type.getElementType(), frame.allocate(writes[0], type));
  writeZeroPoints(frame, x, zeroPoints);
}

llvm::Error DynamicQuantizeNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor x = frame.written(reads[0]);
  SchemeAttr scheme = cast<DynamicQuantizeOp>(op).getScheme();
  int64_t columns = x.type.getShape().back(), rows = columns ? x.numElements() / columns : 0;
  int64_t parameters = 1;
  if (scheme.getGranularity() == Granularity::PerToken)
    for (int64_t size : x.type.getShape().drop_back())
      parameters *= size;
  // Tokens without channels have scales all the same.
  if (columns == 0 && scheme.getGranularity() == Granularity::PerToken)
    rows = parameters;
  if (x.type.getElementType().isF64())
    runDouble(frame, x, rows, columns, parameters);
  else
    runFloat(frame, x, rows, columns, parameters);
  return llvm::Error::success();
}

NodePtr makeActivationNode(Operation *op, ValueTable &values) {
  if (auto scale = dyn_cast<ScaleChannelsOp>(op))
    return std::make_unique<ScaleChannelsNode>(scale, values);
  if (auto quantize = dyn_cast<DynamicQuantizeOp>(op))
    return std::make_unique<DynamicQuantizeNode>(quantize, values);
  return nullptr;
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.quantize and ptq.dequantize, element by element as the dialect defines them:
//
//   q = clamp(round(x·c / s) + z, −2^(bits−1), 2^(bits−1) − 1), half to even, NaN ↦ z
//   x = (q − z)·s
//
// with s and z taken where the scheme's granularity says. Activations in 8 bits, which are what
// there is much of, go through lib/Numerics.
//
#include "Elements.h"
#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/ActivationRounding.h"
#include "ptq/Numerics/Threads.h"

#include <cmath>

using namespace mlir;

namespace ptq::execution {

/// Rows of about this many elements are one task.
static constexpr int64_t elementsPerTask = 1 << 14;

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

/// What the two operations have in common: their scales, and zero points or zeros.
class ScaledNode : public Node {
public:
  using Node::Node;

protected:
  /// An error if an element of a tensor of `shape` has no scale.
  llvm::Error checkScales(const ScaleIndex &index, const Tensor &scales, const Tensor *zeroPoints);
};

class QuantizeNode : public ScaledNode {
public:
  QuantizeNode(QuantizeOp op, ValueTable &values);
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  bool isActivation(const Tensor &x, const Tensor *zeroPoints) const;
  void runActivation(Frame &frame, const Tensor &x, const Tensor *zeroPoints, char *to);

  SchemeAttr scheme;
  std::optional<unsigned> zeroPointRead, channelScaleRead;
};

class DequantizeNode : public ScaledNode {
public:
  DequantizeNode(DequantizeOp op, ValueTable &values);
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  bool isRows(const Tensor &from, const Tensor &scales, RankedTensorType to) const;

  SchemeAttr scheme;
};
} // namespace

llvm::Error ScaledNode::checkScales(const ScaleIndex &index, const Tensor &scales,
                                    const Tensor *zeroPoints) {
  if (index.rows == 0 || index.columns == 0)
    return llvm::Error::success();
  int64_t needed = index(index.rows - 1, index.columns - 1) + 1, given = scales.numElements();
  if (given < needed || (zeroPoints && zeroPoints->numElements() < needed))
    return errorAt(op, "needs " + Twine(needed) + " scales (and zero points), has " + Twine(given));
  return llvm::Error::success();
}

QuantizeNode::QuantizeNode(QuantizeOp op, ValueTable &values)
    : ScaledNode(op), scheme(op.getScheme()) {
  reads = {values.id(op.getX()), values.id(op.getScales())};
  if (Value zeroPoints = op.getZeroPoints()) {
    zeroPointRead = values.id(zeroPoints);
    reads.push_back(*zeroPointRead);
  }
  if (Value channelScales = op.getChannelScales()) {
    channelScaleRead = values.id(channelScales);
    reads.push_back(*channelScaleRead);
  }
  writes = {values.id(op.getQ())};
}

/// Tokens or a whole tensor in int8, computed in float32.
bool QuantizeNode::isActivation(const Tensor &x, const Tensor *zeroPoints) const {
  Granularity granularity = scheme.getGranularity();
  return (granularity == Granularity::PerToken || granularity == Granularity::PerTensor) &&
         !x.type.getElementType().isF64() &&
         cast<QuantizeOp>(op).getQ().getType().getElementType().isInteger(8) &&
         (!zeroPoints || zeroPoints->type.getElementType().isInteger(8));
}

void QuantizeNode::runActivation(Frame &frame, const Tensor &x, const Tensor *zeroPoints,
                                 char *to) {
  std::vector<float> storage, scaleStorage, channelStorage;
  ArrayRef<float> channelScales;
  if (channelScaleRead)
    channelScales = viewFloats(frame.written(*channelScaleRead), channelStorage);
  int64_t columns = x.type.getShape().back();
  int64_t rows = columns ? x.numElements() / columns : 0;
  numerics::quantizeActivations(
      numerics::ConstMatrix(viewFloats(x, storage).data(), rows, columns), channelScales,
      {scheme.getBits(), scheme.getSymmetric()}, viewFloats(frame.written(reads[1]), scaleStorage),
      zeroPoints ? zeroPoints->as<int8_t>() : ArrayRef<int8_t>(),
      numerics::MatrixRef<int8_t>(reinterpret_cast<int8_t *>(to), rows, columns));
}

llvm::Error QuantizeNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor from = frame.written(reads[0]), scales = frame.written(reads[1]);
  auto type = withShape(op->getResult(0).getType(), from.type.getShape());
  std::optional<Tensor> zeroTensor;
  if (zeroPointRead)
    zeroTensor = frame.written(*zeroPointRead);
  const Tensor *zeros = zeroTensor ? &*zeroTensor : nullptr;
  ScaleIndex index(scheme, from.type.getShape());
  if (llvm::Error error = checkScales(index, scales, zeros))
    return error;
  char *to = frame.allocate(writes[0], type);
  if (isActivation(from, zeros)) {
    runActivation(frame, from, zeros, to);
    return llvm::Error::success();
  }

  std::vector<double> x = readDoubles(from), s = readDoubles(scales), c;
  if (channelScaleRead)
    c = readDoubles(frame.written(*channelScaleRead));
  std::vector<int64_t> z;
  if (zeros)
    z = readIntegers(*zeros);
  int64_t width = *elementBytes(type.getElementType());
  double low = scheme.getMinimum(), high = scheme.getMaximum();
  uint64_t mask = llvm::maskTrailingOnes<uint64_t>(type.getElementTypeBitWidth());
  bool isDouble = from.type.getElementType().isF64();
  for (int64_t row = 0, i = 0; row != index.rows; ++row)
    for (int64_t column = 0; column != index.columns; ++column, ++i) {
      int64_t at = index(row, column);
      // Product and quotient are rounded to the precision of x first: all implementations compute
      // in it.
      double value = x[i];
      if (!c.empty())
        value = isDouble ? value * c[column] : float(value) * float(c[column]);
      double quotient = isDouble ? value / s[at] : float(value) / float(s[at]);
      double zero = z.empty() ? 0 : z[at];
      double code = std::isnan(quotient) ? zero : std::nearbyint(quotient) + zero;
      uint64_t bits =
          static_cast<uint64_t>(static_cast<int64_t>(std::clamp(code, low, high))) & mask;
      memcpy(to + i * width, &bits, width);
    }
  return llvm::Error::success();
}

DequantizeNode::DequantizeNode(DequantizeOp op, ValueTable &values)
    : ScaledNode(op), scheme(op.getScheme()) {
  for (Value operand : op->getOperands())
    reads.push_back(values.id(operand));
  writes = {values.id(op.getX())};
}

/// Rows of 8-bit integers with one scale each become float32: what is read of an embedding table or
/// a KV cache.
bool DequantizeNode::isRows(const Tensor &from, const Tensor &scales, RankedTensorType to) const {
  Granularity granularity = scheme.getGranularity();
  return from.type.getElementType().isInteger(8) && scales.type.getElementType().isF32() &&
         to.getElementType().isF32() && granularity != Granularity::PerGroup &&
         (granularity != Granularity::PerChannel || to.getRank() > 1);
}

static void dequantizeRows(const ScaleIndex &index, ArrayRef<int8_t> codes, ArrayRef<float> scales,
                           float *to) {
  int64_t columns = index.columns;
  int64_t grain = std::max<int64_t>(1, elementsPerTask / std::max<int64_t>(columns, 1));
  numerics::parallelFor(0, index.rows, grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row != last; ++row) {
      float scale = scales[index(row, 0)];
      for (int64_t i = row * columns, end = i + columns; i != end; ++i)
        to[i] = float(codes[i]) * scale;
    }
  });
}

llvm::Error DequantizeNode::run(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  Tensor from = frame.written(reads[0]), scales = frame.written(reads[1]);
  auto type = withShape(op->getResult(0).getType(), from.type.getShape());
  std::optional<Tensor> zeros;
  if (reads.size() > 2)
    zeros = frame.written(reads[2]);
  ScaleIndex index(scheme, from.type.getShape());
  if (llvm::Error error = checkScales(index, scales, zeros ? &*zeros : nullptr))
    return error;
  if (!zeros && isRows(from, scales, type)) {
    dequantizeRows(index, from.as<int8_t>(), scales.as<float>(),
                   reinterpret_cast<float *>(frame.allocate(writes[0], type)));
    return llvm::Error::success();
  }
  std::vector<int64_t> codes = readIntegers(from), z;
  if (zeros)
    z = readIntegers(*zeros);
  std::vector<double> s = readDoubles(scales);
  bool isDouble = type.getElementType().isF64();
  std::vector<double> values(codes.size());
  for (int64_t row = 0, i = 0; row != index.rows; ++row)
    for (int64_t column = 0; column != index.columns; ++column, ++i) {
      int64_t at = index(row, column), difference = codes[i] - (z.empty() ? 0 : z[at]);
      values[i] = isDouble ? difference * s[at] : float(difference) * float(s[at]);
    }
  writeFloats(values, type.getElementType(), frame.allocate(writes[0], type));
  return llvm::Error::success();
}

NodePtr makeQuantizeNode(Operation *op, ValueTable &values) {
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    return std::make_unique<QuantizeNode>(quantize, values);
  if (auto dequantize = dyn_cast<DequantizeOp>(op))
    return std::make_unique<DequantizeNode>(dequantize, values);
  return nullptr;
}

} // namespace ptq::execution

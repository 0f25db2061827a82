// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_linear and ptq.integer_batch_matmul: exact products of integers, then float
// arithmetic in the order that the dialect gives, one rounding each:
//
//   y[m, n] = (Σ_g float(acc_g[m, n])·s_w[n, g])·s_x[m] + Σ_j x_o[m, j]·w_o[n, j] + b[n],
//   acc_g = Σ_{k in g} (q[m, k] − z[m])·w[n, k]
//
// The sum over groups is taken in float64 and rounded once, as all sums of floats are.
// The zero point is taken out of the sum, acc = Σ q·w − z·Σ w, which is the same modulo 2^32, and
// the verifier sees to it that the result fits.
//
#include "Elements.h"
#include "Gemm.h"
#include "KernelExtraction.h"
#include "LayerNodes.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/IntegerMatmul.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/Threads.h"

using namespace mlir;

namespace ptq::execution {

/// Sums of about this many elements are held at a time.
static constexpr int64_t blockElements = 4 << 20;
static constexpr int64_t rowsPerTask = 16;

namespace {
/// The right operand of a product, b [n, k] in groups of columns, with its scales and what becomes
/// of the sums.
template <typename T> struct RightOperand {
  const int8_t *codes;
  int64_t rows, columns, groups;
  ArrayRef<T> scales; ///< [rows, groups], or one for all.
  ArrayRef<T> bias;   ///< [rows], or empty.
  /// [rows, o]: the weights of the columns that stay in floats, or empty.
  ArrayRef<T> outliers;
  /// [rows, groups]: Σ_{k in g} b[n, k]; needed with zero points only.
  std::vector<int32_t> sums;

  int64_t width() const { return columns / groups; }
  T scale(int64_t n, int64_t g) const {
    return scales.size() == 1 ? scales[0] : scales[n * groups + g];
  }
  void computeSums() {
    sums.assign(rows * groups, 0);
    for (int64_t i = 0; i != rows * groups; ++i)
      for (int8_t code : ArrayRef(codes + i * width(), width()))
        sums[i] += code;
  }
};

/// The left operand, a [m, k].
template <typename T> struct LeftOperand {
  const int8_t *codes;
  int64_t rows;
  ArrayRef<T> scales;          ///< [rows], or one for all.
  ArrayRef<int8_t> zeroPoints; ///< Likewise, or empty.
  ArrayRef<T> outliers;        ///< [rows, o]: the columns that stay in floats, or empty.

  LeftOperand slice(int64_t first, int64_t count, int64_t columns) const {
    int64_t width = rows ? outliers.size() / rows : 0;
    return {codes + first * columns, count,
            scales.size() == 1 ? scales : scales.slice(first, count),
            zeroPoints.size() <= 1 ? zeroPoints : zeroPoints.slice(first, count),
            outliers.slice(first * width, count * width)};
  }
};
} // namespace

/// y[n] (+)= float(acc[n] − z·sum[n])·s[n].
template <typename T, typename Sum>
static void addGroup(const int32_t *acc, const RightOperand<T> &b, int64_t g, int32_t zeroPoint,
                     Sum *y) {
  bool isFirst = g == 0;
  for (int64_t n = 0; n != b.rows; ++n) {
    uint32_t sum = acc[n];
    if (zeroPoint)
      sum -= static_cast<uint32_t>(zeroPoint) * static_cast<uint32_t>(b.sums[n * b.groups + g]);
    T product = static_cast<T>(static_cast<int32_t>(sum)) * b.scale(n, g);
    y[n] = isFirst ? product : y[n] + product;
  }
}

/// y[m, n] += Σ_j a[m, j]·b[n, j].
template <typename T>
static void addOutliers(ArrayRef<T> a, int64_t rows, ArrayRef<T> b, int64_t columns, T *y) {
  int64_t width = a.size() / std::max<int64_t>(rows, 1);
  GemmProblem problem;
  problem.kindA = problem.kindB = problem.kindC = sizeof(T) == 8 ? FloatKind::F64 : FloatKind::F32;
  problem.a = reinterpret_cast<const char *>(a.data());
  problem.b = reinterpret_cast<const char *>(b.data());
  problem.c = reinterpret_cast<char *>(y);
  problem.m = {{rows, width, columns}};
  problem.n = {{columns, width, 1}};
  problem.k = {{width, 1, 1}};
  problem.batch = {{0, 0, 0}};
  problem.accumulate = true;
  runGemm(std::move(problem));
}

/// y [m, n], without the left operand's scales, for some rows of a; `sums` is room for as many rows
/// of sums.
template <typename T, typename Sum>
static void multiplyGroups(const LeftOperand<T> &a, const RightOperand<T> &b, int32_t *sums,
                           Sum *y) {
  for (int64_t g = 0; g != b.groups; ++g) {
    numerics::MatrixRef<const int8_t> left(a.codes + g * b.width(), a.rows, b.width(), b.columns);
    numerics::MatrixRef<const int8_t> right(b.codes + g * b.width(), b.rows, b.width(), b.columns);
    numerics::multiplyInt8(left, right, numerics::MatrixRef<int32_t>(sums, a.rows, b.rows));
    numerics::parallelFor(0, a.rows, rowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t m = first; m != last; ++m) {
        int32_t zeroPoint =
            a.zeroPoints.empty() ? 0 : a.zeroPoints[a.zeroPoints.size() == 1 ? 0 : m];
        addGroup(sums + m * b.rows, b, g, zeroPoint, y + m * b.rows);
      }
    });
  }
}

/// y [m, n] for some rows of a; `sums` is room for as many rows of sums.
template <typename T>
static void multiplyBlock(const LeftOperand<T> &a, const RightOperand<T> &b, int32_t *sums, T *y) {
  if (b.groups == 1) {
    multiplyGroups(a, b, sums, y);
  } else {
    std::vector<double> wide(a.rows * b.rows);
    multiplyGroups(a, b, sums, wide.data());
    std::copy(wide.begin(), wide.end(), y);
  }
  numerics::parallelFor(0, a.rows, rowsPerTask, [&](int64_t first, int64_t last) {
    for (int64_t m = first; m != last; ++m) {
      T scale = a.scales[a.scales.size() == 1 ? 0 : m];
      T *row = y + m * b.rows;
      for (int64_t n = 0; n != b.rows; ++n)
        row[n] *= scale;
    }
  });
  if (!a.outliers.empty())
    addOutliers(a.outliers, a.rows, b.outliers, b.rows, y);
  if (b.bias.empty())
    return;
  numerics::parallelFor(0, a.rows, rowsPerTask, [&](int64_t first, int64_t last) {
    for (int64_t m = first; m != last; ++m)
      for (int64_t n = 0; n != b.rows; ++n)
        y[m * b.rows + n] += b.bias[n];
  });
}

/// Writes y [m, n] as `elementType`, a block of rows at a time.
template <typename T>
static void multiply(const LeftOperand<T> &a, const RightOperand<T> &b, Type elementType, char *y,
                     Frame &frame) {
  bool isInPlace = elementType.isF32() || elementType.isF64();
  int64_t step = std::max<int64_t>(1, blockElements / std::max<int64_t>(b.rows, 1));
  int64_t room = std::min(step, a.rows) * b.rows, width = *elementBytes(elementType);
  std::shared_ptr<char> sums = frame.allocateTemporary(room * sizeof(int32_t)), wide;
  if (!isInPlace)
    wide = frame.allocateTemporary(room * sizeof(T));
  for (int64_t first = 0; first < a.rows; first += step) {
    int64_t count = std::min(step, a.rows - first);
    char *to = y + first * b.rows * width;
    auto *values = reinterpret_cast<T *>(isInPlace ? to : wide.get());
    multiplyBlock(a.slice(first, count, b.columns), b, reinterpret_cast<int32_t *>(sums.get()),
                  values);
    if (!isInPlace)
      writeFloats(ArrayRef<T>(values, count * b.rows), elementType, to);
  }
}

/// Floats in the precision of the computation.
template <typename T> static std::vector<T> readScales(const Tensor &tensor) {
  if constexpr (std::is_same_v<T, double>)
    return readDoubles(tensor);
  else
    return readFloats(tensor);
}

//===----------------------------------------------------------------------===//
// ptq.integer_linear
//===----------------------------------------------------------------------===//

namespace {
/// Scales, and zero points and outliers if there are any, of each token of some samples.
template <typename T> struct Tokens {
  std::vector<T> scales;
  std::vector<int8_t> zeroPoints;
  std::vector<T> outliers;
};

class IntegerLinearNode : public Node {
public:
  IntegerLinearNode(IntegerLinearOp op, ValueTable &values);

  void setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) override;
  bool runsTogether() const override { return together; }
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  template <typename T> llvm::Error evaluate(ArrayRef<Frame *> frames);
  template <typename T> llvm::Error addTokens(Frame &frame, Tokens<T> &to);

  IntegerLinearOp layer;
  ValueId weight, weightScales;
  std::optional<ValueId> zeroPoints, outliers, outlierWeights, bias;
  bool together = true;
};
} // namespace

IntegerLinearNode::IntegerLinearNode(IntegerLinearOp op, ValueTable &values)
    : Node(op), layer(op), weight(values.id(op.getWeight())),
      weightScales(values.id(op.getWeightScales())) {
  if (Value value = op.getXZeroPoints())
    zeroPoints = values.id(value);
  if (Value value = op.getXOutliers()) {
    outliers = values.id(value);
    outlierWeights = values.id(op.getWeightOutliers());
  }
  if (Value value = op.getBias())
    bias = values.id(value);
  for (Value operand : op->getOperands())
    reads.push_back(values.id(operand));
  writes = {values.id(op.getY())};
}

void IntegerLinearNode::setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) {
  bool sharesWeight = isInvariant(weight) && isInvariant(weightScales) &&
                      (!bias || isInvariant(*bias)) &&
                      (!outlierWeights || isInvariant(*outlierWeights));
  together = sharesWeight && !llvm::all_of(reads, isInvariant);
}

/// Appends the sample's. An error if it has not as many as tokens, which dynamic shapes leave to be
/// seen.
template <typename T> llvm::Error IntegerLinearNode::addTokens(Frame &frame, Tokens<T> &to) {
  const Tensor &x = frame.tensor(reads[0]);
  size_t tokens = 1;
  for (int64_t size : x.type.getShape().drop_back())
    tokens *= size;
  std::vector<T> scales = readScales<T>(frame.tensor(reads[1]));
  ArrayRef<int8_t> zeros;
  if (zeroPoints)
    zeros = frame.tensor(*zeroPoints).as<int8_t>();
  bool perTensor = layer.getActivationScheme().getGranularity() == Granularity::PerTensor;
  size_t needed = perTensor ? 1 : tokens;
  if (scales.size() != needed || (zeroPoints && zeros.size() != needed))
    return errorAt(op, "needs " + Twine(needed) +
                           " scales (and zero points) of its activation, has " +
                           Twine(scales.size()));
  // The one scale of a sample is that of each of its tokens.
  for (size_t i = 0; i != tokens; ++i) {
    to.scales.push_back(scales[perTensor ? 0 : i]);
    if (zeroPoints)
      to.zeroPoints.push_back(zeros[perTensor ? 0 : i]);
  }
  if (outliers) {
    const Tensor &stored = frame.tensor(*outliers);
    if (stored.type.getShape().drop_back() != x.type.getShape().drop_back() ||
        stored.type.getShape().back() != frame.tensor(*outlierWeights).type.getShape().back())
      return errorAt(op, "has outliers of another shape than its activation and their weights");
    llvm::append_range(to.outliers, readScales<T>(stored));
  }
  return llvm::Error::success();
}

template <typename T> llvm::Error IntegerLinearNode::evaluate(ArrayRef<Frame *> frames) {
  Frame &frame = *frames.front();
  int64_t in = layer.getInFeatures(), out = layer.getOutFeatures();
  SchemeAttr scheme = layer.getWeightScheme();
  const Tensor &stored = frame.written(weight);
  std::vector<int8_t> unpacked;
  const int8_t *codes = reinterpret_cast<const int8_t *>(stored.data);
  if (scheme.getBits() < 8) {
    unpacked = numerics::unpackCodes(stored.as<uint32_t>(), out, in, scheme.getBits());
    codes = unpacked.data();
  }
  std::vector<T> scales = readScales<T>(frame.written(weightScales)), biases, wide;
  if (bias)
    biases = readScales<T>(frame.written(*bias));
  if (outlierWeights)
    wide = readScales<T>(frame.written(*outlierWeights));
  RightOperand<T> right{codes,  out,    in,   std::max<int64_t>(1, scheme.getGroupsPerRow(in)),
                        scales, biases, wide, {}};
  if (zeroPoints)
    right.computeSums();

  auto declared = layer.getY().getType();
  bool sameShapes = allocateLayerResults(frames, reads[0], writes[0], declared, out);

  // Samples whose integers lie behind each other share one product.
  for (size_t first = 0, next = 0; first != frames.size(); first = next) {
    const char *start = frames[first]->tensor(reads[0]).data, *end = start;
    Tokens<T> tokens;
    do {
      Frame &each = *frames[next++];
      if (llvm::Error error = addTokens(each, tokens))
        return error;
      end += each.tensor(reads[0]).numBytes();
    } while (sameShapes && next != frames.size() && frames[next]->tensor(reads[0]).data == end);
    LeftOperand<T> left{reinterpret_cast<const int8_t *>(start),
                        static_cast<int64_t>(tokens.scales.size()), tokens.scales,
                        tokens.zeroPoints, tokens.outliers};
    multiply(left, right, declared.getElementType(),
             const_cast<char *>(frames[first]->tensor(writes[0]).data), frame);
  }
  return llvm::Error::success();
}

llvm::Error IntegerLinearNode::run(ArrayRef<Frame *> frames) {
  for (Frame *frame : frames)
    for (ValueId id : reads)
      frame->written(id);
  return layer.getY().getType().getElementType().isF64() ? evaluate<double>(frames)
                                                         : evaluate<float>(frames);
}

//===----------------------------------------------------------------------===//
// ptq.integer_batch_matmul
//===----------------------------------------------------------------------===//

namespace {
class IntegerBatchMatmulNode : public Node {
public:
  IntegerBatchMatmulNode(IntegerBatchMatmulOp op, ValueTable &values) : Node(op) {
    for (Value operand : op->getOperands())
      reads.push_back(values.id(operand));
    writes = {values.id(op.getY())};
  }
  llvm::Error run(ArrayRef<Frame *> frames) override;

private:
  template <typename T> llvm::Error evaluate(Frame &frame);
};
} // namespace

template <typename T> llvm::Error IntegerBatchMatmulNode::evaluate(Frame &frame) {
  const Tensor &a = frame.written(reads[0]), &b = frame.written(reads[2]);
  ArrayRef<int64_t> shapeA = a.type.getShape(), shapeB = b.type.getShape();
  int64_t m = shapeA[shapeA.size() - 2], n = shapeB[shapeB.size() - 2], k = shapeA.back(),
          batch = 1;
  for (int64_t size : shapeA.drop_back(2))
    batch *= size;
  std::vector<T> scalesA = readScales<T>(frame.written(reads[1]));
  std::vector<T> scalesB = readScales<T>(frame.written(reads[3]));
  auto isRight = [&](ArrayRef<T> scales, int64_t tokens) {
    return scales.size() == 1 || scales.size() == static_cast<size_t>(batch * tokens);
  };
  if (shapeA.drop_back(2) != shapeB.drop_back(2) || shapeB.back() != k || !isRight(scalesA, m) ||
      !isRight(scalesB, n))
    return errorAt(op, "shapes of operands and scales do not fit together");
  SmallVector<int64_t> shape(shapeA);
  shape.back() = n;
  auto type = withShape(op->getResult(0).getType(), shape);
  char *y = frame.allocate(writes[0], type);
  int64_t width = *elementBytes(type.getElementType());
  auto part = [](ArrayRef<T> scales, int64_t i, int64_t tokens) {
    return scales.size() == 1 ? scales : scales.slice(i * tokens, tokens);
  };
  for (int64_t i = 0; i != batch; ++i) {
    LeftOperand<T> left{a.as<int8_t>().data() + i * m * k, m, part(scalesA, i, m), {}, {}};
    RightOperand<T> right{
        b.as<int8_t>().data() + i * n * k, n, k, 1, part(scalesB, i, n), {}, {}, {}};
    multiply(left, right, type.getElementType(), y + i * m * n * width, frame);
  }
  return llvm::Error::success();
}

llvm::Error IntegerBatchMatmulNode::run(ArrayRef<Frame *> frames) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  return type.getElementType().isF64() ? evaluate<double>(*frames.front())
                                       : evaluate<float>(*frames.front());
}

NodePtr makeIntegerNode(Operation *op, ValueTable &values) {
  if (auto linear = dyn_cast<IntegerLinearOp>(op))
    return std::make_unique<IntegerLinearNode>(linear, values);
  if (auto matmul = dyn_cast<IntegerBatchMatmulOp>(op))
    return std::make_unique<IntegerBatchMatmulNode>(matmul, values);
  return nullptr;
}

} // namespace ptq::execution

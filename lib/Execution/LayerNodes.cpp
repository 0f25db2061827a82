// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LayerNodes.h"
#include "Gemm.h"
#include "KernelExtraction.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/IR/PTQ.h"
#include "ptq/Numerics/Packing.h"
#include "ptq/Numerics/QuantizedWeight.h"
#include "ptq/Numerics/Threads.h"

#include <chrono>

using namespace mlir;

namespace ptq::execution {

/// 16-bit inputs are widened in blocks of about this many elements.
static constexpr int64_t blockElements = 16 << 20;

LinearObserver::~LinearObserver() = default;

LayerNode::LayerNode(Operation *op, ValueTable &values) : Node(op) {
  auto layer = cast<LayerOpInterface>(op);
  in = layer.getInFeatures();
  out = layer.getOutFeatures();
  for (Value operand : op->getOperands()) {
    if (operand == layer.getBias())
      biasRead = reads.size();
    reads.push_back(values.id(operand));
  }
  writes = {values.id(op->getResult(0))};
}

void LayerNode::setInvariance(llvm::function_ref<bool(ValueId)> isInvariant) {
  sharesWeight = llvm::all_of(ArrayRef(reads).drop_front(), isInvariant);
  isSameForAll = sharesWeight && isInvariant(reads[0]);
  together = (sharesWeight || isObserved) && !isSameForAll;
}

std::unique_ptr<LayerNode> makeLayerNode(Operation *op, ValueTable &values) {
  if (!isa<LinearOp, WeightOnlyLinearOp>(op))
    return nullptr;
  return std::make_unique<LayerNode>(op, values);
}

static bool isF32(const Tensor &tensor) { return tensor.type.getElementType().isF32(); }

/// If the tensors of all frames are float32 and lie behind each other, the first one's data.
static const float *getStacked(ArrayRef<Frame *> frames, ValueId id) {
  const char *next = nullptr;
  for (Frame *frame : frames) {
    const Tensor &tensor = frame->tensor(id);
    if (!isF32(tensor) || (next && tensor.data != next))
      return nullptr;
    next = tensor.data + tensor.numBytes();
  }
  return reinterpret_cast<const float *>(frames.front()->tensor(id).data);
}

/// The tensors of all frames as float32, one behind the other.
static const float *stack(ArrayRef<Frame *> frames, ValueId id, std::shared_ptr<char> &memory) {
  if (const float *data = getStacked(frames, id))
    return data;
  int64_t count = 0;
  SmallVector<int64_t> starts;
  for (Frame *frame : frames) {
    starts.push_back(count);
    count += frame->tensor(id).numElements();
  }
  memory = frames.front()->allocateTemporary(count * sizeof(float));
  auto *data = reinterpret_cast<float *>(memory.get());
  numerics::parallelFor(0, frames.size(), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i != last; ++i) {
      const Tensor &tensor = frames[i]->tensor(id);
      convertToFloat(tensor, {data + starts[i], static_cast<size_t>(tensor.numElements())});
    }
  });
  return data;
}

/// Whether the sample is the last of its block.
static bool endsBlock(const Observation &observation, size_t sample) {
  return llvm::binary_search(observation.blocks->ends, int64_t(sample) + 1);
}

llvm::Error LayerNode::observe(ArrayRef<Frame *> frames,
                               std::optional<std::vector<float>> &replacement) {
  std::shared_ptr<char> memory;
  const float *x = stack(frames, reads[0], memory);
  int64_t tokens = 0;
  SmallVector<int64_t> blockEnds;
  for (size_t i = 0; i != frames.size(); ++i) {
    tokens += frames[i]->tensor(reads[0]).numElements() / std::max<int64_t>(in, 1);
    if (isSameForAll || endsBlock(*observation, i))
      blockEnds.push_back(tokens);
  }
  auto start = std::chrono::steady_clock::now();
  ObservedInput input{numerics::ConstMatrix(x, tokens, in), blockEnds};
  if (!isSameForAll) {
    input.firstBlock = observation->blocks->first;
    input.blockCount = observation->blocks->count;
  }
  auto result = observation->observer->observe(op, input);
  observation->seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!result)
    return result.takeError();
  replacement = std::move(*result);
  if (replacement && static_cast<int64_t>(replacement->size()) != in * out)
    return errorAt(op, "the replacement weight has " + Twine(replacement->size()) +
                           " elements instead of " + Twine(in * out));
  return llvm::Error::success();
}

llvm::Expected<Tensor> LayerNode::getWeight(Frame &frame) {
  auto layer = dyn_cast<WeightOnlyLinearOp>(op);
  if (!layer)
    return frame.written(reads[1]);
  auto floats = [&](Value operand) {
    const Tensor &tensor =
        frame.written(reads[llvm::find(op->getOperands(), operand) - op->operand_begin()]);
    std::vector<float> values(tensor.numElements());
    convertToFloat(tensor, values);
    return values;
  };
  auto integers = [&](Value operand) -> const Tensor & {
    return frame.written(reads[llvm::find(op->getOperands(), operand) - op->operand_begin()]);
  };
  SchemeAttr scheme = layer.getScheme();
  numerics::QuantizedWeight weight;
  weight.rows = out;
  weight.columns = in;
  weight.scheme.bits = scheme.getBits();
  weight.scheme.symmetric = scheme.getSymmetric();
  weight.scheme.groupSize = scheme.getGroupSize();
  switch (scheme.getGranularity()) {
  case Granularity::PerTensor:
    weight.scheme.granularity = numerics::Granularity::PerTensor;
    break;
  case Granularity::PerGroup:
    weight.scheme.granularity = numerics::Granularity::PerGroup;
    break;
  case Granularity::PerChannel:
    weight.scheme.granularity = numerics::Granularity::PerChannel;
    break;
  case Granularity::PerToken:
    return errorAt(op, "a weight cannot be quantized per token");
  }
  weight.codes =
      numerics::unpackCodes(integers(layer.getWeight()).as<uint32_t>(), out, in, scheme.getBits());
  weight.scales = floats(layer.getScales());
  if (Value zeroPoints = layer.getZeroPoints())
    weight.zeroPoints = integers(zeroPoints).as<int8_t>().vec();
  if (Value index = layer.getGroupIndex()) {
    weight.groupIndex = integers(index).as<int32_t>().vec();
    int64_t groups = weight.groups();
    for (auto [column, group] : llvm::enumerate(weight.groupIndex))
      if (group < 0 || group >= groups)
        return errorAt(op, "group_index[" + Twine(column) + "] is " + Twine(group) +
                               ", there are " + Twine(groups) + " groups");
  }
  if (layer.getRowOffsets()) {
    weight.sparse.rowOffsets = integers(layer.getRowOffsets()).as<int32_t>().vec();
    weight.sparse.columns = integers(layer.getColumns()).as<int32_t>().vec();
    weight.sparse.values = floats(layer.getValues());
    if (llvm::Error invalid = numerics::verify(weight.sparse, out, in))
      return errorAt(op, toString(std::move(invalid)));
  }
  std::shared_ptr<char> memory = frame.allocateTemporary(in * out * sizeof(float));
  numerics::dequantize(weight,
                       numerics::MutableMatrix(reinterpret_cast<float *>(memory.get()), out, in));
  auto type = RankedTensorType::get({out, in}, Float32Type::get(op->getContext()));
  return Tensor{type, memory.get(), memory};
}

/// n elements of a float kind as T.
template <typename T> static std::vector<T> widen(const Tensor &tensor) {
  if constexpr (std::is_same_v<T, double>)
    if (tensor.type.getElementType().isF64())
      return tensor.as<double>().vec();
  std::vector<float> values(tensor.numElements());
  convertToFloat(tensor, values);
  return std::vector<T>(values.begin(), values.end());
}

/// y = x·Wᵀ + bias over `rows` tokens, where all are T.
template <typename T>
static void multiply(const char *x, const char *weight, ArrayRef<T> bias, char *y, int64_t rows,
                     int64_t in, int64_t out) {
  GemmProblem problem;
  problem.kindA = problem.kindB = problem.kindC = sizeof(T) == 8 ? FloatKind::F64 : FloatKind::F32;
  problem.a = x;
  problem.b = weight;
  problem.c = y;
  problem.m = {{rows, in, out}};
  problem.n = {{out, in, 1}};
  problem.k = {{in, 1, 1}};
  problem.batch = {{0, 0, 0}};
  problem.accumulate = !bias.empty();
  if (problem.accumulate)
    numerics::parallelFor(0, rows, 64, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i != last; ++i)
        llvm::copy(bias, reinterpret_cast<T *>(y) + i * out);
    });
  runGemm(std::move(problem));
}

/// The same for x and y of 16 bits: a block of tokens at a time goes through float32.
static void multiplyNarrow(const Tensor &x, const char *weight, ArrayRef<float> bias,
                           FloatKind kind, char *y, int64_t rows, int64_t in, int64_t out,
                           Frame &frame) {
  int64_t step = std::max<int64_t>(1, blockElements / std::max<int64_t>({in, out, 1}));
  std::shared_ptr<char> wideX = frame.allocateTemporary(std::min(step, rows) * in * sizeof(float));
  std::shared_ptr<char> wideY = frame.allocateTemporary(std::min(step, rows) * out * sizeof(float));
  Type element = x.type.getElementType();
  int64_t widthX = *elementBytes(element), widthY = kind == FloatKind::F32 ? 4 : 2;
  constexpr int64_t grain = 16;
  for (int64_t start = 0; start < rows; start += step) {
    int64_t count = std::min(step, rows - start);
    auto *floats = reinterpret_cast<float *>(wideX.get());
    numerics::parallelFor(0, count, grain, [&](int64_t first, int64_t last) {
      Tensor part{RankedTensorType::get({last - first, in}, element),
                  x.data + (start + first) * in * widthX, nullptr};
      convertToFloat(part, {floats + first * in, static_cast<size_t>((last - first) * in)});
    });
    multiply<float>(wideX.get(), weight, bias, wideY.get(), count, in, out);
    numerics::parallelFor(0, count, grain, [&](int64_t first, int64_t last) {
      ArrayRef<float> sums(reinterpret_cast<float *>(wideY.get()) + first * out,
                           (last - first) * out);
      checkpoint::DType dtype = kind == FloatKind::F16    ? checkpoint::DType::F16
                                : kind == FloatKind::BF16 ? checkpoint::DType::BF16
                                                          : checkpoint::DType::F32;
      checkpoint::convertFromFloat(
          dtype, sums,
          {y + (start + first) * out * widthY, static_cast<size_t>(sums.size() * widthY)});
    });
  }
}

bool allocateLayerResults(ArrayRef<Frame *> frames, ValueId from, ValueId to,
                          RankedTensorType declared, int64_t out) {
  auto resultType = [&](Frame *frame) {
    auto shape = llvm::to_vector(frame->tensor(from).type.getShape());
    shape.back() = out;
    return withShape(declared, shape);
  };
  bool sameShapes = llvm::all_of(frames, [&](Frame *frame) {
    return frame->tensor(from).type == frames.front()->tensor(from).type;
  });
  if (sameShapes)
    allocateTogether(frames, to, resultType(frames.front()));
  else
    for (Frame *frame : frames)
      frame->allocate(to, resultType(frame));
  return sameShapes;
}

llvm::Error LayerNode::evaluate(ArrayRef<Frame *> frames,
                                std::optional<std::vector<float>> replacement) {
  Frame &frame = *frames.front();
  auto declared = cast<RankedTensorType>(op->getResult(0).getType());
  auto f32 = Float32Type::get(op->getContext());
  Tensor weight;
  if (replacement) {
    weight = {RankedTensorType::get({out, in}, f32),
              reinterpret_cast<const char *>(replacement->data()), nullptr};
  } else {
    auto stored = getWeight(frame);
    if (!stored)
      return stored.takeError();
    weight = std::move(*stored);
  }
  FloatKind kindX = *getFloatKind(frame.tensor(reads[0]).type.getElementType());
  FloatKind kindY = *getFloatKind(declared.getElementType());
  bool isDouble = kindX == FloatKind::F64 && kindY == FloatKind::F64;
  if (!isDouble && (kindX == FloatKind::F64 || kindY == FloatKind::F64))
    return errorAt(op, "input and result must both be f64, or neither");

  std::vector<float> weight32, bias32;
  std::vector<double> weight64, bias64;
  if (isDouble && !weight.type.getElementType().isF64()) {
    weight64 = widen<double>(weight);
    weight.data = reinterpret_cast<const char *>(weight64.data());
  } else if (!isDouble && !isF32(weight)) {
    weight32 = widen<float>(weight);
    weight.data = reinterpret_cast<const char *>(weight32.data());
  }
  if (biasRead && isDouble)
    bias64 = widen<double>(frame.written(reads[*biasRead]));
  else if (biasRead)
    bias32 = widen<float>(frame.written(reads[*biasRead]));

  bool sameShapes = allocateLayerResults(frames, reads[0], writes[0], declared, out);

  // Samples of a block whose inputs, and so whose results, lie behind each other share one GEMM.
  for (size_t first = 0, next = 0; first != frames.size(); first = next) {
    const Tensor &x = frames[first]->tensor(reads[0]);
    int64_t elements = 0;
    const char *end = x.data;
    do {
      const Tensor &part = frames[next++]->tensor(reads[0]);
      elements += part.numElements();
      end += part.numBytes();
    } while (sameShapes && next != frames.size() && !endsBlock(*observation, next - 1) &&
             frames[next]->tensor(reads[0]).data == end);
    int64_t rows = elements / std::max<int64_t>(in, 1);
    char *y = const_cast<char *>(frames[first]->tensor(writes[0]).data);
    if (isDouble)
      multiply<double>(x.data, weight.data, bias64, y, rows, in, out);
    else if (kindX == FloatKind::F32 && kindY == FloatKind::F32)
      multiply<float>(x.data, weight.data, bias32, y, rows, in, out);
    else
      multiplyNarrow(x, weight.data, bias32, kindY, y, rows, in, out, frame);
  }
  return llvm::Error::success();
}

llvm::Error LayerNode::run(ArrayRef<Frame *> frames) {
  for (Frame *frame : frames)
    frame->written(reads[0]);
  std::optional<std::vector<float>> replacement;
  if (isObserved && observation->observer)
    if (llvm::Error error = observe(frames, replacement))
      return error;
  if (!isEvaluated)
    return llvm::Error::success();
  if (sharesWeight || replacement)
    return evaluate(frames, std::move(replacement));
  for (Frame *frame : frames)
    if (llvm::Error error = evaluate(frame, std::nullopt))
      return error;
  return llvm::Error::success();
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.weight_only_linear → the weight-only kernel. The weight, unless --shuffle-weights has done
// it, and its parameters, which must be constants, are laid out anew (ptq/Kernels/WeightLayout.h);
// being constants they are in the saved parameters. Activations in float32 are rounded to a 16-bit
// type before the kernel, which a remark says; its result is float32 again.

#include "GpuKernels.h"
#include "ShuffledWeight.h"
#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Analysis/WeightValue.h"
#include "ptq/Checkpoint/Float16.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

template <typename T> std::vector<T> castBytes(ArrayRef<char> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

/// A constant vector for the kernel.
template <typename T>
Value createVector(OpBuilder &b, Location loc, std::vector<T> data, Type type, const Twine &key) {
  int64_t size = data.size();
  return createConstant(b, loc, std::move(data), {size}, type, key);
}

/// The layer's constants in the kernel's layout.
class LayerConstants {
public:
  LayerConstants(WeightOnlyLinearOp op, const WeightOnlyLinearSpec &spec) : op(op), spec(spec) {}

  /// Reads them; an error says which is not constant.
  llvm::Error read();
  /// Weight, scales and zero points, as operands of the kernel.
  llvm::Expected<SmallVector<Value>> create(OpBuilder &b);

private:
  std::vector<uint16_t> narrow(ArrayRef<float> values) const {
    std::vector<uint16_t> bits;
    for (float value : values)
      bits.push_back(spec.inputType.isBF16() ? checkpoint::floatToBFloat16(value)
                                             : checkpoint::floatToHalf(value));
    return bits;
  }
  /// [n, groups] from [n, groups] or, per tensor, [1, 1].
  template <typename T> std::vector<T> perRow(std::vector<T> values) {
    if (op.getScheme().getGranularity() == Granularity::PerTensor)
      values.assign(spec.n, values.front());
    return values;
  }

  WeightOnlyLinearOp op;
  const WeightOnlyLinearSpec &spec;
  Value words; ///< The weight in the kernel's order, if it is already.
  std::vector<float> scales, zeroPoints;
};

} // namespace

llvm::Error LayerConstants::read() {
  llvm::Expected<Value> shuffled = findShuffledWeight(op.getWeight(), spec.layout());
  if (!shuffled)
    return shuffled.takeError();
  words = *shuffled;
  if (!words && !matchPattern(op.getWeight(), m_Constant()))
    return llvm::createStringError("its weight is not a constant");
  llvm::Expected<WeightValue> scaleValue = evaluateWeight(op.getScales());
  if (!scaleValue)
    return scaleValue.takeError();
  scales = perRow(std::vector<float>(scaleValue->data));
  if (op.getZeroPoints()) {
    std::optional<std::vector<char>> bytes = constantBytes(op.getZeroPoints());
    if (!bytes)
      return llvm::createStringError("its zero points are not constants");
    std::vector<int8_t> integers = perRow(castBytes<int8_t>(*bytes));
    zeroPoints.assign(integers.begin(), integers.end());
  }
  return llvm::Error::success();
}

llvm::Expected<SmallVector<Value>> LayerConstants::create(OpBuilder &b) {
  Location loc = op.getLoc();
  std::string name = op.getLayerName().str();
  WeightLayout layout = spec.layout();
  if (!words) {
    llvm::Expected<Value> shuffled = createShuffledWeight(b, op, layout);
    if (!shuffled)
      return shuffled.takeError();
    words = *shuffled;
  }
  SmallVector<Value> operands{words};
  int64_t groupSize = spec.groupSize ? spec.groupSize : spec.k;
  if (spec.groupSize) {
    std::vector<uint16_t> rows = shuffleGroups(narrow(scales), groupSize, layout);
    operands.push_back(
        createVector(b, loc, std::move(rows), spec.inputType, name + ".scale_shuffled"));
  } else {
    operands.push_back(createVector(b, loc, scales, b.getF32Type(), name + ".scale"));
  }
  if (!zeroPoints.empty()) {
    std::vector<uint16_t> rows = shuffleGroups(narrow(zeroPoints), groupSize, layout);
    if (!spec.groupSize)
      rows.resize(layout.paddedN()); // all rows are the same
    operands.push_back(
        createVector(b, loc, std::move(rows), spec.inputType, name + ".zero_point_shuffled"));
  }
  return operands;
}

llvm::Expected<WeightOnlyLinearSpec> ptq::weightOnlyLinearSpec(WeightOnlyLinearOp op,
                                                               Type forFloat32) {
  SchemeAttr scheme = op.getScheme();
  if (op.getGroupIndex())
    return llvm::createStringError("its groups are not consecutive channels");
  if (op.getRowOffsets())
    return llvm::createStringError("some of its weights are in a sparse part");
  WeightOnlyLinearSpec spec;
  spec.n = op.getOutFeatures();
  spec.k = op.getInFeatures();
  spec.bits = scheme.getBits();
  if (!WeightLayout::hasBits(spec.bits))
    return llvm::createStringError("kernels have weights of 2, 3, 4 or 8 bits");
  spec.groupSize = scheme.getGranularity() == Granularity::PerGroup ? scheme.getGroupSize() : 0;
  if (spec.groupSize % 16 != 0)
    return llvm::createStringError("its group size is not a multiple of 16");
  spec.zeroPoints = op.getZeroPoints() != nullptr;
  spec.inputType = cast<RankedTensorType>(op.getX().getType()).getElementType();
  if (spec.inputType.isF32()) {
    if (!forFloat32)
      return llvm::createStringError("its activations are in float32");
    spec.inputType = forFloat32;
  }
  spec.scaleType = Float32Type::get(op.getContext());
  if (op.getBias())
    spec.biasType = cast<RankedTensorType>(op.getBias().getType()).getElementType();
  spec.outputType = cast<RankedTensorType>(op.getY().getType()).getElementType();
  for (Type type : {spec.inputType, spec.biasType, spec.outputType})
    if (type && kernelTypeName(type).empty())
      return llvm::createStringError("its type is none of f16, bf16 and f32");
  return spec;
}

llvm::Error ptq::lowerToGpu(WeightOnlyLinearOp op, GpuKernels &kernels) {
  OpBuilder b(op);
  auto inputType = cast<RankedTensorType>(op.getX().getType());
  auto outputType = cast<RankedTensorType>(op.getY().getType());
  llvm::Expected<WeightOnlyLinearSpec> expected =
      weightOnlyLinearSpec(op, kernels.narrowActivations);
  if (!expected)
    return expected.takeError();
  const WeightOnlyLinearSpec &spec = *expected;

  GemmProblem problem{GemmProblem::Kind::WeightOnlyLinear, expectedRows(outputType), spec.n,
                      spec.k};
  problem.weightBits = spec.bits;
  problem.groupSize = spec.groupSize;
  problem.zeroPoints = spec.zeroPoints;
  problem.outputBytes = spec.outputType.getIntOrFloatBitWidth() / 8;
  std::optional<TileChoice> choice = chooseTile(kernels.getChip(), problem);
  if (!choice)
    return llvm::createStringError("no tile fits on the chip");
  const GemmTile &tile = choice->tile;

  LayerConstants constants(op, spec);
  if (llvm::Error error = constants.read())
    return error;
  llvm::Expected<SmallVector<Value>> parameters = constants.create(b);
  if (!parameters)
    return parameters.takeError();
  kernels.explain(op, problem, *choice);
  Value x = op.getX();
  if (inputType.getElementType() != spec.inputType) {
    emitRemark(op.getLoc()) << "layer '" << op.getLayerName()
                            << "' has float32 activations, which are rounded to "
                            << kernelTypeName(spec.inputType)
                            << " for its kernel (float32-activations)";
    x = arith::TruncFOp::create(b, op.getLoc(), inputType.clone(spec.inputType), x);
  }
  SmallVector<Value> operands{x};
  operands.append(*parameters);
  if (op.getBias())
    operands.push_back(op.getBias());

  std::string name = llvm::formatv(
      "weight_only_linear_b{0}_g{1}_n{2}_k{3}_{4}x{5}x{6}_{7}x{8}x{9}_s{10}_{11}_{12}", spec.bits,
      spec.groupSize, spec.n, spec.k, tile.blockM, tile.blockN, tile.blockK, tile.warpsM,
      tile.warpsN, tile.warpsK, tile.stages, kernelTypeName(spec.inputType),
      kernelTypeName(spec.outputType));
  if (tile.splits > 1)
    name += "_split" + std::to_string(tile.splits);
  if (spec.zeroPoints)
    name += "_zero";
  if (spec.biasType)
    name += ("_bias_" + kernelTypeName(spec.biasType)).str();
  kernels.require(name,
                  [&](gpu::GPUModuleOp module) { emitWeightOnlyLinear(module, name, spec, tile); });
  Value result = kernels.launch(b, op.getLoc(), {name, tile, sharedBytes(spec, tile), spec.n},
                                operands, outputType, op.getX());
  op.getY().replaceAllUsesWith(result);
  op.erase();
  return llvm::Error::success();
}

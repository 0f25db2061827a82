// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_linear with a weight of up to 4 bits, or one in progressive groups → the W4A8 or W4A4
// kernel. The weight and its groups' parameters, which must be constants, are laid out anew
// (ptq/Kernels/PackedIntegerLayout.h); being constants they are in the saved parameters.
//
// 4-bit activations are bytes here, as the operation has them. On a chip with mma of s4 a kernel
// packs them first, once for all layers that read them, where the bound model says that the faster
// product pays for it; elsewhere they are int8 activations like others.

#include "IntegerLinearToGpu.h"
#include "ptq/Analysis/StoredConstant.h"
#include "ptq/Kernels/PackActivations.h"
#include "ptq/Kernels/PackedIntegerLinear.h"
#include "ptq/Numerics/Packing.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstring>

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

/// A layer's weight, as the kernel's operands are made of it.
struct PackedWeightConstants {
  std::vector<int8_t> codes;               ///< [n, k]; of groups unsigned
  std::vector<int8_t> integers;            ///< [n, k], what the codes stand for
  std::vector<uint8_t> scales, zeroPoints; ///< [n, groups]; empty without groups
  int64_t groupSize = 0;
};

} // namespace

/// Constant words of `bits` bits a code, [n, k].
static llvm::Expected<std::vector<int8_t>> readCodes(Value words, int64_t n, int64_t k,
                                                     unsigned bits) {
  if (bits > PackedIntegerLayout::weightBits)
    return llvm::createStringError("kernels have integer weights of 8 bits, or of at most 4");
  std::optional<std::vector<char>> bytes = constantBytes(words);
  if (!bytes)
    return llvm::createStringError("its weight is not a constant");
  std::vector<uint32_t> packed(bytes->size() / 4);
  std::memcpy(packed.data(), bytes->data(), packed.size() * 4);
  return numerics::unpackCodes(packed, n, k, bits);
}

static llvm::Expected<PackedWeightConstants> readGroups(ExpandGroupsOp op) {
  constexpr int offset = 1 << (PackedIntegerLayout::weightBits - 1);
  int64_t n = op.getY().getType().getDimSize(0), k = op.getY().getType().getDimSize(1);
  llvm::Expected<std::vector<int8_t>> codes = readCodes(op.getCodes(), n, k, op.getBits());
  if (!codes)
    return codes.takeError();
  std::optional<std::vector<char>> scales = constantBytes(op.getScales()),
                                   zeroPoints = constantBytes(op.getZeroPoints());
  if (!scales || !zeroPoints)
    return llvm::createStringError("its groups' scales and zero points are not constants");
  PackedWeightConstants weight;
  weight.groupSize = op.getGroupSize();
  weight.codes = std::move(*codes);
  weight.integers.resize(n * k);
  for (auto [scale, zeroPoint] : llvm::zip_equal(*scales, *zeroPoints)) {
    int s = static_cast<int8_t>(scale), z = static_cast<int8_t>(zeroPoint) + offset;
    if (s < 1 || 15 * s > 255 || z < 0 || z > 15)
      return llvm::createStringError("a scale or zero point of its groups is out of range");
    weight.scales.push_back(s);
    weight.zeroPoints.push_back(z);
  }
  int64_t groups = k / weight.groupSize;
  for (int64_t i = 0; i < n * k; ++i) {
    int64_t group = i / k * groups + i % k / weight.groupSize;
    weight.codes[i] += offset;
    int integer = (weight.codes[i] - weight.zeroPoints[group]) * weight.scales[group];
    if (integer != static_cast<int8_t>(integer))
      return llvm::createStringError("a weight is out of the range of 8 bits");
    weight.integers[i] = integer;
  }
  return weight;
}

static llvm::Expected<PackedWeightConstants> readWeight(IntegerLinearOp op) {
  if (auto expand = op.getWeight().getDefiningOp<ExpandGroupsOp>())
    return readGroups(expand);
  PackedWeightConstants weight;
  llvm::Expected<std::vector<int8_t>> codes = readCodes(
      op.getWeight(), op.getOutFeatures(), op.getInFeatures(), op.getWeightScheme().getBits());
  if (!codes)
    return codes.takeError();
  weight.codes = std::move(*codes);
  weight.integers = weight.codes;
  return weight;
}

template <typename T>
static Value createVector(OpBuilder &b, IntegerLinearOp op, std::vector<T> data, Type type,
                          const Twine &key) {
  int64_t size = data.size();
  return createConstant(b, op.getLoc(), std::move(data), {size}, type, op.getLayerName() + key);
}

/// What packing the activations adds to a product, in cycles: a launch, and 1.5 bytes a value.
static double packingCycles(const Chip &chip, const GemmProblem &problem) {
  constexpr double launchSeconds = 3e-6;
  double bytes = 1.5 * problem.m * problem.k;
  return launchSeconds * chip.gigahertz * 1e9 + bytes / (chip.dramGBs / chip.gigahertz);
}

/// The tile, and with it the specification's activationBits and the problem that it is for.
static std::optional<TileChoice> choose(const Chip &chip, PackedIntegerLinearSpec &spec,
                                        RankedTensorType outputType, bool int4Activations,
                                        GemmProblem &problem) {
  problem = {GemmProblem::Kind::PackedIntegerLinear, expectedRows(outputType), spec.linear.n,
             spec.linear.k};
  problem.weightBits = PackedIntegerLayout::weightBits;
  problem.groupSize = spec.groupSize;
  problem.outputBytes = spec.linear.outputType.getIntOrFloatBitWidth() / 8;
  std::optional<TileChoice> choice;
  if (whyUnsupported(spec).empty())
    choice = chooseTile(chip, problem);
  if (!int4Activations || !chip.hasMmaS4 || spec.groupSize)
    return choice;
  GemmProblem narrow = problem;
  narrow.kind = GemmProblem::Kind::Int4Linear;
  std::optional<TileChoice> packed = chooseTile(chip, narrow);
  if (packed &&
      (!choice || packed->bound.cycles() + packingCycles(chip, problem) < choice->bound.cycles())) {
    spec.activationBits = 4;
    problem = narrow;
    return packed;
  }
  return choice;
}

/// The activations, two in a byte.
static Value packActivations(OpBuilder &b, IntegerLinearOp op, GpuKernels &kernels) {
  Value x = op.getX();
  Value &packed = kernels.packedActivations[x];
  if (packed && packed.getParentBlock() == op->getBlock())
    return packed;
  int64_t k = op.getInFeatures(), rowBytes = packedActivationBytes(k);
  std::string name = "pack_activations_k" + std::to_string(k);
  kernels.require(name, [&](gpu::GPUModuleOp module) { emitPackActivations(module, name, k); });
  SmallVector<int64_t> shape(op.getX().getType().getShape());
  shape.back() = rowBytes;
  packed =
      kernels.launch(b, op.getLoc(), {name, packActivationsTile(), /*sharedBytes=*/0, rowBytes}, x,
                     RankedTensorType::get(shape, b.getI8Type()), x);
  return packed;
}

llvm::Error ptq::lowerPackedToGpu(IntegerLinearOp op, GpuKernels &kernels) {
  llvm::Expected<IntegerLinearSpec> linear = integerLinearSpec(op);
  if (!linear)
    return linear.takeError();
  if (linear->outlierType)
    return llvm::createStringError("some of its columns stay in floats and its weight is packed");
  llvm::Expected<PackedWeightConstants> weight = readWeight(op);
  if (!weight)
    return weight.takeError();
  PackedIntegerLinearSpec spec;
  spec.linear = *linear;
  spec.groupSize = weight->groupSize;
  auto outputType = cast<RankedTensorType>(op.getY().getType());
  bool int4 = op.getActivationScheme().getBits() <= 4;
  GemmProblem problem;
  std::optional<TileChoice> choice = choose(kernels.getChip(), spec, outputType, int4, problem);
  if (!choice) {
    StringRef reason = whyUnsupported(spec);
    return llvm::createStringError(reason.empty() ? "no tile fits on the chip" : reason);
  }
  const GemmTile &tile = choice->tile;
  kernels.explain(op, problem, *choice);

  OpBuilder b(op);
  PackedIntegerLayout layout = spec.layout();
  Value x = spec.activationBits == 4 ? packActivations(b, op, kernels) : Value(op.getX());
  SmallVector<Value> operands{x, op.getXScales()};
  if (op.getXZeroPoints())
    operands.append(
        {op.getXZeroPoints(), createRowSums(b, op.getLoc(), weight->integers, spec.linear.n)});
  operands.push_back(createVector(b, op, shuffleWeight(weight->codes, layout), b.getI32Type(),
                                  ".weight_shuffled"));
  if (spec.groupSize)
    operands.push_back(createVector(
        b, op, shuffleGroups(weight->scales, weight->zeroPoints, spec.groupSize, layout),
        b.getI8Type(), ".group_shuffled"));
  operands.push_back(op.getWeightScales());
  if (op.getBias())
    operands.push_back(op.getBias());

  std::string name = "packed_integer_linear_a" + std::to_string(spec.activationBits) + "_g" +
                     std::to_string(spec.groupSize) + "_" + describe(spec.linear, tile);
  kernels.require(
      name, [&](gpu::GPUModuleOp module) { emitPackedIntegerLinear(module, name, spec, tile); });
  Value result =
      kernels.launch(b, op.getLoc(), {name, tile, sharedBytes(spec, tile), spec.linear.n}, operands,
                     outputType, op.getX());
  op.getY().replaceAllUsesWith(result);
  op.erase();
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_linear → the W8A8 kernel.
//
// Σ_k (x − z)·w = Σ_k x·w − z·Σ_k w: the kernel takes the sums of the weight's rows as an operand,
// so that a weight must be a constant where there are zero points.

#include "GpuKernels.h"
#include "ptq/Kernels/IntegerLinear.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

static llvm::Expected<Value> createRowSums(IntegerLinearOp op, OpBuilder &b) {
  std::optional<std::vector<char>> codes = constantBytes(op.getWeight());
  if (!codes)
    return llvm::createStringError(
        "its activations have zero points and its weight is not a constant");
  int64_t n = op.getOutFeatures(), k = op.getInFeatures();
  std::vector<int32_t> sums(n);
  for (int64_t i = 0; i < n * k; ++i)
    sums[i / k] += static_cast<int8_t>((*codes)[i]);
  auto type = RankedTensorType::get({n}, b.getI32Type());
  return arith::ConstantOp::create(b, op.getLoc(),
                                   DenseElementsAttr::get(type, ArrayRef<int32_t>(sums)))
      .getResult();
}

llvm::Error ptq::lowerToGpu(IntegerLinearOp op, GpuKernels &kernels) {
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  auto outputType = cast<RankedTensorType>(op.getY().getType());
  if (!weightType.getElementType().isInteger(8))
    return llvm::createStringError("its weight has fewer than 8 bits");
  if (op.getWeightScheme().getGranularity() == Granularity::PerGroup)
    return llvm::createStringError("its weight has a scale per group");
  if (op.getXOutliers())
    return llvm::createStringError("some of its columns stay in floats");

  IntegerLinearSpec spec;
  spec.n = op.getOutFeatures();
  spec.k = op.getInFeatures();
  auto scaleType = cast<RankedTensorType>(op.getXScales().getType());
  spec.perTokenScale = op.getActivationScheme().getGranularity() == Granularity::PerToken;
  spec.perChannelScale = op.getWeightScheme().getGranularity() == Granularity::PerChannel;
  spec.inputScaleType = scaleType.getElementType();
  spec.weightScaleType = cast<RankedTensorType>(op.getWeightScales().getType()).getElementType();
  if (op.getXZeroPoints())
    spec.zeroPointType = cast<RankedTensorType>(op.getXZeroPoints().getType()).getElementType();
  if (op.getBias())
    spec.biasType = cast<RankedTensorType>(op.getBias().getType()).getElementType();
  spec.outputType = outputType.getElementType();
  for (Type type : {spec.inputScaleType, spec.weightScaleType, spec.biasType, spec.outputType})
    if (type && kernelTypeName(type).empty())
      return llvm::createStringError("its type is none of f16, bf16 and f32");

  GemmProblem problem{GemmProblem::Kind::IntegerLinear, expectedRows(outputType), spec.n, spec.k};
  problem.outputBytes = spec.outputType.getIntOrFloatBitWidth() / 8;
  std::optional<TileChoice> choice = chooseTile(kernels.getChip(), problem);
  if (!choice)
    return llvm::createStringError("no tile fits on the chip");
  const GemmTile &tile = choice->tile;

  OpBuilder b(op);
  SmallVector<Value> operands{op.getX(), op.getXScales()};
  if (op.getXZeroPoints()) {
    llvm::Expected<Value> sums = createRowSums(op, b);
    if (!sums)
      return sums.takeError();
    operands.append({op.getXZeroPoints(), *sums});
  }
  operands.append({op.getWeight(), op.getWeightScales()});
  if (op.getBias())
    operands.push_back(op.getBias());

  std::string name =
      llvm::formatv("integer_linear_n{0}_k{1}_{2}x{3}x{4}_{5}x{6}_s{7}_{8}_x{9}{10}_w{11}{12}",
                    spec.n, spec.k, tile.blockM, tile.blockN, tile.blockK, tile.warpsM, tile.warpsN,
                    tile.stages, kernelTypeName(spec.outputType),
                    kernelTypeName(spec.inputScaleType), spec.perTokenScale ? "_token" : "",
                    kernelTypeName(spec.weightScaleType), spec.perChannelScale ? "_channel" : "");
  if (spec.zeroPointType)
    name += "_zero";
  if (spec.biasType)
    name += ("_bias_" + kernelTypeName(spec.biasType)).str();
  kernels.require(name,
                  [&](gpu::GPUModuleOp module) { emitIntegerLinear(module, name, spec, tile); });
  Value result = kernels.launch(b, op.getLoc(), {name, tile, sharedBytes(spec, tile), spec.n},
                                operands, outputType, op.getX());
  op.getY().replaceAllUsesWith(result);
  op.erase();
  return llvm::Error::success();
}

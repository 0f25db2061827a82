// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_linear → the W8A8 kernel.
//
// Σ_k (x − z)·w = Σ_k x·w − z·Σ_k w: the kernel takes the sums of the weight's rows as an operand,
// so that a weight must be a constant where there are zero points. Outliers in float32 are rounded
// to a 16-bit type, which a remark says.

#include "IntegerLinearToGpu.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

Value ptq::createRowSums(OpBuilder &b, Location loc, ArrayRef<int8_t> integers, int64_t n) {
  int64_t k = integers.size() / n;
  std::vector<int32_t> sums(n);
  for (int64_t i = 0; i < n * k; ++i)
    sums[i / k] += integers[i];
  auto type = RankedTensorType::get({n}, b.getI32Type());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(sums)));
}

/// What the outliers are multiplied in: a 16-bit type that one of them has, else float32, which is
/// to be rounded.
static Type tailType(Type x, Type weight) {
  for (Type type : {x, weight})
    if (type.isF16() || type.isBF16())
      return type;
  return Float32Type::get(x.getContext());
}

/// A tensor with its elements rounded to `type`.
static Value roundTo(OpBuilder &b, Location loc, Value tensor, Type type) {
  auto from = cast<RankedTensorType>(tensor.getType());
  if (from.getElementType() == type)
    return tensor;
  if (from.getElementType().getIntOrFloatBitWidth() == 16)
    tensor = arith::ExtFOp::create(b, loc, from.clone(b.getF32Type()), tensor);
  return arith::TruncFOp::create(b, loc, from.clone(type), tensor);
}

llvm::Expected<IntegerLinearSpec> ptq::integerLinearSpec(IntegerLinearOp op) {
  IntegerLinearSpec spec;
  spec.n = op.getOutFeatures();
  spec.k = op.getInFeatures();
  spec.perTokenScale = op.getActivationScheme().getGranularity() == Granularity::PerToken;
  spec.perChannelScale = op.getWeightScheme().getGranularity() == Granularity::PerChannel;
  spec.inputScaleType = cast<RankedTensorType>(op.getXScales().getType()).getElementType();
  spec.weightScaleType = cast<RankedTensorType>(op.getWeightScales().getType()).getElementType();
  if (op.getXZeroPoints())
    spec.zeroPointType = cast<RankedTensorType>(op.getXZeroPoints().getType()).getElementType();
  if (op.getBias())
    spec.biasType = cast<RankedTensorType>(op.getBias().getType()).getElementType();
  spec.outputType = cast<RankedTensorType>(op.getY().getType()).getElementType();
  if (Value outliers = op.getXOutliers()) {
    auto type = cast<RankedTensorType>(outliers.getType());
    Type weight = cast<RankedTensorType>(op.getWeightOutliers().getType()).getElementType();
    bool dynamic = ShapedType::isDynamic(type.getShape().back());
    spec.outlierColumns = dynamic ? spec.dynamicOutliers : type.getShape().back();
    if (spec.outlierColumns != 0)
      spec.outlierType = tailType(type.getElementType(), weight);
  }
  for (Type type : {spec.inputScaleType, spec.weightScaleType, spec.biasType, spec.outputType})
    if (type && kernelTypeName(type).empty())
      return llvm::createStringError("its type is none of f16, bf16 and f32");
  return spec;
}

std::string ptq::describe(const IntegerLinearSpec &spec, const GemmTile &tile) {
  std::string text =
      llvm::formatv("n{0}_k{1}_{2}x{3}x{4}_{5}x{6}_s{7}_{8}_x{9}{10}_w{11}{12}", spec.n, spec.k,
                    tile.blockM, tile.blockN, tile.blockK, tile.warpsM, tile.warpsN, tile.stages,
                    kernelTypeName(spec.outputType), kernelTypeName(spec.inputScaleType),
                    spec.perTokenScale ? "_token" : "", kernelTypeName(spec.weightScaleType),
                    spec.perChannelScale ? "_channel" : "");
  if (tile.wgmma)
    text += "_wgmma";
  if (tile.splits > 1)
    text += "_split" + std::to_string(tile.splits);
  if (spec.zeroPointType)
    text += "_zero";
  if (spec.outlierType)
    text += ("_outliers_" + kernelTypeName(spec.outlierType) + "_").str() +
            (spec.hasDynamicOutliers() ? "dynamic" : std::to_string(spec.outlierColumns));
  if (spec.biasType)
    text += ("_bias_" + kernelTypeName(spec.biasType)).str();
  return text;
}

llvm::Error ptq::lowerToGpu(IntegerLinearOp op, GpuKernels &kernels) {
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  auto outputType = cast<RankedTensorType>(op.getY().getType());
  if (op.getWeightScheme().getGranularity() == Granularity::PerGroup)
    return llvm::createStringError("its weight has a float scale per group");
  if (!weightType.getElementType().isInteger(8))
    return lowerPackedToGpu(op, kernels);
  // What the packed kernel cannot take goes on as the int8 weight that it stands for.
  if (op.getWeight().getDefiningOp<ExpandGroupsOp>()) {
    llvm::Error error = lowerPackedToGpu(op, kernels);
    if (!error)
      return error;
    llvm::consumeError(std::move(error));
  }
  llvm::Expected<IntegerLinearSpec> spec = integerLinearSpec(op);
  if (!spec)
    return spec.takeError();
  bool narrows = spec->outlierType && spec->outlierType.isF32();
  if (narrows && !kernels.narrowActivations)
    return llvm::createStringError("its outliers are in float32");
  if (narrows)
    spec->outlierType = kernels.narrowActivations;

  GemmProblem problem{GemmProblem::Kind::IntegerLinear, expectedRows(outputType), spec->n, spec->k};
  problem.outputBytes = spec->outputType.getIntOrFloatBitWidth() / 8;
  problem.tail = bool(spec->outlierType);
  std::optional<TileChoice> choice = chooseTile(kernels.getChip(), problem);
  if (!choice)
    return llvm::createStringError("no tile fits on the chip");
  const GemmTile &tile = choice->tile;
  kernels.explain(op, problem, *choice);

  OpBuilder b(op);
  SmallVector<Value> operands{op.getX(), op.getXScales()};
  if (op.getXZeroPoints()) {
    std::optional<std::vector<char>> codes = constantBytes(op.getWeight());
    if (!codes)
      return llvm::createStringError(
          "its activations have zero points and its weight is not a constant");
    ArrayRef<int8_t> integers(reinterpret_cast<const int8_t *>(codes->data()), codes->size());
    operands.append({op.getXZeroPoints(), createRowSums(b, op.getLoc(), integers, spec->n)});
  }
  operands.append({op.getWeight(), op.getWeightScales()});
  SmallVector<Value> numbers;
  if (spec->outlierType) {
    for (Value outliers : {op.getXOutliers(), op.getWeightOutliers()})
      operands.push_back(roundTo(b, op.getLoc(), outliers, spec->outlierType));
    int64_t last = cast<RankedTensorType>(op.getXOutliers().getType()).getRank() - 1;
    if (spec->hasDynamicOutliers())
      numbers.push_back(arith::IndexCastOp::create(
          b, op.getLoc(), b.getI32Type(),
          tensor::DimOp::create(b, op.getLoc(), op.getXOutliers(), last)));
  }
  if (op.getBias())
    operands.push_back(op.getBias());

  std::string name = "integer_linear_" + describe(*spec, tile);
  kernels.require(name,
                  [&](gpu::GPUModuleOp module) { emitIntegerLinear(module, name, *spec, tile); });
  Value result =
      kernels.launch(b, op.getLoc(), {name, tile, sharedBytes(*spec, tile), spec->n, numbers},
                     operands, outputType, op.getX());
  if (narrows)
    emitRemark(op.getLoc()) << "layer '" << op.getLayerName()
                            << "' has float32 outliers, which are rounded to "
                            << kernelTypeName(spec->outlierType)
                            << " for its kernel (float32-activations)";
  op.getY().replaceAllUsesWith(result);
  op.erase();
  return llvm::Error::success();
}

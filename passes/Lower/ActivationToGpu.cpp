// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.dynamic_quantize and ptq.quantize → the kernel that quantizes activations. A row is a token:
// the last dimension, whose size must be static; there may be any number of rows.
// ptq.scale_channels before them is in their channel scales already; a norm before them that nobody
// else reads is computed by the same kernel.

#include "GpuKernels.h"
#include "NormMatcher.h"
#include "ptq/Kernels/ActivationQuantization.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

using Spec = ActivationQuantizationSpec;

static Type elementType(Value value) {
  return value ? cast<RankedTensorType>(value.getType()).getElementType() : Type();
}

/// What the two operations have in common.
static llvm::Expected<Spec> describe(Value x, Value codes, Value scales, Value zeroPoints,
                                     Value channelScales, SchemeAttr scheme) {
  auto type = cast<RankedTensorType>(x.getType());
  if (type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1) || type.getShape().back() == 0)
    return llvm::createStringError("its last dimension has no static size");
  if (!elementType(codes).isInteger(8))
    return llvm::createStringError("its integers are not i8");
  if (scheme.getBits() < 2 || scheme.getBits() > 8)
    return llvm::createStringError("kernels have integers of 2 to 8 bits");
  Spec spec;
  spec.k = type.getShape().back();
  spec.bits = scheme.getBits();
  spec.symmetric = scheme.getSymmetric();
  spec.perToken = scheme.getGranularity() == Granularity::PerToken;
  spec.inputType = type.getElementType();
  spec.scaleType = elementType(scales);
  spec.zeroPointType = elementType(zeroPoints);
  spec.channelScaleType = elementType(channelScales);
  for (Type type : {spec.inputType, spec.scaleType, spec.channelScaleType})
    if (type && kernelTypeName(type).empty())
      return llvm::createStringError("its type is none of f16, bf16 and f32");
  if (Type zero = spec.zeroPointType; zero && !zero.isInteger(8) && !zero.isInteger(32))
    return llvm::createStringError("its zero points are neither i8 nor i32");
  if (!divideRows(spec))
    return llvm::createStringError("its rows are too long for a block");
  return spec;
}

/// What the kernel reads and computes in place of `x`, a norm's result: nothing if it is none, or
/// of types that kernels have not.
static std::optional<Norm> fuseNorm(Value x, Spec &spec) {
  std::optional<Norm> norm = matchNorm(x);
  if (!norm)
    return std::nullopt;
  Spec fused = spec;
  fused.norm = norm->isCentered ? Spec::Norm::Layer : Spec::Norm::RMS;
  fused.epsilon = norm->epsilon;
  fused.inputType = elementType(norm->x);
  fused.gammaType = elementType(norm->gamma);
  fused.betaType = elementType(norm->beta);
  fused.normalizedType = norm->normalizedType;
  fused.resultType = norm->resultType;
  fused.wideVariance = norm->hasWideVariance;
  for (Type type : {fused.inputType, fused.gammaType, fused.betaType})
    if (type && kernelTypeName(type).empty())
      return std::nullopt;
  if (!divideRows(fused))
    return std::nullopt;
  spec = fused;
  return norm;
}

static SmallVector<Value> launch(Operation *op, Value x, Value channelScales, ValueRange parameters,
                                 Spec spec, ArrayRef<RankedTensorType> resultTypes,
                                 GpuKernels &kernels) {
  std::optional<Norm> norm = fuseNorm(x, spec);
  SmallVector<Value> operands{norm ? norm->x : x};
  for (Value operand : {channelScales, norm ? norm->gamma : Value(), norm ? norm->beta : Value()})
    if (operand)
      operands.push_back(operand);
  llvm::append_range(operands, parameters);
  std::string name = llvm::formatv(
      "{0}_k{1}_b{2}_{3}_s{4}", spec.dynamic ? "dynamic_quantize" : "quantize", spec.k, spec.bits,
      kernelTypeName(spec.inputType), kernelTypeName(spec.scaleType));
  name += spec.perToken ? "_token" : "";
  name += spec.symmetric ? "" : "_asymmetric";
  if (spec.zeroPointType)
    name += "_zi" + std::to_string(spec.zeroPointType.getIntOrFloatBitWidth());
  if (spec.channelScaleType)
    name += ("_channel_" + kernelTypeName(spec.channelScaleType)).str();
  if (norm) {
    name += norm->isCentered ? "_layernorm" : "_rmsnorm";
    for (auto [prefix, type] : {std::pair("x", spec.inputType), std::pair("g", spec.gammaType),
                                std::pair("b", spec.betaType), std::pair("n", spec.normalizedType),
                                std::pair("y", spec.resultType)})
      if (type)
        name += ("_" + Twine(prefix) + kernelTypeName(type)).str();
    name += spec.wideVariance ? "_f64" : "";
    name += "_e" + llvm::utohexstr(llvm::bit_cast<uint32_t>(spec.epsilon), /*LowerCase=*/true);
  }
  kernels.require(name,
                  [&](gpu::GPUModuleOp module) { emitActivationQuantization(module, name, spec); });

  OpBuilder b(op);
  Location loc = op->getLoc();
  RowDivision division = *divideRows(spec);
  Value rows = createRowCount(b, loc, x);
  Value perBlock = arith::ConstantIndexOp::create(b, loc, division.rowsPerBlock);
  KernelGrid grid;
  grid.kernel = name;
  grid.blocks = b.createOrFold<arith::CeilDivUIOp>(loc, rows, perBlock);
  grid.threads = division.threads();
  grid.sharedBytes = sharedBytes(spec);
  Value count = b.createOrFold<arith::IndexCastOp>(loc, b.getI32Type(), rows);
  return kernels.launch(b, loc, grid, operands, resultTypes, x, count);
}

llvm::Error ptq::lowerToGpu(DynamicQuantizeOp op, GpuKernels &kernels) {
  if (op.getScheme().getGranularity() != Granularity::PerToken)
    return llvm::createStringError("its scale is of all tokens");
  llvm::Expected<Spec> spec = describe(op.getX(), op.getQ(), op.getScales(), op.getZeroPoints(),
                                       op.getChannelScales(), op.getScheme());
  if (!spec)
    return spec.takeError();
  SmallVector<RankedTensorType> types;
  for (Value result : op->getResults())
    types.push_back(cast<RankedTensorType>(result.getType()));
  op->replaceAllUsesWith(launch(op, op.getX(), op.getChannelScales(), {}, *spec, types, kernels));
  op.erase();
  return llvm::Error::success();
}

llvm::Error ptq::lowerToGpu(QuantizeOp op, GpuKernels &kernels) {
  Granularity granularity = op.getScheme().getGranularity();
  if (granularity != Granularity::PerToken && granularity != Granularity::PerTensor)
    return llvm::createStringError("its scales are neither of a token nor of the tensor");
  llvm::Expected<Spec> spec = describe(op.getX(), op.getQ(), op.getScales(), op.getZeroPoints(),
                                       op.getChannelScales(), op.getScheme());
  if (!spec)
    return spec.takeError();
  spec->dynamic = false;
  SmallVector<Value> parameters{op.getScales()};
  if (op.getZeroPoints())
    parameters.push_back(op.getZeroPoints());
  op->replaceAllUsesWith(launch(op, op.getX(), op.getChannelScales(), parameters, *spec,
                                {op.getQ().getType()}, kernels));
  op.erase();
  return llvm::Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.integer_batch_matmul → the int8 kernel of batches. All leading dimensions are one batch.

#include "GpuKernels.h"
#include "ptq/Kernels/IntegerBatchMatmul.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

static std::string describe(const IntegerBatchMatmulSpec &spec, const GemmTile &tile) {
  auto size = [&](int64_t value) {
    return value == spec.dynamic ? std::string("_dynamic") : std::to_string(value);
  };
  return llvm::formatv(
      "integer_batch_matmul_n{0}_k{1}_{2}x{3}x{4}_{5}x{6}_s{7}_{8}_left_{9}{10}_right_{11}"
      "{12}",
      size(spec.n), size(spec.k), tile.blockM, tile.blockN, tile.blockK, tile.warpsM, tile.warpsN,
      tile.stages, kernelTypeName(spec.outputType), kernelTypeName(spec.leftScaleType),
      spec.perTokenLeft ? "_token" : "", kernelTypeName(spec.rightScaleType),
      spec.perTokenRight ? "_token" : "");
}

llvm::Error ptq::lowerToGpu(IntegerBatchMatmulOp op, GpuKernels &kernels) {
  RankedTensorType a = op.getA().getType();
  auto b = cast<RankedTensorType>(op.getB().getType()),
       outputType = cast<RankedTensorType>(op.getY().getType());
  int64_t rank = a.getRank();
  auto knownSize = [](int64_t size) {
    return ShapedType::isDynamic(size) ? IntegerBatchMatmulSpec::dynamic : size;
  };
  auto scalesOf = [](Value scales, Type &type) {
    auto tensor = cast<RankedTensorType>(scales.getType());
    type = tensor.getElementType();
    return tensor.getShape() != ArrayRef<int64_t>{1};
  };
  IntegerBatchMatmulSpec spec;
  spec.n = knownSize(b.getDimSize(rank - 2));
  spec.k = knownSize(ShapedType::isDynamic(a.getDimSize(rank - 1)) ? b.getDimSize(rank - 1)
                                                                   : a.getDimSize(rank - 1));
  spec.perTokenLeft = scalesOf(op.getAScales(), spec.leftScaleType);
  spec.perTokenRight = scalesOf(op.getBScales(), spec.rightScaleType);
  spec.outputType = outputType.getElementType();
  for (Type type : {spec.leftScaleType, spec.rightScaleType, spec.outputType})
    if (kernelTypeName(type).empty())
      return llvm::createStringError("its type is none of f16, bf16 and f32");
  if (spec.n == 0 || spec.k == 0)
    return llvm::createStringError("its operands are empty");

  // Where sizes are not known the tile is that for some that are likely.
  constexpr int64_t likely = 128;
  auto expected = [&](int64_t size) { return ShapedType::isDynamic(size) ? likely : size; };
  GemmProblem problem{GemmProblem::Kind::IntegerLinear, expected(a.getDimSize(rank - 2)),
                      expected(b.getDimSize(rank - 2)), spec.k == spec.dynamic ? likely : spec.k};
  problem.outputBytes = spec.outputType.getIntOrFloatBitWidth() / 8;
  for (int64_t size : a.getShape().drop_back(2))
    problem.batch *= ShapedType::isDynamic(size) ? 1 : size;
  std::optional<TileChoice> choice = chooseTile(kernels.getChip(), problem);
  if (!choice)
    return llvm::createStringError("no tile fits on the chip");
  const GemmTile &tile = choice->tile;
  kernels.explain(op, problem, *choice);

  // batch · ceil(m / blockM) · ceil(n / blockN) blocks.
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto sizeOf = [&](Value tensor, int64_t dim) {
    return tensor::getMixedSize(builder, loc, tensor, dim);
  };
  auto index = [&](OpFoldResult size) {
    return getValueOrCreateConstantIndexOp(builder, loc, size);
  };
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, op.getA());
  sizes.back() = sizeOf(op.getB(), rank - 2);
  auto tiles = [&](OpFoldResult size, int64_t block) {
    Value divisor = arith::ConstantIndexOp::create(builder, loc, block);
    return builder.createOrFold<arith::CeilDivUIOp>(loc, index(size), divisor);
  };
  Value blocks = builder.createOrFold<arith::MulIOp>(loc, tiles(sizes[rank - 2], tile.blockM),
                                                     tiles(sizes[rank - 1], tile.blockN));
  for (OpFoldResult size : ArrayRef(sizes).drop_back(2))
    blocks = builder.createOrFold<arith::MulIOp>(loc, blocks, index(size));
  SmallVector<Value> numbers;
  for (OpFoldResult size : {sizes[rank - 2], sizes[rank - 1], sizeOf(op.getA(), rank - 1)})
    numbers.push_back(
        builder.createOrFold<arith::IndexCastOp>(loc, builder.getI32Type(), index(size)));

  std::string name = describe(spec, tile);
  kernels.require(
      name, [&](gpu::GPUModuleOp module) { emitIntegerBatchMatmul(module, name, spec, tile); });
  KernelGrid grid{name, blocks, tile.threads(), sharedBytes(spec, tile), sizes};
  Value operands[] = {op.getA(), op.getAScales(), op.getB(), op.getBScales()};
  Value result =
      kernels.launch(builder, loc, grid, operands, {outputType}, op.getA(), numbers).front();
  op.getY().replaceAllUsesWith(result);
  op.erase();
  return llvm::Error::success();
}

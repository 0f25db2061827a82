// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A batch of products: the W8A8 kernel with another weight, and scales, for each i.

#include "ptq/Kernels/IntegerBatchMatmul.h"

#include "KernelFunction.h"
#include "ScaledOutput.h"
#include "TiledProduct.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

/// One product of the batch.
static IntegerLinearSpec linearSpec(const IntegerBatchMatmulSpec &spec) {
  IntegerLinearSpec linear;
  auto sizeOr1 = [](int64_t size) { return size == IntegerBatchMatmulSpec::dynamic ? 1 : size; };
  linear.n = sizeOr1(spec.n);
  linear.k = sizeOr1(spec.k);
  linear.perTokenScale = spec.perTokenLeft;
  linear.perChannelScale = spec.perTokenRight;
  linear.inputScaleType = spec.leftScaleType;
  linear.weightScaleType = spec.rightScaleType;
  linear.outputType = spec.outputType;
  return linear;
}

static int64_t byteWidth(Type type) { return type.getIntOrFloatBitWidth() / 8; }

static void emit(gpu::GPUFuncOp function, const IntegerBatchMatmulSpec &spec,
                 const GemmTile &tile) {
  KernelBuilder k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front()));
  Value a = function.getArgument(0), b = function.getArgument(2), y = function.getArgument(4);
  Value m = function.getArgument(5);
  bool dynamicN = spec.n == spec.dynamic, dynamicK = spec.k == spec.dynamic;
  Value n = dynamicN ? function.getArgument(6) : k.i32(spec.n);
  Value depth = dynamicK ? function.getArgument(7) : k.i32(spec.k);

  Value shared = dynamicShared(k, function->getParentOfType<gpu::GPUModuleOp>());
  WarpPlace place(k, tile, k.threadId(tile.threads()));
  Value tilesM = k.div(k.add(m, tile.blockM - 1), tile.blockM);
  Value tilesN = k.div(k.add(n, tile.blockN - 1), tile.blockN);
  Value tiles = k.mul(tilesM, tilesN);
  Value index = k.div(k.blockId(), tiles);
  TileOrigin origin = tileOrigin(k, tile, k.sub(k.blockId(), k.mul(index, tiles)), m, n);

  // The index's own rows of everything, as if there were no batch.
  Value leftRows = k.wideMul(index, m), rightRows = k.wideMul(index, n);
  auto skip = [&](Value pointer, Value rows, Value rowBytes) {
    return k.offset(pointer, k.wideMul(rows, rowBytes));
  };
  IntegerLinearSpec linear = linearSpec(spec);
  ScalingOperands scaling;
  scaling.inputScales = function.getArgument(1);
  scaling.weightScales = function.getArgument(3);
  if (spec.perTokenLeft)
    scaling.inputScales = skip(scaling.inputScales, leftRows, k.i32(byteWidth(spec.leftScaleType)));
  if (spec.perTokenRight)
    scaling.weightScales =
        skip(scaling.weightScales, rightRows, k.i32(byteWidth(spec.rightScaleType)));

  bool wholeColumns = !dynamicN && spec.n % tile.blockN == 0;
  TiledProduct product{tile,
                       TiledProduct::Element::S8,
                       tile.blockK,
                       tile.stages,
                       linear.k,
                       dynamicK ? depth : Value(),
                       {skip(a, leftRows, depth), origin.row, m},
                       {skip(b, rightRows, depth), origin.column, wholeColumns ? Value() : n}};
  int64_t blocksM = product.blocksM(), blocksN = product.blocksN();
  SmallVector<Value> sums =
      product.run(k, place, shared, SmallVector<Value>(blocksM * blocksN * 4, k.i32(0)));

  Value own = k.mul(place.warp, OutputStage::bytes(spec.outputType, tile.warpN()));
  Value output = skip(y, k.wideMul(leftRows, n), k.i32(byteWidth(spec.outputType)));
  OutputStage stage(k, spec.outputType, tile.warpN(), k.offset(shared, own), place.lane, output, m,
                    linear.n, dynamicN ? n : Value());
  writeScaled(k, linear, scaling, stage, blocksM, blocksN, k.add(origin.row, place.row),
              k.add(origin.column, place.column), [&](int64_t index) { return sums[index]; });
  gpu::ReturnOp::create(k);
}

bool ptq::kernels::isValidTile(const IntegerBatchMatmulSpec &spec, const GemmTile &tile) {
  return tile.splits == 1 && isValidTile(linearSpec(spec), tile);
}

gpu::GPUFuncOp ptq::kernels::emitIntegerBatchMatmul(gpu::GPUModuleOp module, StringRef name,
                                                    const IntegerBatchMatmulSpec &spec,
                                                    const GemmTile &tile) {
  assert(isValidTile(spec, tile) && "a tile that the kernel cannot be made with");
  SmallVector<Argument> arguments(4, Argument::Input);
  arguments.push_back(Argument::Output);
  arguments.append(3, Argument::Number);
  gpu::GPUFuncOp function = createKernel(module, name, arguments, tile.threads());
  emit(function, spec, tile);
  return function;
}

int64_t ptq::kernels::sharedBytes(const IntegerBatchMatmulSpec &spec, const GemmTile &tile) {
  return sharedBytes(linearSpec(spec), tile);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W8A8 kernel: a tiled product; scales, outliers and bias on the way out.

#include "ptq/Kernels/IntegerLinear.h"

#include "KernelFunction.h"
#include "OutlierTail.h"
#include "OutputStage.h"
#include "PartialSums.h"
#include "ScaledOutput.h"
#include "TiledProduct.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

int64_t depthTiles(const IntegerLinearSpec &spec, const GemmTile &tile) {
  return llvm::divideCeil(spec.k, tile.blockK);
}

class Emitter {
public:
  Emitter(gpu::GPUFuncOp function, const IntegerLinearSpec &spec, const GemmTile &tile)
      : k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front())), spec(spec),
        tile(tile), module(function->getParentOfType<gpu::GPUModuleOp>()) {
    unsigned next = 0;
    auto argument = [&]() -> Value { return function.getArgument(next++); };
    q = argument();
    scaling.inputScales = argument();
    if (spec.zeroPointType) {
      scaling.zeroPoints = argument();
      scaling.weightSums = argument();
    }
    weight = argument();
    scaling.weightScales = argument();
    if (spec.outlierType) {
      outliers.input = argument();
      outliers.weight = argument();
    }
    if (spec.biasType)
      scaling.bias = argument();
    output = argument();
    rows = argument();
    if (spec.hasDynamicOutliers())
      outliers.columns = argument();
    if (tile.splits > 1) {
      workspace = argument();
      counters = argument();
    }
  }

  void emit() {
    Value shared = dynamicShared(k, module);
    WarpPlace place(k, tile, k.threadId(tile.threads()));
    SplitTile split(k, tile, depthTiles(spec, tile), workspace, counters);
    TileOrigin origin = tileOrigin(k, tile, split.number(), rows, k.i32(spec.n));
    bool wholeColumns = spec.n % tile.blockN == 0;
    TiledProduct product{tile,
                         TiledProduct::Element::S8,
                         tile.blockK,
                         tile.stages,
                         spec.k,
                         Value(),
                         {q, origin.row, rows},
                         {weight, origin.column, wholeColumns ? Value() : k.i32(spec.n)},
                         split.range()};
    int64_t blocksM = product.blocksM(), blocksN = product.blocksN();
    SmallVector<Value> sums =
        product.run(k, place, shared, SmallVector<Value>(blocksM * blocksN * 4, k.i32(0)));
    split.finish(place.thread, place.warp, place.lane, Value(), sums,
                 [&](ArrayRef<Value> total) { write(place, origin, shared, product, total); });
    gpu::ReturnOp::create(k);
  }

private:
  void write(const WarpPlace &place, const TileOrigin &origin, Value shared,
             const TiledProduct &product, ArrayRef<Value> sums) {
    Value own = k.mul(place.warp, OutputStage::bytes(spec.outputType, tile.warpN()));
    OutputStage stage(k, spec.outputType, tile.warpN(), k.offset(shared, own), place.lane, output,
                      rows, spec.n);
    if (spec.outlierType)
      writeWithOutliers(k, spec, tile, scaling, outliers, stage, place, origin.row, origin.column,
                        rows, shared, SmallVector<Value>(sums));
    else
      writeScaled(k, spec, scaling, stage, product.blocksM(), product.blocksN(),
                  k.add(origin.row, place.row), k.add(origin.column, place.column),
                  [&](int64_t index) { return sums[index]; });
  }

  KernelBuilder k;
  const IntegerLinearSpec &spec;
  const GemmTile &tile;
  gpu::GPUModuleOp module;
  ScalingOperands scaling;
  OutlierOperands outliers;
  Value q, weight, output, rows, workspace, counters;
};

} // namespace

bool ptq::kernels::isValidTile(const IntegerLinearSpec &spec, const GemmTile &tile) {
  if (spec.n < 1 || spec.k < 1 || tile.warpsM < 1 || tile.warpsN < 1 || tile.stages < 2)
    return false;
  bool divides = tile.blockM % tile.warpsM == 0 && tile.blockN % tile.warpsN == 0;
  bool fragments =
      tile.warpM() % 16 == 0 && tile.warpN() % 16 == 0 && tile.warpM() > 0 && tile.warpN() > 0;
  bool depth = tile.blockK == 64 || tile.blockK == 128;
  return divides && fragments && depth && tile.threads() >= 128 && tile.threads() <= 1024 &&
         llvm::isPowerOf2_64(tile.threads()) && tile.warpsK == 1 && tile.splits >= 1 &&
         tile.splits <= depthTiles(spec, tile);
}

gpu::GPUFuncOp ptq::kernels::emitIntegerLinear(gpu::GPUModuleOp module, StringRef name,
                                               const IntegerLinearSpec &spec,
                                               const GemmTile &tile) {
  assert(isValidTile(spec, tile) && "a tile that the kernel cannot be made with");
  SmallVector<Argument> arguments(2, Argument::Input);
  if (spec.zeroPointType)
    arguments.append(2, Argument::Input);
  arguments.append(spec.outlierType ? 4 : 2, Argument::Input);
  if (spec.biasType)
    arguments.push_back(Argument::Input);
  arguments.append({Argument::Output, Argument::Number});
  if (spec.hasDynamicOutliers())
    arguments.push_back(Argument::Number);
  if (tile.splits > 1)
    arguments.append(2, Argument::Shared);
  gpu::GPUFuncOp function = createKernel(module, name, arguments, tile.threads());
  Emitter(function, spec, tile).emit();
  return function;
}

int64_t ptq::kernels::sharedBytes(const IntegerLinearSpec &spec, const GemmTile &tile) {
  int64_t ring = (tile.blockM + tile.blockN) * tile.blockK * tile.stages;
  return std::max(ring, tile.warps() * OutputStage::bytes(spec.outputType, tile.warpN()));
}

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
#include "WarpgroupProduct.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

int64_t depthTiles(const IntegerLinearSpec &spec, const GemmTile &tile) {
  return llvm::divideCeil(spec.k, tile.blockK);
}

/// Columns of a warp's part that are written at once. A warpgroup's is wide: scales of all of its
/// columns beside the sums were too many registers.
int64_t outputColumns(const GemmTile &tile) {
  constexpr int64_t most = 64;
  int64_t columns = tile.warpN();
  for (int64_t parts = 1; tile.wgmma && columns > most; ++parts)
    if (tile.warpN() % (parts * 8) == 0)
      columns = tile.warpN() / parts;
  return columns;
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
    SmallVector<Value> sums = multiply(place, origin, shared, split.range());
    split.finish(place.thread, place.warp, place.lane, Value(), sums,
                 [&](ArrayRef<Value> total) { write(place, origin, shared, total); });
    gpu::ReturnOp::create(k);
  }

private:
  int64_t blocksM() const { return tile.warpM() / 16; }
  int64_t blocksN() const { return tile.warpN() / 8; }

  SmallVector<Value> multiply(const WarpPlace &place, const TileOrigin &origin, Value shared,
                              KRange range) {
    bool wholeColumns = spec.n % tile.blockN == 0;
    TiledProduct::Operand left{q, origin.row, rows},
        right{weight, origin.column, wholeColumns ? Value() : k.i32(spec.n)};
    if (tile.wgmma)
      return WarpgroupProduct{tile, spec.k, left, right, range}.run(k, place, shared);
    TiledProduct product{
        tile, TiledProduct::Element::S8, tile.blockK, tile.stages, spec.k, Value(), left, right,
        range};
    return product.run(k, place, shared, SmallVector<Value>(blocksM() * blocksN() * 4, k.i32(0)));
  }

  void write(const WarpPlace &place, const TileOrigin &origin, Value shared, ArrayRef<Value> sums) {
    int64_t columns = outputColumns(tile);
    Value own = k.mul(place.warp, OutputStage::bytes(spec.outputType, columns));
    OutputStage stage(k, spec.outputType, columns, k.offset(shared, own), place.lane, output, rows,
                      spec.n);
    if (spec.outlierType)
      return writeWithOutliers(k, spec, tile, scaling, outliers, stage, place, origin.row,
                               origin.column, rows, shared, SmallVector<Value>(sums));
    int64_t blocks = columns / 8;
    for (int64_t first = 0; first < blocksN(); first += blocks)
      writeScaled(k, spec, scaling, stage, blocksM(), blocks, k.add(origin.row, place.row),
                  k.add(k.add(origin.column, place.column), first * 8), [&](int64_t index) {
                    int64_t row = index / (blocks * 4), rest = index % (blocks * 4);
                    return sums[(row * blocksN() + first) * 4 + rest];
                  });
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
  if (tile.wgmma)
    return tile.warpM() == 16 && tile.warpsM % 4 == 0 && tile.warpsN == 1 && tile.warpsK == 1 &&
           isWgmmaWidth(tile.blockN) && tile.blockN % 16 == 0 &&
           tile.blockK == WarpgroupProduct::rowBytes && tile.stages >= 3 &&
           llvm::isPowerOf2_64(tile.threads()) && tile.threads() <= 1024 && !spec.outlierType &&
           tile.splits >= 1 && tile.splits <= depthTiles(spec, tile);
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
  return std::max(ring, tile.warps() * OutputStage::bytes(spec.outputType, outputColumns(tile)));
}

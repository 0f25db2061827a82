// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W8A8 kernel: both operands as they are, in swizzled tiles read by ldmatrix; scales and bias
// on the way out.

#include "ptq/Kernels/IntegerLinear.h"

#include "KernelFunction.h"
#include "OutputStage.h"
#include "Pipeline.h"
#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

constexpr int64_t stepK = 32;

class Emitter {
public:
  Emitter(gpu::GPUFuncOp function, const IntegerLinearSpec &spec, const GemmTile &tile)
      : k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front())), spec(spec),
        tile(tile), module(function->getParentOfType<gpu::GPUModuleOp>()) {
    unsigned next = 0;
    auto argument = [&]() -> Value { return function.getArgument(next++); };
    q = argument();
    inputScales = argument();
    if (spec.zeroPointType) {
      zeroPoints = argument();
      weightSums = argument();
    }
    weight = argument();
    weightScales = argument();
    if (spec.biasType)
      bias = argument();
    output = argument();
    rows = argument();
  }

  void emit() {
    shared = dynamicShared(k, module);
    thread = k.threadId(tile.threads());
    lane = k.rem(thread, 32);
    Value warp = k.div(thread, 32);
    warpRow = k.mul(k.div(warp, tile.warpsN), tile.warpM());
    warpColumn = k.mul(k.rem(warp, tile.warpsN), tile.warpN());
    warpShared = k.mul(warp, OutputStage::bytes(spec.outputType, tile.warpN()));
    origin = tileOrigin(k, tile, rows, spec.n);
    SmallVector<Value> sums = multiply();
    finish(sums);
    gpu::ReturnOp::create(k);
  }

private:
  int64_t blocksM() const { return tile.warpM() / 16; }
  int64_t blocksN() const { return tile.warpN() / 8; }
  SmallVector<Value> multiply();
  void finish(ArrayRef<Value> sums);
  /// Element `index` of a vector of scales or biases, in float32.
  Value element(Value vector, Type type, Value index) {
    unsigned bytes = type.getIntOrFloatBitWidth() / 8;
    return k.toFloat(k.loadConstant(type, k.offset(vector, k.mul(index, bytes)), bytes),
                     k.getF32Type());
  }
  Value word(Value vector, Type type, Value index) {
    unsigned bytes = type.getIntOrFloatBitWidth() / 8;
    Value value = k.loadConstant(type, k.offset(vector, k.mul(index, bytes)), bytes);
    return bytes == 4 ? value : arith::ExtSIOp::create(k, k.getI32Type(), value).getResult();
  }

  KernelBuilder k;
  const IntegerLinearSpec &spec;
  const GemmTile &tile;
  gpu::GPUModuleOp module;
  Value q, inputScales, zeroPoints, weightSums, weight, weightScales, bias, output, rows;
  Value shared, thread, lane, warpRow, warpColumn, warpShared;
  TileOrigin origin;
};

} // namespace

/// The sums Σ_k q·w, 4 words for each m16×n8 block of the warp's part.
SmallVector<Value> Emitter::multiply() {
  TileShape left{tile.blockM, tile.blockK}, right{tile.blockN, tile.blockK};
  bool wholeColumns = spec.n % tile.blockN == 0;
  TileCopy leftCopy(k, left, spec.k, 1, tile.threads(), thread, q, origin.row, rows);
  TileCopy rightCopy(k, right, spec.k, 1, tile.threads(), thread, weight, origin.column,
                     wholeColumns ? Value() : k.i32(spec.n));
  FragmentReader leftReader(k, FragmentReader::Side::Left, left, lane, warpRow);
  FragmentReader rightReader(k, FragmentReader::Side::Right, right, lane, warpColumn);

  Pipeline pipeline;
  pipeline.stages = tile.stages;
  pipeline.stageBytes = left.bytes() + right.bytes();
  pipeline.tiles = llvm::divideCeil(spec.k, tile.blockK);
  pipeline.steps = tile.blockK / stepK;
  pipeline.pointers = {leftCopy.pointer(), rightCopy.pointer()};
  pipeline.advances = {tile.blockK, tile.blockK};
  pipeline.issue = [&](ValueRange pointers, Value index, Value stage) {
    Value byte = k.mul(index, tile.blockK);
    leftCopy.issue(pointers[0], k.add(leftCopy.column(), byte), stage);
    rightCopy.issue(pointers[1], k.add(rightCopy.column(), byte), k.offset(stage, left.bytes()));
  };
  pipeline.read = [&](Value stage, unsigned step) {
    SmallVector<Value> fragments;
    for (int64_t i = 0; i < blocksM(); ++i)
      llvm::append_range(fragments, leftReader.read(stage, step, i));
    Value rightStage = k.offset(stage, left.bytes());
    for (int64_t j = 0; j < blocksN() / 2; ++j)
      llvm::append_range(fragments, rightReader.read(rightStage, step, j));
    return fragments;
  };
  pipeline.multiply = [&](unsigned, ArrayRef<Value> fragments, MutableArrayRef<Value> sums) {
    ArrayRef<Value> a = fragments, b = a.drop_front(blocksM() * 4);
    for (int64_t j = 0; j < blocksN(); ++j)
      for (int64_t i = 0; i < blocksM(); ++i) {
        MutableArrayRef<Value> d = sums.slice((i * blocksN() + j) * 4, 4);
        llvm::copy(k.mmaS8(a.slice(i * 4, 4), b.slice(j * 2, 2), d), d.begin());
      }
  };
  return pipeline.run(k, shared, SmallVector<Value>(blocksM() * blocksN() * 4, k.i32(0)));
}

/// Scales, corrects, adds the bias and writes. Rows and columns beyond the end take the last one's
/// scales.
void Emitter::finish(ArrayRef<Value> sums) {
  Value firstColumn = k.add(origin.column, warpColumn), firstRow = k.add(origin.row, warpRow);
  OutputStage stage(k, spec.outputType, tile.warpN(), k.offset(shared, warpShared), lane, output,
                    rows, spec.n);
  SmallVector<Value> columnScales, columnBias, columnSums;
  for (Value n : stage.laneColumns(blocksN(), firstColumn)) {
    columnScales.push_back(
        element(weightScales, spec.weightScaleType, spec.perChannelScale ? n : k.i32(0)));
    if (bias)
      columnBias.push_back(element(bias, spec.biasType, n));
    if (zeroPoints)
      columnSums.push_back(word(weightSums, k.getI32Type(), n));
  }
  Value rowScale, rowZero;
  auto beginRow = [&](Value m) {
    Value at = spec.perTokenScale ? m : k.i32(0);
    rowScale = element(inputScales, spec.inputScaleType, at);
    if (zeroPoints)
      rowZero = word(zeroPoints, spec.zeroPointType, at);
  };
  auto value = [&](int64_t index, int64_t column) -> Value {
    Value sum = sums[index];
    if (zeroPoints)
      sum = k.sub(sum, k.mul(rowZero, columnSums[column]));
    Value y = arith::MulFOp::create(k, k.toFloat(sum, k.getF32Type()), columnScales[column]);
    y = arith::MulFOp::create(k, y, rowScale);
    return bias ? arith::AddFOp::create(k, y, columnBias[column]).getResult() : y;
  };
  stage.writeBlocks(blocksM(), blocksN(), firstRow, firstColumn, beginRow, value);
}

bool ptq::kernels::isValidTile(const IntegerLinearSpec &spec, const GemmTile &tile) {
  if (spec.n < 1 || spec.k < 1 || tile.warpsM < 1 || tile.warpsN < 1 || tile.stages < 2)
    return false;
  bool divides = tile.blockM % tile.warpsM == 0 && tile.blockN % tile.warpsN == 0;
  bool fragments =
      tile.warpM() % 16 == 0 && tile.warpN() % 16 == 0 && tile.warpM() > 0 && tile.warpN() > 0;
  bool depth = tile.blockK == 64 || tile.blockK == 128;
  return divides && fragments && depth && tile.threads() >= 128 && tile.threads() <= 1024 &&
         llvm::isPowerOf2_64(tile.threads()) && tile.warpsK == 1;
}

gpu::GPUFuncOp ptq::kernels::emitIntegerLinear(gpu::GPUModuleOp module, StringRef name,
                                               const IntegerLinearSpec &spec,
                                               const GemmTile &tile) {
  assert(isValidTile(spec, tile) && "a tile that the kernel cannot be made with");
  SmallVector<Argument> arguments(2, Argument::Input);
  if (spec.zeroPointType)
    arguments.append(2, Argument::Input);
  arguments.append(2, Argument::Input);
  if (spec.biasType)
    arguments.push_back(Argument::Input);
  arguments.append({Argument::Output, Argument::Number});
  gpu::GPUFuncOp function = createKernel(module, name, arguments, tile.threads());
  Emitter(function, spec, tile).emit();
  return function;
}

int64_t ptq::kernels::sharedBytes(const IntegerLinearSpec &spec, const GemmTile &tile) {
  int64_t ring = (tile.blockM + tile.blockN) * tile.blockK * tile.stages;
  return std::max(ring, tile.warps() * OutputStage::bytes(spec.outputType, tile.warpN()));
}

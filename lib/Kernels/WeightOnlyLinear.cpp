// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weight-only kernel. Activations go through swizzled tiles and ldmatrix; weights, laid out by
// WeightLayout, go as they are, and become mma operands in registers (Dequantize.h). A group's
// scale is multiplied in there, once for all rows of m: the loop over m is the innermost one.

#include "ptq/Kernels/WeightOnlyLinear.h"

#include "BlockCopy.h"
#include "Dequantize.h"
#include "KernelFunction.h"
#include "OutputStage.h"
#include "PartialSums.h"
#include "Pipeline.h"
#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

constexpr int64_t stepK = 16, activationBytes = 2;

/// What a stage holds, in bytes from its start.
struct StageLayout {
  StageLayout(const WeightOnlyLinearSpec &spec, const GemmTile &tile)
      : activations{tile.blockM, tile.blockK * activationBytes} {
    if (spec.groupSize)
      scaleRows = std::max<int64_t>(1, tile.blockK / WeightLayout::rowSize(spec.groupSize));
    weight = activations.bytes();
    scales = weight + tile.blockN * tile.blockK * spec.bits / 8;
    int64_t parameters = scaleRows * tile.blockN * activationBytes;
    zeroPoints = scales + parameters;
    bytes = zeroPoints + (spec.zeroPoints ? parameters : 0);
  }
  TileShape activations;
  int64_t scaleRows = 0;
  int64_t weight, scales, zeroPoints, bytes;
};

int64_t depthTiles(const WeightOnlyLinearSpec &spec, const GemmTile &tile) {
  return llvm::divideCeil(spec.k, tile.blockK);
}

class Emitter {
public:
  Emitter(gpu::GPUFuncOp function, const WeightOnlyLinearSpec &spec, const GemmTile &tile)
      : k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front())), spec(spec),
        tile(tile), layout(spec, tile), weightLayout(spec.layout()),
        module(function->getParentOfType<gpu::GPUModuleOp>()), bfloat(spec.inputType.isBF16()),
        dequantizer(k, spec.bits, bfloat),
        rowSize(spec.groupSize ? WeightLayout::rowSize(spec.groupSize) : 0) {
    unsigned next = 0;
    auto argument = [&]() -> Value { return function.getArgument(next++); };
    x = argument();
    weight = argument();
    scales = argument();
    if (spec.zeroPoints)
      zeroPoints = argument();
    if (spec.biasType)
      bias = argument();
    output = argument();
    rows = argument();
    if (tile.splits > 1) {
      workspace = argument();
      counters = argument();
    }
  }
  void emit();

private:
  int64_t blocksM() const { return tile.warpM() / 16; }
  int64_t blocksN() const { return tile.warpN() / 8; }
  int64_t weightBlocks() const { return tile.warpN() / WeightLayout::blockN; }
  int64_t steps() const { return tile.blockK / stepK / tile.warpsK; }

  SmallVector<Value> multiplyTiles(const KRange &range);
  void issueParameters(Value source, Value tileIndex, Value tileEnd, Value shared);
  bool startsGroup(unsigned step) const;
  void readParameters(Value stage, unsigned step, SmallVectorImpl<Value> &words);
  void takeParameters(ArrayRef<Value> words);
  void loadChannelZeroPoints();
  void finish(ArrayRef<Value> sums);
  Value element(Value vector, Type type, Value index) {
    unsigned bytes = type.getIntOrFloatBitWidth() / 8;
    return k.toFloat(k.loadConstant(type, k.offset(vector, k.mul(index, bytes)), bytes),
                     k.getF32Type());
  }

  KernelBuilder k;
  const WeightOnlyLinearSpec &spec;
  const GemmTile &tile;
  StageLayout layout;
  WeightLayout weightLayout;
  gpu::GPUModuleOp module;
  bool bfloat;
  Dequantizer dequantizer;
  int64_t rowSize;
  Value x, weight, scales, zeroPoints, bias, output, rows, workspace, counters;
  Value shared, thread, lane, warpPart, warpK, warpRow, warpColumn;
  TileOrigin origin;
};

} // namespace

void Emitter::emit() {
  shared = dynamicShared(k, module);
  thread = k.threadId(tile.threads());
  lane = k.rem(thread, 32);
  Value warp = k.div(thread, 32);
  warpPart = k.rem(warp, tile.warpsM * tile.warpsN);
  warpK = k.div(warp, tile.warpsM * tile.warpsN);
  warpRow = k.mul(k.div(warpPart, tile.warpsN), tile.warpM());
  warpColumn = k.mul(k.rem(warpPart, tile.warpsN), tile.warpN());
  SplitTile split(k, tile, depthTiles(spec, tile), workspace, counters);
  origin = tileOrigin(k, tile, split.number(), rows, k.i32(spec.n));
  SmallVector<Value> sums = multiplyTiles(split.range());
  Value own;
  if (tile.warpsK > 1) {
    sums = addWarpSums(k, tile, shared, warpPart, warpK, lane, sums);
    own = k.equal(warpK, 0);
  }
  split.finish(thread, warpPart, lane, own, sums, [&](ArrayRef<Value> total) { finish(total); });
  gpu::ReturnOp::create(k);
}

SmallVector<Value> Emitter::multiplyTiles(const KRange &range) {
  TileCopy inputCopy(k, layout.activations, spec.k * activationBytes, activationBytes,
                     tile.threads(), thread, x, origin.row, rows);
  int64_t blocksPerRow = weightLayout.paddedK() / WeightLayout::blockK;
  int64_t blocksPerTile = tile.blockK / WeightLayout::blockK;
  int64_t weightRows = weightLayout.paddedN() / WeightLayout::blockN;
  Value firstWeightRow = k.div(origin.column, WeightLayout::blockN);
  bool wholeColumns = weightLayout.paddedN() % tile.blockN == 0;
  Value weightLimit = wholeColumns ? Value() : k.sub(k.i32(weightRows), firstWeightRow);

  FragmentReader inputReader(k, FragmentReader::Side::Left, layout.activations, lane, warpRow,
                             k.mul(warpK, steps() * stepK * activationBytes));

  Value first = range.count ? range.first : k.i32(0), end;
  if (range.count) {
    end = range.end(k);
    inputCopy.limitColumns(
        k.minimum(k.mul(end, tile.blockK * activationBytes), k.i32(spec.k * activationBytes)));
  }

  Pipeline pipeline;
  pipeline.stages = tile.stages;
  pipeline.stageBytes = layout.bytes;
  pipeline.tiles = depthTiles(spec, tile);
  pipeline.tileCount = range.count;
  pipeline.steps = steps();
  pipeline.pointers = {k.offset(inputCopy.pointer(), k.mul(first, tile.blockK * activationBytes))};
  pipeline.advances = {tile.blockK * activationBytes};
  /// A plane of the weights: how it is copied, where it is in a stage, and there this lane's words
  /// of the warp's first block.
  struct Plane {
    unsigned bits;
    int64_t rowBytes, tileBytes, stageOffset;
    BlockCopy copy;
    Value lane;
  };
  SmallVector<Plane, 2> planes;
  int64_t before = 0; // bits of the planes before
  for (unsigned bits : weightLayout.planes()) {
    int64_t blockBytes = WeightLayout::blockBytes(bits), tileBytes = blocksPerTile * blockBytes;
    int64_t rowBytes = blocksPerRow * blockBytes;
    BlockCopy copy(k, tile.blockN / WeightLayout::blockN, tileBytes, rowBytes, tile.threads(),
                   thread, weightLimit);
    Value planeLane =
        k.add(k.mul(k.div(warpColumn, WeightLayout::blockN), tileBytes),
              k.add(k.mul(warpK, steps() * blockBytes), k.mul(lane, Dequantizer::laneBytes(bits))));
    planes.push_back({bits, rowBytes, tileBytes,
                      layout.weight + tile.blockN * tile.blockK * before / 8, copy, planeLane});
    Value start = k.offset(weight, weightLayout.paddedN() * weightLayout.paddedK() * before / 8);
    start = k.offset(start, k.wideMul(firstWeightRow, rowBytes));
    pipeline.pointers.push_back(copy.pointer(k.offset(start, k.mul(first, tileBytes))));
    pipeline.advances.push_back(tileBytes);
    before += bits;
  }
  auto rowEnd = [&](int64_t rowBytes, int64_t tileBytes) {
    return end ? k.minimum(k.mul(end, tileBytes), k.i32(rowBytes)) : k.i32(rowBytes);
  };
  pipeline.issue = [&](ValueRange pointers, Value count, Value stage) {
    Value index = k.add(count, first);
    Value byte = k.mul(index, tile.blockK * activationBytes);
    inputCopy.issue(pointers[0], k.add(inputCopy.column(), byte), stage);
    for (auto [plane, pointer] : llvm::zip_equal(planes, pointers.drop_front()))
      plane.copy.issue(
          pointer, k.offset(stage, plane.stageOffset),
          k.sub(rowEnd(plane.rowBytes, plane.tileBytes), k.mul(index, plane.tileBytes)));
    if (spec.groupSize) {
      issueParameters(scales, index, end, k.offset(stage, layout.scales));
      if (zeroPoints)
        issueParameters(zeroPoints, index, end, k.offset(stage, layout.zeroPoints));
    }
  };
  pipeline.read = [&](Value stage, unsigned step) {
    SmallVector<Value> words;
    for (int64_t i = 0; i < blocksM(); ++i)
      llvm::append_range(words, inputReader.read(stage, step, i));
    SmallVector<Value> starts;
    for (const Plane &plane : planes)
      starts.push_back(k.offset(k.offset(stage, plane.lane),
                                plane.stageOffset + step * WeightLayout::blockBytes(plane.bits)));
    for (int64_t block = 0; block < weightBlocks(); ++block)
      for (auto [plane, start] : llvm::zip_equal(planes, starts))
        dequantizer.read(k.offset(start, block * plane.tileBytes), plane.bits, words);
    if (startsGroup(step))
      readParameters(stage, step, words);
    return words;
  };
  pipeline.multiply = [&](unsigned step, ArrayRef<Value> words, MutableArrayRef<Value> sums) {
    ArrayRef<Value> a = words.take_front(blocksM() * 4);
    ArrayRef<Value> packed = words.drop_front(a.size()).take_front(weightBlocks() * spec.bits);
    if (startsGroup(step))
      takeParameters(words.drop_front(a.size() + packed.size()));
    for (int64_t j = 0; j < blocksN(); ++j) {
      std::array<Value, 2> b = dequantizer.operand(packed, j);
      for (int64_t i = 0; i < blocksM(); ++i) {
        MutableArrayRef<Value> d = sums.slice((i * blocksN() + j) * 4, 4);
        llvm::copy(k.mmaF16(a.slice(i * 4, 4), b, d, bfloat), d.begin());
      }
    }
  };
  if (!spec.groupSize)
    loadChannelZeroPoints();
  return pipeline.run(k, shared, SmallVector<Value>(blocksM() * blocksN() * 4, k.f32(0)));
}

/// Copies the rows of parameters that tile `tileIndex` needs; none from tile `tileEnd` (null: the
/// last) on.
void Emitter::issueParameters(Value source, Value tileIndex, Value tileEnd, Value shared) {
  int64_t pitch = weightLayout.paddedN() * activationBytes;
  Value rowCount = k.i32(llvm::divideCeil(weightLayout.paddedK(), rowSize));
  if (tileEnd) // what a tile needs ends where the tile does, or later
    rowCount = k.minimum(rowCount, k.div(k.add(k.mul(tileEnd, tile.blockK), rowSize - 1), rowSize));
  Value row = rowSize >= tile.blockK ? k.div(tileIndex, rowSize / tile.blockK)
                                     : k.mul(tileIndex, tile.blockK / rowSize);
  bool whole = weightLayout.paddedN() % tile.blockN == 0;
  BlockCopy copy(k, layout.scaleRows, tile.blockN * activationBytes, pitch, tile.threads(), thread,
                 k.sub(rowCount, row));
  Value start =
      k.offset(k.offset(source, k.wideMul(row, pitch)), k.mul(origin.column, activationBytes));
  Value limit = whole ? Value() : k.sub(k.i32(pitch), k.mul(origin.column, activationBytes));
  copy.issue(copy.pointer(start), shared, limit);
}

/// Whether a row of parameters begins with this step of a warp.
bool Emitter::startsGroup(unsigned step) const {
  return spec.groupSize && (step == 0 || step * stepK % rowSize == 0);
}

void Emitter::readParameters(Value stage, unsigned step, SmallVectorImpl<Value> &words) {
  int64_t rowBytes = tile.blockN * activationBytes;
  Value row = k.i32(0);
  if (layout.scaleRows > 1)
    row = k.add(k.div(k.mul(warpK, steps() * stepK), rowSize), step * stepK / rowSize);
  // 16 bytes for each g of a block of columns.
  Value at = k.add(k.mul(row, rowBytes),
                   k.add(k.mul(warpColumn, activationBytes), k.mul(k.div(lane, 4), 16)));
  auto vector = VectorType::get(4, k.getI32Type());
  auto read = [&](int64_t part) {
    Value start = k.offset(k.offset(stage, at), part);
    for (int64_t block = 0; block < weightBlocks(); ++block) {
      Value four =
          k.load(vector, k.offset(start, block * WeightLayout::blockN * activationBytes), 16);
      for (int64_t e = 0; e < 4; ++e)
        words.push_back(LLVM::ExtractElementOp::create(k, four, k.i32(e)));
    }
  };
  read(layout.scales);
  if (zeroPoints)
    read(layout.zeroPoints);
}

void Emitter::takeParameters(ArrayRef<Value> words) {
  size_t count = weightBlocks() * 4;
  dequantizer.setScales(words.take_front(count));
  if (zeroPoints)
    dequantizer.setZeroPoints(words.drop_front(count));
}

/// Zero points that hold for all of k are read once; without any they are zero.
void Emitter::loadChannelZeroPoints() {
  if (!zeroPoints)
    return;
  SmallVector<Value> words;
  auto vector = VectorType::get(4, k.getI32Type());
  // Blocks of columns beyond the last take the last one's.
  for (int64_t block = 0; block < weightBlocks(); ++block) {
    Value column = k.add(k.add(origin.column, warpColumn), block * WeightLayout::blockN);
    column = k.minimum(column, k.i32(weightLayout.paddedN() - WeightLayout::blockN));
    Value at = k.add(k.mul(column, activationBytes), k.mul(k.div(lane, 4), 16));
    Value four = k.loadConstant(vector, k.offset(zeroPoints, at), 16);
    for (int64_t e = 0; e < 4; ++e)
      words.push_back(LLVM::ExtractElementOp::create(k, four, k.i32(e)));
  }
  dequantizer.setZeroPoints(words);
}

/// Scales where they are per channel, adds the bias and writes.
void Emitter::finish(ArrayRef<Value> sums) {
  Value firstColumn = k.add(origin.column, warpColumn), firstRow = k.add(origin.row, warpRow);
  Value own = k.offset(shared, k.mul(warpPart, OutputStage::bytes(spec.outputType, tile.warpN())));
  OutputStage stage(k, spec.outputType, tile.warpN(), k.offset(own, warpSumBytes(tile)), lane,
                    output, rows, spec.n);
  SmallVector<Value> columnScales, columnBias;
  for (Value n : stage.laneColumns(blocksN(), firstColumn)) {
    if (!spec.groupSize)
      columnScales.push_back(element(scales, spec.scaleType, n));
    if (bias)
      columnBias.push_back(element(bias, spec.biasType, n));
  }
  auto value = [&](int64_t index, int64_t column) {
    Value y = sums[index];
    if (!spec.groupSize)
      y = arith::MulFOp::create(k, y, columnScales[column]);
    return bias ? arith::AddFOp::create(k, y, columnBias[column]).getResult() : y;
  };
  stage.writeBlocks(blocksM(), blocksN(), firstRow, firstColumn, [](Value) {}, value);
}

bool ptq::kernels::isValidTile(const WeightOnlyLinearSpec &spec, const GemmTile &tile) {
  if (spec.n < 1 || spec.k < 1 || tile.warpsM < 1 || tile.warpsN < 1 || tile.warpsK < 1 ||
      tile.stages < 2)
    return false;
  if (!WeightLayout::hasBits(spec.bits))
    return false;
  if (spec.groupSize && (spec.groupSize % stepK != 0 || spec.k % spec.groupSize != 0))
    return false;
  bool divides = tile.blockM % tile.warpsM == 0 && tile.blockN % tile.warpsN == 0;
  bool fragments = tile.warpM() % 16 == 0 && tile.warpN() % WeightLayout::blockN == 0 &&
                   tile.warpM() > 0 && tile.warpN() > 0;
  bool depth = (tile.blockK == 64 || tile.blockK == 128) && tile.blockK / stepK % tile.warpsK == 0;
  bool threads = tile.threads() >= 128 && tile.threads() <= 1024 &&
                 llvm::isPowerOf2_64(tile.threads()) && llvm::isPowerOf2_64(tile.blockN);
  bool splits = tile.splits >= 1 && tile.splits <= depthTiles(spec, tile);
  return divides && fragments && depth && threads && splits;
}

gpu::GPUFuncOp ptq::kernels::emitWeightOnlyLinear(gpu::GPUModuleOp module, StringRef name,
                                                  const WeightOnlyLinearSpec &spec,
                                                  const GemmTile &tile) {
  assert(isValidTile(spec, tile) && "a tile that the kernel cannot be made with");
  SmallVector<Argument> arguments(3, Argument::Input);
  if (spec.zeroPoints)
    arguments.push_back(Argument::Input);
  if (spec.biasType)
    arguments.push_back(Argument::Input);
  arguments.append({Argument::Output, Argument::Number});
  if (tile.splits > 1)
    arguments.append(2, Argument::Shared);
  gpu::GPUFuncOp function = createKernel(module, name, arguments, tile.threads());
  Emitter(function, spec, tile).emit();
  return function;
}

int64_t ptq::kernels::sharedBytes(const WeightOnlyLinearSpec &spec, const GemmTile &tile) {
  int64_t ring = StageLayout(spec, tile).bytes * tile.stages;
  int64_t staging = tile.warpsM * tile.warpsN * OutputStage::bytes(spec.outputType, tile.warpN());
  return std::max(ring, warpSumBytes(tile) + staging);
}

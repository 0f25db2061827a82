// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The W4A8 and W4A4 kernels. Activations go through swizzled tiles and ldmatrix; weights, laid out
// by PackedIntegerLayout, go as they are, and become mma operands in registers:
//
//   int4 activations: they are operands already.
//   int8 activations: w & 0xf0f0f0f0 and (w << 4) & 0xf0f0f0f0 are four bytes 16·u each, u in [-8,
//     7], so that the sums are 16 times the product's: |16·u·x| ≤ 2^14, exact in 32 bits up to k =
//     2^17 − 1; an arithmetic shift on the way out divides them.
//   progressive groups: for v = (u − z)·s in [-128, 127] the four bytes v + 128 are the base-256
//     digits of Σ (u_i·s + (128 − z·s))·256^i = u·s + (0x80808080 − z·s·0x01010101), u the word of
//     the four codes: one multiply-add, and as the result's digits are what they are no carry can
//     be wrong between them. An exclusive or with 0x80808080 turns v + 128 into v.
//
// The loop over m is the innermost one: a word is unpacked once for all rows.

#include "ptq/Kernels/PackedIntegerLinear.h"

#include "BlockCopy.h"
#include "KernelFunction.h"
#include "Pipeline.h"
#include "ScaledOutput.h"
#include "SharedTile.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::kernels;

namespace {

constexpr int64_t parameterBytes = PackedIntegerLayout::parameterBytes;
/// Columns of a block of weights, in mma operands.
constexpr int64_t operandsPerBlock = PackedIntegerLayout::blockN / 8;
/// Words of a lane that one load gives.
constexpr int64_t wordsPerLoad = 4, loadBytes = 512;

/// What a stage holds, in bytes from its start.
struct StageLayout {
  StageLayout(const PackedIntegerLinearSpec &spec, const GemmTile &tile)
      : activations{tile.blockM, tile.blockK * spec.activationBits / 8} {
    if (spec.groupSize)
      parameterRows =
          std::max<int64_t>(1, tile.blockK / PackedIntegerLayout::rowSize(spec.groupSize));
    weight = activations.bytes();
    parameters = weight + tile.blockN * tile.blockK * PackedIntegerLayout::weightBits / 8;
    bytes = parameters + parameterRows * tile.blockN * parameterBytes;
  }
  TileShape activations;
  int64_t parameterRows = 0;
  int64_t weight, parameters, bytes;
};

class Emitter {
public:
  Emitter(gpu::GPUFuncOp function, const PackedIntegerLinearSpec &spec, const GemmTile &tile)
      : k(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front())), spec(spec),
        tile(tile), stageLayout(spec, tile), weightLayout(spec.layout()),
        module(function->getParentOfType<gpu::GPUModuleOp>()),
        rowSize(spec.groupSize ? PackedIntegerLayout::rowSize(spec.groupSize) : 0) {
    unsigned next = 0;
    auto argument = [&]() -> Value { return function.getArgument(next++); };
    q = argument();
    scaling.inputScales = argument();
    if (spec.linear.zeroPointType) {
      scaling.zeroPoints = argument();
      scaling.weightSums = argument();
    }
    weight = argument();
    if (spec.groupSize)
      parameters = argument();
    scaling.weightScales = argument();
    if (spec.linear.biasType)
      scaling.bias = argument();
    output = argument();
    rows = argument();
  }
  void emit();

private:
  int64_t blocksM() const { return tile.warpM() / 16; }
  int64_t blocksN() const { return tile.warpN() / 8; }
  int64_t stepK() const { return weightLayout.blockK(); }
  /// Blocks of weights of a warp in a step, and loads of a lane for one.
  int64_t weightBlocks() const { return tile.warpN() / PackedIntegerLayout::blockN; }
  int64_t loadsPerBlock() const { return weightLayout.blockBytes() / loadBytes; }

  SmallVector<Value> multiply();
  void issueParameters(Value tileIndex, Value shared);
  bool startsGroup(unsigned step) const {
    return spec.groupSize && (step == 0 || step * stepK() % rowSize == 0);
  }
  void readWords(Value from, unsigned count, SmallVectorImpl<Value> &words);
  void readParameters(Value stage, unsigned step, SmallVectorImpl<Value> &words);
  void takeParameters(ArrayRef<Value> words);
  /// The two words of mma operand `operand` of the warp's columns from its packed words.
  std::array<Value, 2> unpack(ArrayRef<Value> words, int64_t operand);
  void finish(ArrayRef<Value> sums);

  KernelBuilder k;
  const PackedIntegerLinearSpec &spec;
  const GemmTile &tile;
  StageLayout stageLayout;
  PackedIntegerLayout weightLayout;
  gpu::GPUModuleOp module;
  int64_t rowSize;
  ScalingOperands scaling;
  Value q, weight, parameters, output, rows;
  Value shared, thread, lane, warp, warpRow, warpColumn;
  TileOrigin origin;
  /// Of the group in use, for each of the lane's columns: s and 0x80808080 − z·s·0x01010101.
  SmallVector<Value> groupScales, groupOffsets;
};

} // namespace

void Emitter::emit() {
  shared = dynamicShared(k, module);
  thread = k.threadId(tile.threads());
  lane = k.rem(thread, 32);
  warp = k.div(thread, 32);
  warpRow = k.mul(k.div(warp, tile.warpsN), tile.warpM());
  warpColumn = k.mul(k.rem(warp, tile.warpsN), tile.warpN());
  origin = tileOrigin(k, tile, rows, spec.linear.n);
  SmallVector<Value> sums = multiply();
  finish(sums);
  gpu::ReturnOp::create(k);
}

/// The sums, 4 words for each m16×n8 block of the warp's part; 16 times as large where int8
/// activations meet codes without groups.
SmallVector<Value> Emitter::multiply() {
  bool packed = spec.activationBits == 4;
  int64_t rowBytes = stageLayout.activations.rowBytes;
  int64_t pitch = packed ? weightLayout.paddedK() / 2 : spec.linear.k;
  TileCopy inputCopy(k, stageLayout.activations, pitch, 1, tile.threads(), thread, q, origin.row,
                     rows);
  int64_t blockBytes = weightLayout.blockBytes();
  int64_t blocksPerRow = weightLayout.paddedK() / stepK(), blocksPerTile = tile.blockK / stepK();
  int64_t weightRows = weightLayout.paddedN() / PackedIntegerLayout::blockN;
  Value firstWeightRow = k.div(origin.column, PackedIntegerLayout::blockN);
  bool wholeColumns = weightLayout.paddedN() % tile.blockN == 0;
  BlockCopy weightCopy(k, tile.blockN / PackedIntegerLayout::blockN, blocksPerTile * blockBytes,
                       blocksPerRow * blockBytes, tile.threads(), thread,
                       wholeColumns ? Value() : k.sub(k.i32(weightRows), firstWeightRow));
  Value weightStart = k.offset(weight, k.wideMul(firstWeightRow, blocksPerRow * blockBytes));
  FragmentReader inputReader(k, FragmentReader::Side::Left, stageLayout.activations, lane, warpRow);
  // This lane's words of the warp's first block of weights.
  Value weightLane =
      k.add(k.mul(k.div(warpColumn, PackedIntegerLayout::blockN), blocksPerTile * blockBytes),
            k.mul(lane, 16));

  Pipeline pipeline;
  pipeline.stages = tile.stages;
  pipeline.stageBytes = stageLayout.bytes;
  pipeline.tiles = llvm::divideCeil(spec.linear.k, tile.blockK);
  pipeline.steps = blocksPerTile;
  pipeline.pointers = {inputCopy.pointer(), weightCopy.pointer(weightStart)};
  pipeline.advances = {rowBytes, blocksPerTile * blockBytes};
  pipeline.issue = [&](ValueRange pointers, Value index, Value stage) {
    inputCopy.issue(pointers[0], k.add(inputCopy.column(), k.mul(index, rowBytes)), stage);
    Value left = k.sub(k.i32(blocksPerRow * blockBytes), k.mul(index, blocksPerTile * blockBytes));
    weightCopy.issue(pointers[1], k.offset(stage, stageLayout.weight), left);
    if (spec.groupSize)
      issueParameters(index, k.offset(stage, stageLayout.parameters));
  };
  pipeline.read = [&](Value stage, unsigned step) {
    SmallVector<Value> words;
    for (int64_t i = 0; i < blocksM(); ++i)
      llvm::append_range(words, inputReader.read(stage, step, i));
    Value start = k.offset(k.offset(stage, weightLane), stageLayout.weight + step * blockBytes);
    for (int64_t block = 0; block < weightBlocks(); ++block)
      for (int64_t load = 0; load < loadsPerBlock(); ++load)
        readWords(k.offset(start, block * blocksPerTile * blockBytes + load * loadBytes),
                  wordsPerLoad, words);
    if (startsGroup(step))
      readParameters(stage, step, words);
    return words;
  };
  pipeline.multiply = [&](unsigned step, ArrayRef<Value> words, MutableArrayRef<Value> sums) {
    ArrayRef<Value> a = words.take_front(blocksM() * 4);
    ArrayRef<Value> codes =
        words.drop_front(a.size()).take_front(weightBlocks() * loadsPerBlock() * wordsPerLoad);
    if (startsGroup(step))
      takeParameters(words.drop_front(a.size() + codes.size()));
    for (int64_t j = 0; j < blocksN(); ++j) {
      std::array<Value, 2> b = unpack(codes, j);
      for (int64_t i = 0; i < blocksM(); ++i) {
        MutableArrayRef<Value> d = sums.slice((i * blocksN() + j) * 4, 4);
        llvm::copy(packed ? k.mmaS4(a.slice(i * 4, 4), b, d) : k.mmaS8(a.slice(i * 4, 4), b, d),
                   d.begin());
      }
    }
  };
  return pipeline.run(k, shared, SmallVector<Value>(blocksM() * blocksN() * 4, k.i32(0)));
}

void Emitter::readWords(Value from, unsigned count, SmallVectorImpl<Value> &words) {
  Value vector = k.load(VectorType::get(count, k.getI32Type()), from, 4 * count);
  for (unsigned e = 0; e < count; ++e)
    words.push_back(LLVM::ExtractElementOp::create(k, vector, k.i32(e)));
}

/// Copies the rows of parameters that tile `tileIndex` needs; beyond the last tile none.
void Emitter::issueParameters(Value tileIndex, Value shared) {
  int64_t pitch = weightLayout.paddedN() * parameterBytes;
  Value row = rowSize >= tile.blockK ? k.div(tileIndex, rowSize / tile.blockK)
                                     : k.mul(tileIndex, tile.blockK / rowSize);
  BlockCopy copy(k, stageLayout.parameterRows, tile.blockN * parameterBytes, pitch, tile.threads(),
                 thread, k.sub(k.i32(weightLayout.parameterRows(spec.groupSize)), row));
  Value column = k.mul(origin.column, parameterBytes);
  Value start = k.offset(k.offset(parameters, k.wideMul(row, pitch)), column);
  bool whole = weightLayout.paddedN() % tile.blockN == 0;
  copy.issue(copy.pointer(start), shared, whole ? Value() : k.sub(k.i32(pitch), column));
}

/// For each block of weights the scales of the lane's 4 columns in one word, z·s in the other.
void Emitter::readParameters(Value stage, unsigned step, SmallVectorImpl<Value> &words) {
  int64_t row = step * stepK() / rowSize, rowBytes = tile.blockN * parameterBytes;
  Value at = k.add(k.mul(warpColumn, parameterBytes), k.mul(k.div(lane, 4), 8));
  Value start = k.offset(k.offset(stage, at), stageLayout.parameters + row * rowBytes);
  for (int64_t block = 0; block < weightBlocks(); ++block)
    readWords(k.offset(start, block * PackedIntegerLayout::blockN * parameterBytes), 2, words);
}

void Emitter::takeParameters(ArrayRef<Value> words) {
  groupScales.clear();
  groupOffsets.clear();
  for (int64_t block = 0; block < weightBlocks(); ++block)
    for (unsigned j = 0; j < operandsPerBlock; ++j) {
      Value scales = words[2 * block], products = words[2 * block + 1];
      groupScales.push_back(k.permute(scales, k.i32(0), 0x4440 | j));
      groupOffsets.push_back(k.sub(k.i32(0x80808080), k.permute(products, products, 0x1111 * j)));
    }
}

std::array<Value, 2> Emitter::unpack(ArrayRef<Value> words, int64_t operand) {
  if (spec.activationBits == 4)
    return {words[2 * operand], words[2 * operand + 1]};
  Value word = words[operand];
  if (!spec.groupSize)
    return {k.bitAnd(word, 0xf0f0f0f0), k.bitAnd(k.shiftLeft(word, 4), 0xf0f0f0f0)};
  auto scaled = [&](Value codes) {
    Value digits = k.add(k.mul(codes, groupScales[operand]), groupOffsets[operand]);
    return k.bitXor(digits, 0x80808080);
  };
  return {scaled(k.bitAnd(k.shiftRight(word, 4), 0x0f0f0f0f)), scaled(k.bitAnd(word, 0x0f0f0f0f))};
}

void Emitter::finish(ArrayRef<Value> sums) {
  const IntegerLinearSpec &linear = spec.linear;
  Value own = k.offset(shared, k.mul(warp, OutputStage::bytes(linear.outputType, tile.warpN())));
  OutputStage stage(k, linear.outputType, tile.warpN(), own, lane, output, rows, linear.n);
  bool sixteenfold = spec.activationBits == 8 && !spec.groupSize;
  writeScaled(k, linear, scaling, stage, blocksM(), blocksN(), k.add(origin.row, warpRow),
              k.add(origin.column, warpColumn), [&](int64_t index) -> Value {
                if (!sixteenfold)
                  return sums[index];
                return arith::ShRSIOp::create(k, sums[index], k.i32(4));
              });
}

llvm::StringRef ptq::kernels::whyUnsupported(const PackedIntegerLinearSpec &spec) {
  if (spec.linear.n < 1 || spec.linear.k < 1)
    return "it is empty";
  if (spec.activationBits != 4 && spec.activationBits != 8)
    return "kernels with 4-bit weights have activations of 4 or 8 bits";
  if (spec.groupSize && spec.activationBits == 4)
    return "kernels with 4-bit activations have no groups";
  if (spec.groupSize && (spec.groupSize % 32 != 0 || spec.linear.k % spec.groupSize != 0))
    return "its group size is not a multiple of 32 that divides its inputs";
  if (!spec.groupSize && spec.activationBits == 8 && spec.linear.k >= int64_t(1) << 17)
    return "16 times its sums are too large for 32 bits";
  return "";
}

bool ptq::kernels::isValidTile(const PackedIntegerLinearSpec &spec, const GemmTile &tile) {
  if (!whyUnsupported(spec).empty() || tile.warpsM < 1 || tile.warpsN < 1 || tile.warpsK != 1 ||
      tile.splits != 1 || tile.stages < 2)
    return false;
  bool divides = tile.blockM % tile.warpsM == 0 && tile.blockN % tile.warpsN == 0;
  bool fragments = tile.warpM() % 16 == 0 && tile.warpN() % PackedIntegerLayout::blockN == 0 &&
                   tile.warpM() > 0 && tile.warpN() > 0;
  int64_t rowBytes = tile.blockK * spec.activationBits / 8;
  bool threads = tile.threads() >= 128 && tile.threads() <= 1024 &&
                 llvm::isPowerOf2_64(tile.threads()) && llvm::isPowerOf2_64(tile.blockN);
  return divides && fragments && (rowBytes == 64 || rowBytes == 128) && threads;
}

gpu::GPUFuncOp ptq::kernels::emitPackedIntegerLinear(gpu::GPUModuleOp module, StringRef name,
                                                     const PackedIntegerLinearSpec &spec,
                                                     const GemmTile &tile) {
  assert(isValidTile(spec, tile) && "a tile that the kernel cannot be made with");
  SmallVector<Argument> arguments(2, Argument::Input);
  if (spec.linear.zeroPointType)
    arguments.append(2, Argument::Input);
  arguments.append(spec.groupSize ? 3 : 2, Argument::Input);
  if (spec.linear.biasType)
    arguments.push_back(Argument::Input);
  arguments.append({Argument::Output, Argument::Number});
  gpu::GPUFuncOp function = createKernel(module, name, arguments, tile.threads());
  Emitter(function, spec, tile).emit();
  return function;
}

int64_t ptq::kernels::sharedBytes(const PackedIntegerLinearSpec &spec, const GemmTile &tile) {
  int64_t ring = StageLayout(spec, tile).bytes * tile.stages;
  return std::max(ring, tile.warps() * OutputStage::bytes(spec.linear.outputType, tile.warpN()));
}

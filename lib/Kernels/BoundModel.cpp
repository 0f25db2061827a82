// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Kernels/BoundModel.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace ptq::kernels;

namespace {

using Kind = GemmProblem::Kind;

/// From the first instruction to the first byte from memory, and what a load from memory takes, in
/// cycles.
constexpr double memoryLatency = 800;
/// A round trip to L2 or an atomic there, in cycles.
constexpr double l2Latency = 300;
/// Between L2 and a multiprocessor, bytes a cycle.
constexpr double portBytesPerCycle = 64;
/// Integer instructions of a sub-core: half a warp a cycle.
constexpr double cyclesPerAluInstruction = 2;
/// Of a k-tile, in every warp: loop, barrier, wait, ring arithmetic; and per asynchronous copy:
/// itself, its address and predicate; more of it where tiles reach beyond the columns. Fitted to
/// SASS.
constexpr double instructionsPerTile = 13, instructionsPerCopy = 4.4, morePerRaggedCopy = 4;
/// Addresses, predicates and the like.
constexpr int64_t otherRegisters = 32;

bool weightOnly(const GemmProblem &p) { return p.kind == Kind::WeightOnlyLinear; }
bool packed(const GemmProblem &p) {
  return p.kind == Kind::PackedIntegerLinear || p.kind == Kind::Int4Linear;
}
/// Instructions that make an mma operand of a word of codes.
double unpackInstructions(const GemmProblem &p) {
  return p.kind == Kind::Int4Linear ? 0 : p.groupSize ? 7 : 3;
}

double weightBytes(const GemmProblem &p) { return double(p.n) * p.k * p.weightBits / 8; }

double parameterBytes(const GemmProblem &p) {
  double scales = p.groupSize ? double(p.n) * p.k / p.groupSize * 2 : double(p.n) * 4;
  if (packed(p))
    return double(p.n) * 4 + (p.groupSize ? scales : 0);
  return scales * (p.zeroPoints ? 2 : 1);
}

/// Bytes of a stage of the ring.
double stageBytes(const GemmProblem &p, const GemmTile &t) {
  double bytes =
      double(t.blockM) * t.blockK * p.inputBytes() + double(t.blockN) * t.blockK * p.weightBits / 8;
  if (p.groupSize && (weightOnly(p) || packed(p)))
    bytes +=
        std::max<double>(1, double(t.blockK) / p.groupSize) * t.blockN * 2 * (p.zeroPoints ? 2 : 1);
  return bytes;
}

/// Counts of one warp for one k-tile.
struct WarpCounts {
  double mma;             ///< products of m16×n8×32 bytes
  double multiplications; ///< instructions that make them
  double alu, half, loads, copies, raggedCopies;
  double instructions() const {
    return multiplications + alu + half + loads + copies * instructionsPerCopy +
           raggedCopies * morePerRaggedCopy + instructionsPerTile;
  }
};

double cyclesOf(const Chip &chip, const GemmProblem &p, const GemmTile &t) {
  return t.wgmma ? chip.cyclesPeak : weightOnly(p) ? chip.cyclesMmaF16 : chip.cyclesMmaS8;
}

WarpCounts countWarp(const GemmProblem &p, const GemmTile &t) {
  double steps = double(t.blockK) / p.mmaK() / t.warpsK;
  double blocksM = t.warpM() / 16.0, blocksN = t.warpN() / 8.0;
  WarpCounts c{};
  c.mma = steps * blocksM * blocksN;
  // wgmma: and the addresses of two descriptors.
  c.multiplications = t.wgmma ? steps * 5 : c.mma;
  c.copies = stageBytes(p, t) / 16 / t.threads();
  if (packed(p)) {
    c.loads = steps * (blocksM + blocksN / (p.kind == Kind::Int4Linear ? 2 : 4));
    c.alu = steps * blocksN * unpackInstructions(p);
    if (p.groupSize) {
      double rows = std::max(1.0, double(t.blockK) / p.groupSize);
      c.loads += rows * blocksN / 4;
      c.alu += rows * blocksN * 3;
    }
    return c;
  }
  if (!weightOnly(p)) {
    c.loads = t.wgmma ? 0 : steps * (blocksM + blocksN / 2);
    if (p.n % t.blockN)
      c.raggedCopies = double(t.blockN) * t.blockK / 16 / t.threads();
    return c;
  }
  // A word of codes: masks and shifts; subtraction and scale in pairs.
  double words = steps * blocksN * p.weightBits / 8, operands = steps * blocksN;
  c.alu = p.weightBits == 4   ? words * 5
          : p.weightBits == 8 ? operands * 2
                              : operands * (p.weightBits == 3 ? 8 : 4);
  c.half = operands * (p.groupSize ? 4 : 2);
  c.loads = steps * (blocksM + words / steps / 4);
  if (p.groupSize) {
    double rows = std::max(1.0, double(t.blockK) / t.warpsK / p.groupSize),
           parts = p.zeroPoints ? 2 : 1;
    c.loads += rows * t.warpN() / 64 * parts;
    c.alu += rows * blocksN * parts;
    c.half += p.zeroPoints ? rows * blocksN * 2 : 0;
  }
  return c;
}

} // namespace

double GemmProblem::leastBytes() const {
  return batch * (double(m) * k * inputBytes() + weightBytes(*this) + parameterBytes(*this) +
                  double(m) * n * outputBytes);
}

double Bound::cycles() const {
  return std::max({mma, issue, alu, shared, l2, dram}) + prologue + epilogue;
}

double Bound::sum() const { return mma + issue + alu + shared + l2 + dram + prologue + epilogue; }

llvm::StringRef Bound::limit() const {
  std::pair<double, llvm::StringRef> terms[] = {
      {mma, "mma"}, {issue, "issue"}, {alu, "alu"}, {shared, "shared"}, {l2, "l2"}, {dram, "dram"}};
  return std::max_element(std::begin(terms), std::end(terms),
                          [](auto &a, auto &b) { return a.first < b.first; })
      ->second;
}

int64_t ptq::kernels::estimateRegisters(const GemmProblem &p, const GemmTile &t) {
  int64_t sums = t.warpM() * t.warpN() / 32, left = t.warpM() / 16 * 4;
  if (t.wgmma)
    return sums + otherRegisters;
  int64_t right = weightOnly(p) ? t.warpN() / 64 * p.weightBits : t.warpN() / 8 * 2;
  int64_t parameters = packed(p) && p.groupSize ? t.warpN() / 8 * 2 : 0;
  if (p.kind == Kind::PackedIntegerLinear)
    right /= 2;
  if (weightOnly(p))
    parameters = t.warpN() / 8 * ((p.groupSize ? 1 : 0) + (p.zeroPoints ? 2 : 0));
  return sums + 2 * (left + right) + parameters + otherRegisters;
}

double ptq::kernels::estimateInstructionsPerMma(const GemmProblem &p, const GemmTile &t) {
  WarpCounts counts = countWarp(p, t);
  return counts.instructions() / counts.mma;
}

int64_t ptq::kernels::ringBytes(const GemmProblem &p, const GemmTile &t) {
  return static_cast<int64_t>(stageBytes(p, t)) * t.stages;
}

std::optional<Bound> ptq::kernels::bound(const Chip &chip, const GemmProblem &p,
                                         const GemmTile &t) {
  // The system keeps 1 KiB of shared memory for itself in every block.
  int64_t shared = ringBytes(p, t),
          registers = llvm::alignTo(estimateRegisters(p, t), 8) * t.threads();
  if (shared > chip.sharedPerBlock || registers > Chip::registersPerMultiprocessor ||
      estimateRegisters(p, t) > Chip::registersPerThread)
    return std::nullopt;
  Bound b;
  b.residentBlocks = std::min({chip.sharedPerMultiprocessor / (shared + 1024),
                               Chip::registersPerMultiprocessor / registers,
                               chip.threadsPerMultiprocessor / t.threads()});
  if (b.residentBlocks < 1)
    return std::nullopt;
  b.blocks = p.batch * t.blocks(p.m, p.n);
  b.waves = llvm::divideCeil(b.blocks, chip.multiprocessors);
  int64_t tiles = llvm::divideCeil(llvm::divideCeil(p.k, t.blockK), t.splits);
  WarpCounts warp = countWarp(p, t);
  b.instructionsPerMma = warp.instructions() / warp.mma;

  // Warp instructions of the busiest multiprocessor; as many sub-cores as it has warps work at it.
  double warpTiles = double(b.waves) * t.warps() * tiles;
  double subCores =
      std::min<double>(Chip::subCores, double(std::min(b.waves, b.residentBlocks)) * t.warps());
  double cyclesPerMma = cyclesOf(chip, p, t);
  b.mma = warpTiles * warp.mma * cyclesPerMma / subCores;
  b.issue = warpTiles * warp.instructions() / (subCores * Chip::issuePerCycle);
  b.alu = warpTiles * (warp.alu + warp.copies * 3 + 6) * cyclesPerAluInstruction / subCores;

  double tileBytes = stageBytes(p, t), traffic = double(b.waves) * tiles * tileBytes;
  double leftRead = double(t.blockM) * t.blockK * p.inputBytes() * t.warpsN;
  double rightRead = double(t.blockN) * t.blockK * p.weightBits / 8;
  rightRead *= t.wgmma ? t.warpsM / 4.0 : t.warpsM;
  b.shared =
      (traffic + double(b.waves) * tiles * (leftRead + rightRead)) / Chip::sharedBytesPerCycle;
  // Each block writes its sums, one of each tile reads those of all, or of all others.
  double sumBytes = t.splits > 1 ? double(t.blockM) * t.blockN * 4 : 0;
  double sumReads = t.splits > 1 ? (weightOnly(p) ? t.splits : t.splits - 1) : 0;
  double blockTraffic = tiles * tileBytes + sumBytes * (1 + sumReads / t.splits);
  b.l2 = std::max(b.waves * blockTraffic / portBytesPerCycle,
                  b.blocks * blockTraffic / chip.l2BytesPerCycle);

  // Memory gives what is asked for: the bytes under way divided by the latency, up to its
  // bandwidth.
  double resident = std::min(b.waves, b.residentBlocks);
  double perMultiprocessor =
      std::min(portBytesPerCycle, resident * (t.stages - 1) * tileBytes / memoryLatency);
  double rate = std::min(chip.dramGBs / chip.gigahertz,
                         perMultiprocessor * std::min<double>(b.blocks, chip.multiprocessors));
  b.dram = p.leastBytes() / rate;
  // What was written arrives, is counted, and the others' is read.
  double exchange =
      t.splits > 1 ? 3 * l2Latency + sumBytes * (1 + sumReads) / portBytesPerCycle : 0;
  double exposed = b.residentBlocks > 1 ? 1 : b.waves;
  b.prologue = exposed * memoryLatency;
  b.epilogue =
      exposed * (double(t.blockM) * t.blockN * p.outputBytes / portBytesPerCycle + exchange);
  return b;
}

double ptq::kernels::rooflineCycles(const Chip &chip, const GemmProblem &p) {
  double products = double(p.batch) * p.m * p.n * p.k / (16.0 * 8 * p.mmaK());
  double compute = products * chip.cyclesPeak / (Chip::subCores * chip.multiprocessors);
  return std::max(compute, p.leastBytes() / (chip.dramGBs / chip.gigahertz));
}

/// Those by mma.sync.
static llvm::ArrayRef<GemmTile> tilesByMma(Kind kind) {
  // blockM, blockN, blockK, warpsM, warpsN, stages, warpsK
  // 80 and 112 columns: what fills the multiprocessors evenly where 128 and 256 do not.
  static constexpr GemmTile integer[] = {
      {128, 256, 64, 2, 4, 4}, {128, 256, 64, 2, 4, 3}, {128, 128, 64, 2, 2, 4},
      {128, 112, 64, 4, 1, 4}, {128, 80, 128, 4, 1, 3}, {64, 128, 64, 2, 2, 4},
      {64, 64, 128, 2, 2, 4},  {32, 128, 128, 1, 4, 4}, {16, 128, 128, 1, 4, 4},
      {16, 64, 128, 1, 4, 4},  {64, 64, 64, 2, 2, 3},   {16, 64, 64, 1, 4, 4}};
  static constexpr GemmTile weight[] = {{128, 256, 64, 2, 4, 4},  {128, 256, 64, 2, 4, 3},
                                        {64, 256, 64, 1, 4, 4},   {64, 128, 64, 1, 2, 4, 2},
                                        {32, 256, 64, 1, 4, 4},   {32, 64, 64, 1, 1, 4, 4},
                                        {16, 256, 128, 1, 4, 4},  {16, 64, 128, 1, 1, 4, 4},
                                        {16, 64, 64, 1, 1, 4, 4}, {64, 64, 64, 2, 1, 4, 2}};
  static constexpr GemmTile packedWeight[] = {
      {128, 256, 64, 2, 4, 4}, {128, 256, 64, 2, 4, 3}, {128, 128, 64, 2, 2, 4},
      {64, 256, 64, 1, 4, 4},  {64, 128, 64, 2, 2, 4},  {64, 64, 128, 2, 2, 4},
      {32, 128, 128, 1, 4, 4}, {16, 128, 128, 1, 4, 4}, {16, 128, 64, 1, 4, 4}};
  static constexpr GemmTile int4[] = {{128, 256, 128, 2, 4, 4}, {128, 256, 128, 2, 4, 3},
                                      {128, 128, 128, 2, 2, 4}, {64, 128, 128, 2, 2, 4},
                                      {64, 64, 256, 2, 2, 4},   {32, 128, 256, 1, 4, 4},
                                      {16, 128, 256, 1, 4, 4},  {16, 128, 128, 1, 4, 4}};
  switch (kind) {
  case Kind::IntegerLinear:
    return integer;
  case Kind::WeightOnlyLinear:
    return weight;
  case Kind::PackedIntegerLinear:
    return packedWeight;
  case Kind::Int4Linear:
    return int4;
  }
  return {};
}

llvm::SmallVector<GemmTile> ptq::kernels::tiles(const Chip &chip, const GemmProblem &p) {
  static constexpr GemmTile byWgmma[] = {
      {128, 256, 128, 8, 1, 4, 1, 1, true}, {128, 128, 128, 8, 1, 5, 1, 1, true},
      {128, 80, 128, 8, 1, 6, 1, 1, true},  {64, 256, 128, 4, 1, 4, 1, 1, true},
      {64, 128, 128, 4, 1, 4, 1, 1, true},  {64, 64, 128, 4, 1, 4, 1, 1, true}};
  llvm::SmallVector<GemmTile> all(tilesByMma(p.kind));
  if (chip.hasWgmma && p.kind == Kind::IntegerLinear && p.batch == 1 && !p.tail)
    llvm::append_range(all, byWgmma);
  return all;
}

int64_t ptq::kernels::maxSplits(const GemmProblem &p, const GemmTile &tile) {
  constexpr int64_t most = 16;
  if (packed(p) || p.batch > 1)
    return 1;
  return std::min<int64_t>(most, llvm::divideCeil(p.k, tile.blockK));
}

double TileChoice::cost() const {
  constexpr double splitCost = 1.1;
  return bound.cycles() * (tile.splits > 1 ? splitCost : 1);
}

llvm::SmallVector<TileChoice> ptq::kernels::fittingTiles(const Chip &chip,
                                                         const GemmProblem &problem) {
  llvm::SmallVector<TileChoice> fitting;
  for (GemmTile tile : tiles(chip, problem)) {
    std::optional<TileChoice> best;
    for (int64_t splits = 1, most = maxSplits(problem, tile); splits <= most; ++splits) {
      tile.splits = splits;
      std::optional<Bound> b = bound(chip, problem, tile);
      if (b && (!best || TileChoice{tile, *b}.cost() < best->cost()))
        best = {tile, *b};
    }
    if (best)
      fitting.push_back(*best);
  }
  return fitting;
}

std::optional<TileChoice> ptq::kernels::chooseTile(const Chip &chip, const GemmProblem &problem) {
  llvm::SmallVector<TileChoice> fitting = fittingTiles(chip, problem);
  double least = std::numeric_limits<double>::infinity();
  for (const TileChoice &choice : fitting)
    least = std::min(least, choice.cost());
  // Of ties the one that leaves the most resources idle.
  std::optional<TileChoice> best;
  for (const TileChoice &choice : fitting)
    if (choice.cost() <= TileChoice::tie * least &&
        (!best || choice.bound.sum() < best->bound.sum()))
      best = choice;
  return best;
}

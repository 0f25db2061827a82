// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Why a tile was chosen, in words.

#include "ptq/Kernels/BoundModel.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace ptq::kernels;

static std::string nameOf(const GemmTile &t) {
  std::string name = llvm::formatv("tile {0}x{1}x{2}, warps {3}x{4}x{5}, {6} stages", t.blockM,
                                   t.blockN, t.blockK, t.warpsM, t.warpsN, t.warpsK, t.stages);
  if (t.wgmma)
    name += ", wgmma";
  return t.splits > 1 ? name + ", " + std::to_string(t.splits) + " splits" : name;
}

static std::string microseconds(const Chip &chip, double cycles) {
  return llvm::formatv("{0:f2} us", cycles / (chip.gigahertz * 1e3));
}

/// What makes the other slower, or else why it is not taken though it is not.
static std::string whyNot(const TileChoice &other, const TileChoice &chosen) {
  const Bound &o = other.bound, &c = chosen.bound;
  if (other.cost() <= TileChoice::tie * chosen.cost())
    return llvm::formatv("a tie, but its terms add up to {0:f0} cycles, the chosen one's to {1:f0}",
                         o.sum(), c.sum());
  if (o.cycles() <= TileChoice::tie * c.cycles())
    return "its splits gain less than a tenth";
  double more = o.cycles() - c.cycles();
  double ends = (o.prologue + o.epilogue) - (c.prologue + c.epilogue);
  std::string term = "prologue and epilogue";
  double cycles = o.prologue + o.epilogue;
  if (ends <= more / 2) {
    term = o.limit();
    cycles = o.cycles() - cycles;
  }
  return llvm::formatv("{0} {1:f0} cycles ({2} blocks in {3} waves)", term, cycles, o.blocks,
                       o.waves);
}

static std::string whyNoRoom(const Chip &chip, const GemmProblem &p, const GemmTile &t) {
  if (int64_t bytes = ringBytes(p, t); bytes > chip.sharedPerBlock)
    return llvm::formatv("{0} KiB of shared memory, a block may have {1}", bytes >> 10,
                         chip.sharedPerBlock >> 10);
  return llvm::formatv("{0} registers in each of {1} threads", estimateRegisters(p, t),
                       t.threads());
}

void ptq::kernels::explain(llvm::raw_ostream &os, const Chip &chip, const GemmProblem &p,
                           const TileChoice &choice) {
  const Bound &b = choice.bound;
  double roofline = rooflineCycles(chip, p);
  os << llvm::formatv("{0} ({1}), m={2} n={3} k={4}: {5}\n", chip.name, chip.model, p.m, p.n, p.k,
                      nameOf(choice.tile));
  os << llvm::formatv("  modelled {0}, {1:f2} of the roofline bound of {2}; limited by {3}; {4} "
                      "blocks, {5} waves, {6} resident\n",
                      microseconds(chip, b.cycles()), b.cycles() / roofline,
                      microseconds(chip, roofline), b.limit(), b.blocks, b.waves, b.residentBlocks);
  os << llvm::formatv("  modelled cycles: max(mma {0:f0}, issue {1:f0}, alu {2:f0}, shared {3:f0}, "
                      "l2 {4:f0}, dram {5:f0}) + prologue {6:f0} + epilogue {7:f0} = {8:f0}",
                      b.mma, b.issue, b.alu, b.shared, b.l2, b.dram, b.prologue, b.epilogue,
                      b.cycles());
  constexpr size_t shown = 5;
  llvm::SmallVector<TileChoice> others = fittingTiles(chip, p);
  llvm::stable_sort(others,
                    [](const TileChoice &x, const TileChoice &y) { return x.cost() < y.cost(); });
  llvm::erase_if(
      others, [&](const TileChoice &other) { return nameOf(other.tile) == nameOf(choice.tile); });
  for (const TileChoice &other : llvm::ArrayRef(others).take_front(shown))
    os << llvm::formatv("\n  not {0}: modelled {1}, {2}", nameOf(other.tile),
                        microseconds(chip, other.bound.cycles()), whyNot(other, choice));
  if (others.size() > shown)
    os << llvm::formatv("\n  and {0} others, modelled {1} to {2}", others.size() - shown,
                        microseconds(chip, others[shown].bound.cycles()),
                        microseconds(chip, others.back().bound.cycles()));
  for (const GemmTile &tile : tiles(chip, p))
    if (!bound(chip, p, tile))
      os << llvm::formatv("\n  not {0}: {1}", nameOf(tile), whyNoRoom(chip, p, tile));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A bound on the time of a matrix-product kernel from what its tile does, and the choice of a tile
// by it.
//
// Each term is the time for which one resource is busy; the kernel takes the longest of them, plus
// what nothing overlaps:
//
//   T = max(mma, issue, alu, shared, l2, dram) + prologue + epilogue
//
// Terms of a multiprocessor count ceil(blocks / multiprocessors) blocks, so that a last, partial
// wave costs a whole one. Where only one block is resident, nothing overlaps the prologue and the
// epilogue of any of them. Blocks that share a tile (GemmTile::splits) write their sums, wait for
// each other's arrival at a counter and one of them reads them: in the L2 term and, for the last,
// in the epilogue. Left out: L2 hits between blocks, clocks under load, scheduling.
// Differences under a tenth are ties. What this gives is *modelled* time, a bound and not a
// measurement.

#ifndef PTQ_KERNELS_BOUNDMODEL_H
#define PTQ_KERNELS_BOUNDMODEL_H

#include "ptq/Kernels/Chip.h"
#include "ptq/Kernels/GemmTile.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace ptq::kernels {

/// A product [m, k] × [n, k]ᵀ, or a batch of them.
struct GemmProblem {
  /// Int4Linear is PackedIntegerLinear with 4-bit activations.
  enum class Kind { IntegerLinear, WeightOnlyLinear, PackedIntegerLinear, Int4Linear };
  Kind kind = Kind::IntegerLinear;
  int64_t m = 0, n = 0, k = 0;
  unsigned weightBits = 8; ///< IntegerLinear: 8; WeightOnlyLinear: 2, 3, 4, 8; else 4
  int64_t groupSize = 0;   ///< inputs that share a weight scale; 0: per channel
  bool zeroPoints = false; ///< of the weight, per group or channel
  unsigned outputBytes = 2;
  int64_t batch = 1; ///< products, each of operands of its own
  bool tail = false; ///< a 16-bit product follows in the same registers: not after wgmma

  double inputBytes() const {
    return kind == Kind::WeightOnlyLinear ? 2 : kind == Kind::Int4Linear ? 0.5 : 1;
  }
  /// Inputs that an mma takes: 32 bytes of them.
  int64_t mmaK() const { return static_cast<int64_t>(32 / inputBytes()); }
  /// The least that must be moved to and from memory.
  double leastBytes() const;
};

/// All in cycles of a multiprocessor, but the counts.
struct Bound {
  double mma = 0, issue = 0, alu = 0, shared = 0, l2 = 0, dram = 0;
  double prologue = 0, epilogue = 0;
  int64_t blocks = 0;         ///< in the grid
  int64_t residentBlocks = 0; ///< on a multiprocessor at once
  int64_t waves = 0;          ///< blocks that the busiest multiprocessor runs
  double instructionsPerMma = 0;

  double cycles() const;
  /// Of all terms: how busy the chip is in all.
  double sum() const;
  double seconds(const Chip &chip) const { return cycles() / (chip.gigahertz * 1e9); }
  /// The resource that the longest term is of.
  llvm::StringRef limit() const;
};

/// Estimates of what the compiler makes of a tile; within a tenth of what was measured on sm_80
/// (scripts/kernel-counts).
int64_t estimateRegisters(const GemmProblem &problem, const GemmTile &tile);
double estimateInstructionsPerMma(const GemmProblem &problem, const GemmTile &tile);
/// Dynamic shared memory of the pipeline's ring, in bytes.
int64_t ringBytes(const GemmProblem &problem, const GemmTile &tile);

/// The bound of a tile; nothing if a block of it does not fit on the chip.
std::optional<Bound> bound(const Chip &chip, const GemmProblem &problem, const GemmTile &tile);

/// max(least bytes / memory bandwidth, operations / tensor-core rate), in cycles: what no kernel
/// can beat.
double rooflineCycles(const Chip &chip, const GemmProblem &problem);

/// The tiles that kernels are made with, without splits; those by wgmma where the chip has it and
/// the problem allows it.
llvm::SmallVector<GemmTile> tiles(const Chip &chip, const GemmProblem &problem);

/// How many blocks may share a tile of such a product.
int64_t maxSplits(const GemmProblem &problem, const GemmTile &tile);

struct TileChoice {
  /// Costs within this factor are ties.
  static constexpr double tie = 1.05;

  GemmTile tile;
  Bound bound;

  /// What choices are compared by: the modelled cycles. Splits, which need a workspace, are to gain
  /// a tenth, which the model cannot be wrong by.
  double cost() const;
};
/// All tiles that fit, each with the number of splits whose bound is the least.
llvm::SmallVector<TileChoice> fittingTiles(const Chip &chip, const GemmProblem &problem);

/// Of the tiles whose bound is within 5 % of the least, the one with the least sum of terms; splits
/// count as a tenth slower than their bound. Nothing if none fits.
std::optional<TileChoice> chooseTile(const Chip &chip, const GemmProblem &problem);

/// Lines of text, without a newline at the end: the chosen tile with its modelled time, every term
/// and the ratio to the roofline bound; then the next best and why they are not it, and those that
/// do not fit.
void explain(llvm::raw_ostream &os, const Chip &chip, const GemmProblem &problem,
             const TileChoice &choice);

} // namespace ptq::kernels

#endif // PTQ_KERNELS_BOUNDMODEL_H

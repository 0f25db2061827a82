// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which layer gets how many bits: the multiple-choice knapsack problem. Of each item i exactly one
// choice j is taken, with a size s_ij and a cost c_ij:
//     minimise  sum_i c_i,j(i)   subject to   sum_i s_i,j(i) <= budget.
//
// The minimum is exact. For any price l >= 0 of a byte, with the gap of a choice
//     g_ij = (c_ij + l s_ij) - min_j (c_ij + l s_ij) >= 0,
// the cost of a selection of size S is
//     L(l) + sum_i g_i,j(i) + l (budget - S),   L(l) = sum_i min_j (c_ij + l s_ij) - l budget,
// so L(l) bounds all that fit from below. The l that makes L greatest is the slope of the segment
// at which a sweep over the items' lower convex hulls, by what a byte saves, fills the budget. The
// sweep also gives a selection that fits, of cost U, and no selection whose gaps sum to more than
// U - L is better: what is left is enumerated item by item, keeping the partial selections that no
// other one beats in both size and cost (Sinha and Zoltners, 1979; Pisinger, 1995).

#ifndef PTQ_NUMERICS_BITALLOCATION_H
#define PTQ_NUMERICS_BITALLOCATION_H

#include "ptq/Numerics/WeightScheme.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace ptq::numerics {

/// One way to store an item.
struct AllocationChoice {
  int64_t size = 0; ///< In bytes, >= 0.
  double cost = 0;  ///< What it costs in quality, >= 0 and finite.
};

struct Allocation {
  std::vector<unsigned> choice; ///< By item: the index of its choice.
  int64_t size = 0;             ///< Of all items' choices together.
  double cost = 0;
};

/// The selection of least cost whose size is at most `budget`. Among the choices of an item that
/// are equally good the smaller, then the first one wins; the result depends on the arguments only.
/// Errors: an item without choices, a negative size or cost, one that is not finite, a budget below
/// the least possible size (the message has it).
llvm::Expected<Allocation> allocate(llvm::ArrayRef<std::vector<AllocationChoice>> items,
                                    int64_t budget);

/// The bytes a weight of rows x columns takes as ptq.weight_only_linear stores it: a dense stream
/// of codes for each row, in 32-bit words, scales of 32 bits and zero points of 8. `bits`, which
/// replaces those of the scheme, may be any positive number: the size of an average. The scheme's
/// groups divide the columns.
int64_t storedBytes(const WeightScheme &scheme, double bits, int64_t rows, int64_t columns);

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_BITALLOCATION_H

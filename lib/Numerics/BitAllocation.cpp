// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Numerics/BitAllocation.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

namespace ptq::numerics {
namespace {

using Choices = std::vector<AllocationChoice>;

/// A step along an item's lower convex hull, from the choice before to a larger, better one.
struct HullStep {
  unsigned item, choice;
  int64_t size;  ///< How much larger it is.
  double saving; ///< Cost saved for each byte of that.
};

/// The lower convex hull of an item's choices, as indices: from the smallest size (there the least
/// cost), sizes rise, costs fall, and savings for each byte fall.
std::vector<unsigned> lowerHull(const Choices &choices) {
  std::vector<unsigned> order(choices.size());
  for (unsigned j = 0; j < order.size(); ++j)
    order[j] = j;
  llvm::stable_sort(order, [&](unsigned a, unsigned b) {
    return std::make_pair(choices[a].size, choices[a].cost) <
           std::make_pair(choices[b].size, choices[b].cost);
  });
  auto saving = [&](unsigned from, unsigned to) {
    return (choices[from].cost - choices[to].cost) /
           static_cast<double>(choices[to].size - choices[from].size);
  };
  std::vector<unsigned> hull;
  for (unsigned j : order) {
    if (!hull.empty() && choices[j].cost >= choices[hull.back()].cost)
      continue; // Larger and no better.
    while (hull.size() >= 2 && saving(hull[hull.size() - 2], hull.back()) <= saving(hull.back(), j))
      hull.pop_back();
    hull.push_back(j);
  }
  return hull;
}

Allocation measure(llvm::ArrayRef<Choices> items, std::vector<unsigned> choice) {
  Allocation result;
  for (auto [choices, j] : llvm::zip_equal(items, choice)) {
    result.size += choices[j].size;
    result.cost += choices[j].cost;
  }
  result.choice = std::move(choice);
  return result;
}

/// The sweep: a selection that fits, and the price of a byte at which the budget is filled.
struct Sweep {
  Allocation selection;
  double price = 0;
};

Sweep sweepHulls(llvm::ArrayRef<Choices> items, int64_t budget) {
  std::vector<unsigned> choice;
  std::vector<HullStep> steps;
  int64_t size = 0;
  for (auto [i, choices] : llvm::enumerate(items)) {
    std::vector<unsigned> hull = lowerHull(choices);
    choice.push_back(hull.front());
    size += choices[hull.front()].size;
    for (size_t k = 1; k < hull.size(); ++k) {
      const AllocationChoice &from = choices[hull[k - 1]], &to = choices[hull[k]];
      int64_t larger = to.size - from.size;
      steps.push_back({static_cast<unsigned>(i), hull[k], larger,
                       (from.cost - to.cost) / static_cast<double>(larger)});
    }
  }
  llvm::stable_sort(steps,
                    [](const HullStep &a, const HullStep &b) { return a.saving > b.saving; });
  Sweep sweep;
  std::vector<bool> stopped(items.size(), false);
  for (const HullStep &step : steps) {
    // Steps of an item build on each other: what comes after one that does not fit is left out.
    if (stopped[step.item])
      continue;
    if (size + step.size > budget) {
      stopped[step.item] = true;
      sweep.price = std::max(sweep.price, step.saving); // Savings fall: that of the first.
      continue;
    }
    size += step.size;
    choice[step.item] = step.choice;
  }
  sweep.selection = measure(items, std::move(choice));
  return sweep;
}

/// A partial selection: one choice for each item so far.
struct Partial {
  int64_t size = 0;
  double gap = 0;
  int64_t before = -1; ///< The partial selection of one item less, by its index there.
  unsigned choice = 0;
};

/// Enumerates the selections whose gaps sum to no more than what the sweep leaves open.
class Enumeration {
public:
  Enumeration(llvm::ArrayRef<Choices> items, int64_t budget, const Sweep &sweep);
  Allocation run();

private:
  std::vector<Partial> extend(llvm::ArrayRef<Partial> partials, unsigned item) const;

  llvm::ArrayRef<Choices> items;
  int64_t budget;
  const Sweep &sweep;
  std::vector<std::vector<double>> gaps;
  std::vector<int64_t> leastAfter; ///< [items + 1]: the least size of the items from there on.
  double open = 0;                 ///< U - L, with room for the rounding of sums.
};

Enumeration::Enumeration(llvm::ArrayRef<Choices> items, int64_t budget, const Sweep &sweep)
    : items(items), budget(budget), sweep(sweep), leastAfter(items.size() + 1) {
  double bound = -sweep.price * static_cast<double>(budget), magnitude = -bound;
  for (const Choices &choices : items) {
    std::vector<double> priced;
    for (const AllocationChoice &choice : choices)
      priced.push_back(choice.cost + sweep.price * static_cast<double>(choice.size));
    double least = *llvm::min_element(priced);
    for (double &value : priced)
      value -= least;
    bound += least;
    magnitude += least;
    gaps.push_back(std::move(priced));
  }
  open = std::max(0.0, sweep.selection.cost - bound) + 1e-12 * magnitude;
  for (size_t i = items.size(); i-- > 0;) {
    auto smallest =
        llvm::min_element(items[i], [](const auto &a, const auto &b) { return a.size < b.size; });
    leastAfter[i] = leastAfter[i + 1] + smallest->size;
  }
}

std::vector<Partial> Enumeration::extend(llvm::ArrayRef<Partial> partials, unsigned item) const {
  std::vector<Partial> extended;
  for (auto [before, partial] : llvm::enumerate(partials))
    for (auto [j, choice] : llvm::enumerate(items[item])) {
      Partial next{partial.size + choice.size, partial.gap + gaps[item][j],
                   static_cast<int64_t>(before), static_cast<unsigned>(j)};
      if (next.gap <= open && next.size + leastAfter[item + 1] <= budget)
        extended.push_back(next);
    }
  llvm::stable_sort(extended, [](const Partial &a, const Partial &b) {
    return std::make_pair(a.size, a.gap) < std::make_pair(b.size, b.gap);
  });
  // Up to a constant, gap - price * size is the cost so far. What is larger must cost less.
  std::vector<Partial> kept;
  double least = 0;
  for (const Partial &partial : extended) {
    double cost = partial.gap - sweep.price * static_cast<double>(partial.size);
    if (!kept.empty() && cost >= least)
      continue;
    least = cost;
    kept.push_back(partial);
  }
  return kept;
}

Allocation Enumeration::run() {
  std::vector<std::vector<Partial>> levels{{Partial()}};
  for (unsigned i = 0; i < items.size(); ++i)
    levels.push_back(extend(levels.back(), i));
  Allocation best = sweep.selection;
  int64_t found = -1;
  double least = open;
  for (auto [k, partial] : llvm::enumerate(levels.back())) {
    double value = partial.gap + sweep.price * static_cast<double>(budget - partial.size);
    if (value < least) {
      least = value;
      found = k;
    }
  }
  if (found < 0)
    return best;
  std::vector<unsigned> choice(items.size());
  for (size_t i = items.size(); i > 0; --i) {
    choice[i - 1] = levels[i][found].choice;
    found = levels[i][found].before;
  }
  Allocation enumerated = measure(items, std::move(choice));
  return enumerated.cost < best.cost ? enumerated : best;
}

llvm::Error verify(llvm::ArrayRef<Choices> items, int64_t budget) {
  int64_t least = 0;
  for (auto [i, choices] : llvm::enumerate(items)) {
    if (choices.empty())
      return llvm::createStringError("item %zu has no choice", i);
    int64_t smallest = choices.front().size;
    for (const AllocationChoice &choice : choices) {
      if (choice.size < 0 || !(choice.cost >= 0) || !std::isfinite(choice.cost))
        return llvm::createStringError("item %zu has a choice of size %lld and cost %g: both must "
                                       "be finite and not negative",
                                       i, static_cast<long long>(choice.size), choice.cost);
      smallest = std::min(smallest, choice.size);
    }
    least += smallest;
  }
  if (least > budget)
    return llvm::createStringError("the budget of %lld bytes is below the least possible size, "
                                   "%lld bytes",
                                   static_cast<long long>(budget), static_cast<long long>(least));
  return llvm::Error::success();
}

} // namespace

llvm::Expected<Allocation> allocate(llvm::ArrayRef<std::vector<AllocationChoice>> items,
                                    int64_t budget) {
  if (llvm::Error error = verify(items, budget))
    return std::move(error);
  Sweep sweep = sweepHulls(items, budget);
  if (sweep.price == 0) // Everything fits: each item has its least cost.
    return std::move(sweep.selection);
  return Enumeration(items, budget, sweep).run();
}

int64_t storedBytes(const WeightScheme &scheme, double bits, int64_t rows, int64_t columns) {
  auto words = static_cast<int64_t>(std::ceil(static_cast<double>(columns) * bits / 32));
  int64_t parameterBytes = scheme.symmetric ? 4 : 5;
  return rows * words * 4 + scaleCount(scheme, rows, columns) * parameterBytes;
}

} // namespace ptq::numerics

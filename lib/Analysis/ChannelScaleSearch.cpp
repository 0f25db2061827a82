// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constraint propagation with backtracking. Operations that have one way to agree take it at once;
// when only choices are left, the options of one operation are tried in order, each on a copy of
// the state. An operation that only free classes reach waits: if nothing ties them to a channel,
// they are 1 and the operation is left alone.

#include "ChannelScaleSearch.h"

#include "ChannelScaleRules.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <tuple>

using namespace mlir;
using namespace ptq::channel_scale;

namespace {

class Search {
public:
  Search(int64_t channels, bool allowInsertion)
      : channels(channels), allowInsertion(allowInsertion) {}

  void run(State state);

  std::optional<State> best;
  std::string reason;

private:
  void fail(Operation *op, const std::string &why) {
    if (reason.empty())
      reason = why;
  }
  void accept(State state);
  bool isDone() const { return budget <= 0 || ideal; }

  int64_t channels;
  bool allowInsertion;
  /// Operations asked; generous for what programs need, which is a few dozen.
  int budget = 600;
  bool ideal = false;
};

} // namespace

/// True if a scale that is one of the channels' reaches the operation.
static bool isReached(Operation *op, const State &state) {
  auto active = [&](const Site &site) {
    const ScaleMap *map = state.lookup(site);
    return map && isActive(*map, state.classes);
  };
  bool reached = llvm::any_of(op->getResults(), [&](OpResult r) { return active(siteOf(r)); });
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands())
      reached = reached || active(siteOf(operand));
  });
  return reached;
}

void Search::accept(State state) {
  auto rank = [](const State &state) {
    return std::make_tuple(-state.classes.channelClasses(), state.inserted.size(),
                           state.entries.size());
  };
  ideal = state.classes.channelClasses() == channels && state.inserted.empty();
  if (!best || rank(state) < rank(*best))
    best = std::move(state);
}

void Search::run(State state) {
  SmallVector<Operation *> waiting; // Reached by free classes only.
  while (!isDone()) {
    // Everyone who has no choice.
    llvm::SetVector<Operation *> choices;
    Operation *fewest = nullptr;
    Options fewestOptions;
    while (!state.pending.empty()) {
      Operation *op = state.pending.front();
      state.pending.erase(state.pending.begin());
      if (!isReached(op, state)) {
        waiting.push_back(op);
        continue;
      }
      if (--budget <= 0)
        return;
      std::string why;
      Options options = optionsFor(op, state, allowInsertion, why);
      if (options.empty())
        return fail(op, why);
      if (options.size() > 1) {
        choices.insert(op);
        continue;
      }
      if (!state.apply(op, options.front(), why))
        return fail(op, why);
    }
    // Those who waited and are reached by now.
    for (Operation *op : waiting)
      if (isReached(op, state))
        state.pending.insert(op);
    llvm::erase_if(waiting, [&](Operation *op) { return state.pending.contains(op); });
    if (!state.pending.empty()) {
      state.pending.insert_range(choices);
      continue;
    }
    if (choices.empty())
      return accept(std::move(state));
    // What was decided meanwhile may have taken the choice away.
    for (Operation *op : choices) {
      std::string why;
      --budget;
      Options options = optionsFor(op, state, allowInsertion, why);
      if (options.empty())
        return fail(op, why);
      if (!fewest || options.size() < fewestOptions.size()) {
        fewest = op;
        fewestOptions = std::move(options);
      }
    }
    choices.remove(fewest);
    state.pending.insert_range(choices);
    state.pending.insert_range(waiting);
    waiting.clear();
    for (const Option &option : fewestOptions) {
      State next = state;
      std::string why;
      if (!next.apply(fewest, option, why)) {
        fail(fewest, why);
        continue;
      }
      run(std::move(next));
      if (isDone())
        return;
    }
    return;
  }
}

std::optional<State> ptq::channel_scale::search(const State &start, bool allowInsertion,
                                                std::string &reason) {
  Search search(start.classes.channelClasses(), allowInsertion);
  search.run(start);
  reason = search.reason.empty() ? "the search for a place was given up" : search.reason;
  return std::move(search.best);
}

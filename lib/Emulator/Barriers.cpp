// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Barriers of a CTA, and fences.

#include "Bindings.h"

using namespace ptq::emulator;

/// Operands: [d,] barrier [, threads] [, predicate]. `elements`: it waits.
static void barrier(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  unsigned first = instruction.option ? 1 : 0;
  unsigned lane = __builtin_ctz(mask);
  auto operand = [&](unsigned index) {
    warp.requireDefined(instruction, instruction.operands[index], mask, "names a barrier");
    return warp.slot(instruction.operands[index])[lane];
  };
  unsigned numbers = instruction.numOperands - first - (instruction.option ? 1 : 0);
  uint32_t number = numbers > 0 ? operand(first) : 0;
  uint32_t threads = numbers > 1 ? operand(first + 1) : 0;
  if (numbers > 1 && (threads == 0 || threads % warpSize))
    warp.report(Check::DivergentBarriers, instruction, mask, 0,
                "a barrier's number of threads, here " + llvm::Twine(threads) +
                    ", is a multiple of 32");
  warp.cta.arrive(warp, instruction, mask, number, threads, instruction.elements != 0);
}
static void bindBarrier(Match &match) {
  match.instruction->elements = !match.has(".arrive");
  match.instruction->option = match.has(".popc")  ? 1
                              : match.has(".and") ? 2
                              : match.has(".or")  ? 3
                                                  : 0;
  match.set(barrier);
}
/// bar.red's threads are optional in front of its predicate.
template <bool Popc> static void bindReduction(Match &match) {
  bindBarrier(match);
  static const Form longer = {"", Popc ? "=u32 u32 u32 !pred" : "=pred u32 u32 !pred", "", nullptr};
  static const Form shorter = {"", Popc ? "=u32 u32 !pred" : "=pred u32 !pred", "", nullptr};
  match.form = match.statement->operands.size() > 3 ? &longer : &shorter;
}

/// What the warp knows now is what its later strong writes release.
static void fence(Warp &warp, const Instruction &instruction, uint32_t mask) {
  ClockSet &clocks = warp.cta.clocks;
  if (warp.cta.machine.checksRaces())
    clocks.fenced[warp.index] = std::make_unique<ForeignClocks>(clocks.release(warp.index));
}
static void bindFence(Match &match) { match.set(fence); }

/// fence.proxy.async: between accesses by the async proxy (bulk copies, wgmma) and all others.
static void fenceProxy(Warp &warp, const Instruction &, uint32_t) {
  warp.cta.clocks.fenceProxy(warp.index);
}
static void nothing(Warp &, const Instruction &, uint32_t) {}

#define BAR "Barriers: bar, barrier"
#define FENCE "Barriers: membar, fence"
llvm::ArrayRef<Form> ptq::emulator::barrierForms() {
  static const Form forms[] = {
      {"bar ?.cta .sync", "u32 ?u32", BAR, bindBarrier},
      {"bar ?.cta .arrive", "u32 u32", BAR, bindBarrier},
      {"bar ?.cta .red .popc .u32", "=u32 u32 ?u32 ?!pred", BAR, bindReduction<true>},
      {"bar ?.cta .red .and|.or .pred", "=pred u32 ?u32 ?!pred", BAR, bindReduction<false>},
      {"barrier ?.cta .sync ?.aligned", "u32 ?u32", BAR, bindBarrier},
      {"barrier ?.cta .arrive ?.aligned", "u32 u32", BAR, bindBarrier},
      {"barrier ?.cta .red .popc ?.aligned .u32", "=u32 u32 ?u32 ?!pred", BAR, bindReduction<true>},
      {"barrier ?.cta .red .and|.or ?.aligned .pred", "=pred u32 ?u32 ?!pred", BAR,
       bindReduction<false>},
      {"membar .cta|.gl|.sys", "", FENCE, bindFence},
      {"fence ?.sc|.acq_rel|.acquire|.release .cta|.cluster|.gpu|.sys", "", FENCE, bindFence},
      {"fence .proxy .async ?.global|.shared::cta|.shared::cluster", "", FENCE,
       [](Match &m) { m.set(fenceProxy); }},
      {"fence .proxy .alias", "", FENCE, bindFence},
      // mbarrier objects are not of memory here; what orders them is the barrier that follows.
      {"fence .mbarrier_init .release .cluster", "", FENCE, [](Match &m) { m.set(nothing); }},
  };
  return forms;
}

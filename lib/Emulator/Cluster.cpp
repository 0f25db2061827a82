// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Clusters of one CTA each: barrier.cluster, and addresses of other CTAs' shared memory, of which
// there are none. Its special registers are OperandDecoder's.

#include "Bindings.h"

using namespace ptq::emulator;

static void arriveCluster(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  if (warp.clusterPhase)
    warp.report(Check::DivergentBarriers, instruction, mask, 0,
                "a second barrier.cluster.arrive without a barrier.cluster.wait");
  warp.cta.arriveCluster(warp, instruction.option != 0);
}

static void waitCluster(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  if (!warp.clusterPhase) {
    warp.report(Check::DivergentBarriers, instruction, mask, 0,
                "barrier.cluster.wait without a barrier.cluster.arrive");
    return;
  }
  if (!warp.cta.hasClusterCompleted(warp))
    return warp.retry(instruction, "warps that will not arrive at barrier.cluster");
  warp.cta.acquireCluster(warp);
}

/// Operands: result, address, rank.
template <class T>
static void mapAddress(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands, *rank = warp.slot(ops[2]);
  auto *result = reinterpret_cast<T *>(warp.slot(ops[0])),
       *source = reinterpret_cast<T *>(warp.slot(ops[1]));
  warp.requireDefined(instruction, ops[2], mask, "is the rank of a CTA");
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    result[lane] = source[lane];
    if (rank[lane])
      warp.report(Check::Bounds, instruction, 1u << lane, rank[lane],
                  "mapa to CTA " + llvm::Twine(rank[lane]) + " of a cluster of one");
  }
  warp.flow<1>(instruction, mask);
}

static void rankOfAddress(Warp &warp, const Instruction &instruction, uint32_t mask) {
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.slot(instruction.operands[0])[lane] = 0;
  warp.flow<1>(instruction, mask);
}

static void bindArrive(Match &match) {
  match.instruction->option = !match.has(".relaxed");
  match.set(arriveCluster);
}
static void bindMap(Match &match) {
  match.set(match.type(0) == Type::U64 ? mapAddress<uint64_t> : mapAddress<uint32_t>);
}

llvm::ArrayRef<Form> ptq::emulator::clusterForms() {
  static const Form forms[] = {
      {"barrier .cluster .arrive ?.release|.relaxed ?.aligned", "",
       "Parallel Synchronization: barrier.cluster", bindArrive},
      {"barrier .cluster .wait ?.acquire ?.aligned", "",
       "Parallel Synchronization: barrier.cluster", [](Match &m) { m.set(waitCluster); }},
      {"mapa ?.shared::cluster .u32|.u64", "=0 any u32", "Data Movement: mapa", bindMap},
      {"getctarank ?.shared::cluster .u32|.u64", "=u32 any", "Data Movement: getctarank",
       [](Match &m) { m.set(rankOfAddress); }},
  };
  return forms;
}

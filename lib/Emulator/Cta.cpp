// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Machine.h"

#include <algorithm>

using namespace ptq::emulator;

/// Instructions that a warp executes in its turn.
static constexpr uint64_t warpSlice = 1024;
/// Turns of all warps in which each only finds that it has to wait, before that is a deadlock.
/// Loops that give up by themselves are shorter.
static constexpr unsigned maxFruitlessTurns = 1000;

static unsigned warpCount(const Machine &machine) {
  return static_cast<unsigned>((machine.block.count() + warpSize - 1) / warpSize);
}

Cta::Cta(Machine &machine, uint64_t index, Tally &tally)
    : machine(machine), index(index), tally(tally),
      clocks(static_cast<uint32_t>(index), warpCount(machine), machine.program.usesAsyncProxy),
      runningWarps(warpCount(machine)), random(machine.options.seed * 0x9e3779b97f4a7c15 + index) {
  id.x = index % machine.grid.x;
  id.y = index / machine.grid.x % machine.grid.y;
  id.z = index / machine.grid.x / machine.grid.y;
  uint32_t bytes = machine.sharedBytes();
  shared.resize(bytes + 16, 0xcd);
  sharedState.resize(bytes + 16, static_cast<uint8_t>(ByteState::Unallocated));
  auto open = [&](uint32_t begin, uint32_t end) {
    std::fill(sharedState.begin() + begin, sharedState.begin() + end,
              static_cast<uint8_t>(ByteState::Undefined));
  };
  for (const auto &variable : machine.program.sharedVariables)
    open(variable.begin, variable.end);
  if (machine.dynamicShared)
    open(machine.program.dynamicSharedBegin, bytes);
  if (machine.checksRaces())
    sharedCells.resize(bytes / 4 + 4);
  uint64_t threads = machine.block.count();
  for (unsigned warp = 0; warp != runningWarps; ++warp) {
    warps.push_back(std::make_unique<Warp>(
        *this, warp,
        static_cast<unsigned>(std::min<uint64_t>(warpSize, threads - warp * warpSize))));
    order.push_back(warp);
  }
}

Dim3 Cta::threadAt(unsigned linear) const {
  const Dim3 &block = machine.block;
  return {linear % block.x, linear / block.x % block.y, linear / block.x / block.y};
}

void Cta::report(Check check, const Instruction &instruction, const Warp *warp, unsigned lane,
                 uint64_t address, const llvm::Twine &message) {
  if (!machine.checks(check))
    return;
  Finding finding;
  finding.check = check;
  finding.kernel = machine.program.kernel;
  finding.line = instruction.line;
  finding.block = id;
  finding.thread = threadAt((warp ? warp->index * warpSize : 0) + lane);
  finding.address = address;
  finding.message = message.str();
  machine.report(std::move(finding));
}

uint64_t Cta::run(uint64_t budget) {
  uint64_t spent = 0;
  unsigned fruitless = 0;
  while (spent < budget && runningWarps && !machine.isAborted()) {
    if (machine.options.seed)
      std::shuffle(order.begin(), order.end(), random);
    bool any = false, stuck = true;
    uint64_t before = progress;
    for (unsigned index : order) {
      Warp &warp = *warps[index];
      if (warp.status != Warp::Status::Ready)
        continue;
      any = true;
      warp.stalled = {};
      spent += warp.run(warpSlice);
      stuck &= warp.stalled.instruction != nullptr;
    }
    if (!runningWarps)
      break;
    fruitless = stuck && progress == before ? fruitless + 1 : 0;
    if (any && fruitless < maxFruitlessTurns)
      continue;
    for (const auto &warp : warps)
      if (warp->status == Warp::Status::Ready)
        report(Check::Deadlock, *warp->stalled.instruction, warp.get(),
               __builtin_ctz(warp->activeLanes()), warp->stalled.address,
               "warp " + llvm::Twine(warp->index) + " waits for " + warp->stalled.reason);
    // Every warp that has not exited waits at a barrier that none is left to complete.
    for (const auto &warp : warps)
      if (warp->status == Warp::Status::AtBarrier)
        report(Check::Deadlock, *warp->waiting, warp.get(), __builtin_ctz(warp->liveLanes()), 0,
               "warp " + llvm::Twine(warp->index) +
                   " waits at a barrier that no other warp will complete");
    runningWarps = 0;
  }
  return spent;
}

uint32_t Cta::liveThreads() const {
  uint32_t warpsAlive = 0;
  for (const auto &warp : warps)
    warpsAlive += warp->status != Warp::Status::Exited;
  return warpsAlive * warpSize;
}

void Cta::warpExited(Warp &warp) {
  for (const Warp::BulkStore &store : warp.bulkStores)
    if (!store.wasRead)
      report(Check::Races, *store.instruction, &warp, store.lane, 0,
             "the warp exits while this copy may still read shared memory: "
             "cp.async.bulk.wait_group is missing");
  warp.status = Warp::Status::Exited;
  warp.stop();
  --runningWarps;
  ++progress;
  checkCluster();
  for (Barrier &barrier : barriers)
    if (!barrier.waiting.empty())
      checkComplete(barrier);
}

void Cta::arrive(Warp &warp, const Instruction &instruction, uint32_t mask, uint32_t number,
                 uint32_t threads, bool wait) {
  if (number >= barriers.size()) {
    warp.report(Check::DivergentBarriers, instruction, mask, 0,
                "barrier " + llvm::Twine(number) + " does not exist: there are 16");
    return;
  }
  Barrier &barrier = barriers[number];
  barrier.expected = threads;
  // Barriers count whole warps.
  barrier.arrivedThreads += warpSize;
  clocks.arrive(barrier.meeting, warp.index);
  if (instruction.option) {
    // bar.red: the predicate is the last operand; option 1 popc, 2 and, 3 or.
    unsigned last = instruction.numOperands - 1;
    uint32_t value = warp.predicate(instruction.operands[last]);
    if (instruction.negated & (1u << last))
      value = ~value;
    warp.requireDefined(instruction, instruction.operands[last], mask, "is reduced by a barrier");
    barrier.population += __builtin_popcount(value & mask);
    barrier.all &= (value & mask) == mask;
    barrier.any |= (value & mask) != 0;
  }
  if (wait) {
    barrier.waiting.push_back(warp.index);
    warp.status = Warp::Status::AtBarrier;
    warp.waiting = &instruction;
    warp.stop();
    barrier.reductions.push_back({&warp, mask});
    ++tally.barriers;
  }
  checkComplete(barrier);
}

void Cta::checkComplete(Barrier &barrier) {
  uint32_t expected = barrier.expected ? barrier.expected : liveThreads();
  if (barrier.arrivedThreads >= expected)
    complete(barrier);
}

void Cta::complete(Barrier &barrier) {
  noteProgress();
  clocks.complete(barrier.meeting, barrier.waiting);
  for (auto &[warp, mask] : barrier.reductions) {
    const Instruction &instruction = *warp->waiting;
    warp->status = Warp::Status::Ready;
    if (!instruction.option)
      continue;
    uint32_t destination = instruction.operands[0];
    if (instruction.option == 1) {
      uint32_t *result = warp->slot(destination);
      for (unsigned lane = 0; lane != warpSize; ++lane)
        if ((mask >> lane) & 1)
          result[lane] = barrier.population;
    } else {
      bool value = instruction.option == 2 ? barrier.all : barrier.any;
      warp->setPredicate(destination, value ? allLanes : 0, mask);
    }
    warp->define(destination, mask);
  }
  barrier = Barrier();
}

void Cta::checkPhase(Mbarrier &barrier) {
  noteProgress();
  if (barrier.pending || barrier.transactions)
    return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  barrier.completed = std::move(barrier.arrivals);
  barrier.arrivals = {};
}

void Cta::arriveCluster(Warp &warp, bool release) {
  warp.clusterPhase = cluster.phase + 1;
  if (release)
    clocks.arrive(cluster.arrivals, warp.index);
  cluster.arrived += warpSize;
  checkCluster();
}

void Cta::checkCluster() {
  if (!cluster.arrived || cluster.arrived < liveThreads())
    return;
  cluster.arrived = 0;
  ++cluster.phase;
  cluster.completed = std::move(cluster.arrivals);
  cluster.arrivals = {};
  noteProgress();
}

bool Cta::hasClusterCompleted(const Warp &warp) const { return cluster.phase >= warp.clusterPhase; }

void Cta::acquireCluster(Warp &warp) {
  clocks.complete(cluster.completed, {warp.index});
  warp.clusterPhase = 0;
  ++tally.barriers;
}

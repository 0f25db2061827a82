// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A launch: CTAs made, scheduled and run to their end.
//
// CTAs that cannot synchronise with each other are run one after another, on as many host threads
// as there are. Others are resident together on one host thread and take turns, so that one may
// wait for another. Within a CTA warps take turns in an order drawn from the seed.
//
#ifndef PTQ_LIB_EMULATOR_MACHINE_H
#define PTQ_LIB_EMULATOR_MACHINE_H

#include "Counting.h"
#include "Memory.h"
#include "Warp.h"

#include <array>
#include <atomic>
#include <mutex>
#include <random>

namespace ptq::emulator {

struct MachineOptions {
  uint64_t seed = 0;
  unsigned threads = 2;
  /// Warp instructions without a CTA's end or a barrier's, after which a launch is called a
  /// deadlock.
  uint64_t watchdog = uint64_t(1) << 27;
  unsigned residentCtas = 512;
  std::array<bool, numChecks> checks = {true, true, true, true, true, true, true};
};

class Machine {
public:
  Machine(const Program &program, GlobalMemory &memory, const MachineOptions &options, Dim3 grid,
          Dim3 block, uint32_t dynamicShared, llvm::ArrayRef<uint8_t> parameters);

  void run();
  KernelCounters counters() const { return total.summarize(program); }
  std::vector<Finding> takeFindings();

  bool checks(Check check) const { return options.checks[static_cast<unsigned>(check)]; }
  void report(Finding finding);
  /// Ends the launch as soon as possible.
  void abort() { aborted = true; }
  bool isAborted() const { return aborted.load(std::memory_order_relaxed); }
  /// Something happened that shows that the launch is not stuck.
  void noteProgress() { sinceProgress.store(0, std::memory_order_relaxed); }
  /// The instruction with that number.
  const Instruction &instructionAt(uint32_t id) const;

  const Program &program;
  GlobalMemory &memory;
  const MachineOptions &options;
  const Dim3 grid, block;
  const uint32_t dynamicShared;
  const llvm::ArrayRef<uint8_t> parameters;
  uint64_t numCtas() const { return grid.count(); }
  uint32_t sharedBytes() const {
    return dynamicShared ? program.dynamicSharedBegin + dynamicShared : program.staticSharedEnd;
  }
  bool checksRaces() const { return options.checks[0]; }
  /// Null if one host thread runs everything.
  ShadowLocks *shadowLocks() { return locks.get(); }
  /// What was released at a location of global memory.
  std::map<uint64_t, ForeignClocks> released;
  /// Of words of global memory.
  Observers observers;

private:
  void runIndependent(unsigned threads);
  void runInterleaved();
  void spend(uint64_t instructions);

  std::unique_ptr<ShadowLocks> locks;
  std::mutex mutex;
  std::vector<Finding> findings;
  Tally total;
  std::atomic<bool> aborted{false};
  std::atomic<uint64_t> sinceProgress{0};
};

/// An mbarrier object (PTX ISA, Parallel Synchronization: mbarrier). A phase is complete when all
/// its arrivals and all bytes that were announced are there.
struct Mbarrier {
  uint32_t expected = 0, pending = 0;
  int64_t transactions = 0;
  /// Phases completed.
  uint64_t phase = 0;
  /// What those know that have arrived in this phase, and did in the last.
  ClockSet::Meeting arrivals, completed;
  /// The agent of bulk copies that complete on it.
  std::optional<unsigned> agent;
};

/// A cooperative thread array.
class Cta {
public:
  Cta(Machine &machine, uint64_t index, Tally &tally);

  /// Runs its warps in turn for about `budget` instructions. Returns how many were executed.
  uint64_t run(uint64_t budget);
  bool isDone() const { return runningWarps == 0; }

  void warpExited(Warp &warp);

  /// A barrier's arrival; `wait`: bar.sync and bar.red, not bar.arrive. `threads` 0: all of the
  /// CTA.
  void arrive(Warp &warp, const Instruction &instruction, uint32_t mask, uint32_t barrier,
              uint32_t threads, bool wait);

  Dim3 threadAt(unsigned linear) const;
  void report(Check check, const Instruction &instruction, const Warp *warp, unsigned lane,
              uint64_t address, const llvm::Twine &message);

  Machine &machine;
  const uint64_t index;
  Dim3 id;
  Tally &tally;
  ClockSet clocks;
  std::vector<std::unique_ptr<Warp>> warps;
  /// Shared memory from address 0; its bytes' states; shadow cells, one a word.
  std::vector<uint8_t> shared, sharedState;
  std::vector<ShadowCell> sharedCells;
  std::map<uint64_t, ForeignClocks> released;
  Observers observers;
  /// By address in shared memory.
  std::map<uint32_t, Mbarrier> mbarriers;
  /// Completes the phase if nothing is missing.
  void checkPhase(Mbarrier &barrier);
  /// Something that a waiting warp may wait for has happened.
  void noteProgress() {
    ++progress;
    machine.noteProgress();
  }
  /// barrier.cluster of a cluster of one CTA.
  void arriveCluster(Warp &warp, bool release);
  bool hasClusterCompleted(const Warp &warp) const;
  void acquireCluster(Warp &warp);

private:
  struct ClusterBarrier {
    uint32_t arrived = 0;
    uint64_t phase = 0;
    ClockSet::Meeting arrivals, completed;
  };
  void checkCluster();
  ClusterBarrier cluster;
  uint64_t progress = 0;

  struct Barrier {
    uint32_t arrivedThreads = 0, expected = 0;
    std::vector<unsigned> waiting;
    std::vector<std::pair<Warp *, uint32_t>> reductions;
    uint32_t population = 0;
    bool all = true, any = false;
    ClockSet::Meeting meeting;
    uint32_t arrivedWarps = 0;
  };
  void complete(Barrier &barrier);
  void checkComplete(Barrier &barrier);
  uint32_t liveThreads() const;

  std::array<Barrier, 16> barriers;
  unsigned runningWarps;
  std::vector<unsigned> order;
  std::mt19937_64 random;
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_MACHINE_H

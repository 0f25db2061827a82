// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The race checker: happens-before, by vector clocks per warp, over a shadow of memory.
//
// Each CTA counts time: it advances whenever one of its warps synchronises. An access by warp v at
// time t happens before what warp w does now if v = w or t < clock(w)[v]; barriers join the clocks
// of those that meet, and a release (a fence and a strong write, or an atomic with .release) hands
// the clock to whoever reads that location strongly. Lanes of one warp are ordered by the program.
// Every 4-byte word has a shadow cell: its last write, and its readers since. A second write of the
// value that is there already is no finding.
//
// Where a cell cannot hold all of history (bytes of one word used apart, readers in several CTAs
// that synchronise), it keeps the newest part: a race may then be missed, but none is made up.
//
#ifndef PTQ_LIB_EMULATOR_RACE_H
#define PTQ_LIB_EMULATOR_RACE_H

#include "Program.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace ptq::emulator {

enum class AccessKind : uint8_t { Read, Write, Atomic };

constexpr unsigned maxWarps = 32;

/// What works beside the warps and accesses memory later than the instruction that says so: the
/// tensor cores (wgmma) of each warpgroup, the bulk copies that warps wait for by groups (reads and
/// writes are waited for apart), those that complete on an mbarrier. They have no clock: an access
/// is judged by that of the warp that issued it, and later ones by whether they know that it is
/// complete. Several warps may share an agent: a race may then be missed.
enum Agent : unsigned {
  matrixAgents = maxWarps, // 8
  bulkReadAgents = 40,     // 4
  lastReader = 44,
  bulkWriteAgents = lastReader, // 4
  barrierAgents = 48,           // as many as there are, at most to 255
  agentLimit = 256,
};

/// The shadow of a word. Empty: writer == 0, readers == 0. All zero at first.
struct ShadowCell {
  uint32_t writer; // CTA + 1
  uint32_t writeTime, writeSite;
  uint32_t reader; // CTA + 1
  uint32_t readTime, readSite;
  /// Bits of warps and agents.
  uint64_t readers : lastReader, writerWarp : 8, writeBytes : 4, readBytes : 4, strongWrite : 1,
      manyReaders : 1,
      deferred : 1; // all of readers by one load, Instruction::isDeferred
};

/// What a warp, or a location, knows of other CTAs' times.
struct ForeignClocks {
  std::map<uint32_t, std::vector<uint32_t>> times;
  /// Of one CTA: what is fenced for the async proxy, as ClockSet::fenceProxy has it.
  std::map<uint32_t, std::vector<uint32_t>> proxied;
  void join(const ForeignClocks &other);
  void join(uint32_t cta, const std::vector<uint32_t> &known);
};

/// The clocks of one CTA's warps.
class ClockSet {
public:
  /// `agents`: the kernel has asynchronous operations.
  ClockSet(uint32_t cta, unsigned warps, bool agents);

  uint32_t timeOf(unsigned warp) const { return times[warp]; }
  /// Accesses of this CTA before that time happen before what `warp` does, whichever warp made
  /// them.
  uint32_t knownTime(unsigned warp) const { return leastClock[warp]; }
  bool happensBefore(uint32_t cta, unsigned other, uint32_t time, unsigned warp) const;
  /// All of `readers` at `time`.
  bool allBefore(uint32_t cta, uint64_t readers, uint32_t time, unsigned warp) const;

  /// A barrier: arrive() takes what each participant knows, complete() gives it to those that
  /// waited.
  struct Meeting {
    std::vector<uint32_t> known, proxied;
    ForeignClocks foreign;
  };
  void arrive(Meeting &meeting, unsigned warp);
  void complete(const Meeting &meeting, llvm::ArrayRef<unsigned> waiting);

  /// What `warp` would release now.
  ForeignClocks release(unsigned warp);
  void acquire(unsigned warp, const ForeignClocks &clocks);

  /// A new agent for an mbarrier; shared with others if there are too many.
  unsigned addBarrierAgent();
  /// The end of what `agent` did until now, for those who wait for it.
  uint32_t advance(unsigned agent);
  void arriveAgent(Meeting &meeting, unsigned agent);
  /// `warp` has waited for what `agent` did before `time`.
  void learn(unsigned warp, unsigned agent, uint32_t time);

  /// fence.proxy.async: what `warp` knows of may now be accessed through the async proxy by
  /// itself and by those who synchronise with it afterwards.
  void fenceProxy(unsigned warp);
  bool isFenced(unsigned writer, uint32_t time, unsigned warp) const {
    return time < proxied[warp][writer];
  }

  /// The warp's state at its last fence, which later strong writes release.
  std::vector<std::unique_ptr<ForeignClocks>> fenced;

private:
  uint32_t now = 1;
  uint32_t cta;
  unsigned warps;
  void updateLeast(unsigned warp);
  void activate(unsigned agent);

  /// Of warps, and of agents if there are any.
  std::vector<uint32_t> times;
  /// By warp: of warps and agents.
  std::vector<std::vector<uint32_t>> clocks, proxied;
  std::vector<bool> active;
  std::vector<uint32_t> leastClock;
  std::vector<ForeignClocks> foreign;
};

/// One access of one lane.
struct RaceAccess {
  const ClockSet &clocks;
  uint32_t cta;
  unsigned warp;
  uint32_t site;
  bool strong;
  /// CTAs cannot synchronise in this kernel.
  bool independentCtas;
  /// An asynchronous access, issued by the warp.
  std::optional<unsigned> agent = std::nullopt;
  /// A load of Instruction::isDeferred().
  bool deferred = false;
};

/// Who has read the last write of a word with a strong access, where that write was strong too:
/// CTA, warp, time. What they do afterwards is after that write (PTX ISA, causality order: an
/// observation and what follows it), whatever else they know of the writer.
struct Observer {
  uint32_t cta, warp, time;
};
using Observers = std::map<uint64_t, std::vector<Observer>>;

/// What an access raced with: 0 nothing, else the site of the other access.
struct RaceResult {
  bool found = false;
  bool withWrite = false, withStrongWrite = false;
  uint32_t site = 0, cta = 0;
  /// The other access was an agent's.
  bool withAgent = false;
  /// Ordered, but fence.proxy.async is missing.
  bool unfenced = false;
  /// The other accesses were all by a deferred load: the CTA's warps of which nothing orders it,
  /// and when.
  bool deferred = false;
  uint64_t readers = 0;
  uint32_t readTime = 0;
};

/// `bytes`: which of the word's four bytes.
RaceResult checkRead(ShadowCell &cell, const RaceAccess &access, uint8_t bytes);
RaceResult checkWrite(ShadowCell &cell, const RaceAccess &access, uint8_t bytes, bool sameValue);

/// Guards cells of global memory that several host threads use: a lock for a stretch of addresses.
class ShadowLocks {
public:
  class Guard {
  public:
    Guard(ShadowLocks *locks, uint64_t address);
    ~Guard() {
      if (flag)
        flag->clear(std::memory_order_release);
    }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;

  private:
    std::atomic_flag *flag = nullptr;
  };

private:
  std::atomic_flag flags[1024] = {};
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_RACE_H

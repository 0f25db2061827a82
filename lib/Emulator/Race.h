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
#include <vector>

namespace ptq::emulator {

constexpr unsigned maxWarps = 32;

/// The shadow of a word. Empty: writer == 0, readers == 0.
struct ShadowCell {
  uint32_t writer = 0; // CTA + 1
  uint32_t writeTime = 0, writeSite = 0;
  uint32_t reader = 0; // CTA + 1
  uint32_t readTime = 0, readSite = 0, readers = 0;
  uint8_t writerWarp = 0;
  uint8_t writeBytes = 0, readBytes = 0;
  uint8_t strongWrite : 1, manyReaders : 1;
};

/// What a warp, or a location, knows of other CTAs' times.
struct ForeignClocks {
  std::map<uint32_t, std::vector<uint32_t>> times;
  void join(const ForeignClocks &other);
  void join(uint32_t cta, const std::vector<uint32_t> &known);
};

/// The clocks of one CTA's warps.
class ClockSet {
public:
  ClockSet(uint32_t cta, unsigned warps);

  uint32_t timeOf(unsigned warp) const { return times[warp]; }
  /// Accesses of this CTA before that time happen before what `warp` does, whichever warp made
  /// them.
  uint32_t knownTime(unsigned warp) const { return leastClock[warp]; }
  bool happensBefore(uint32_t cta, unsigned other, uint32_t time, unsigned warp) const;
  /// All of `readers` at `time`.
  bool allBefore(uint32_t cta, uint32_t readers, uint32_t time, unsigned warp) const;

  /// A barrier: arrive() takes what each participant knows, complete() gives it to those that
  /// waited.
  struct Meeting {
    std::vector<uint32_t> known;
    ForeignClocks foreign;
  };
  void arrive(Meeting &meeting, unsigned warp);
  void complete(const Meeting &meeting, llvm::ArrayRef<unsigned> waiting);

  /// What `warp` would release now.
  ForeignClocks release(unsigned warp);
  void acquire(unsigned warp, const ForeignClocks &clocks);

  /// The warp's state at its last fence, which later strong writes release.
  std::vector<std::unique_ptr<ForeignClocks>> fenced;

private:
  uint32_t now = 1;
  uint32_t cta;
  unsigned warps;
  std::vector<uint32_t> times;
  std::vector<std::vector<uint32_t>> clocks;
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
};

/// What an access raced with: 0 nothing, else the site of the other access.
struct RaceResult {
  bool found = false;
  bool withWrite = false;
  uint32_t site = 0, cta = 0;
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

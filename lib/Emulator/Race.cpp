// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Race.h"

#include <algorithm>

using namespace ptq::emulator;

static void joinInto(std::vector<uint32_t> &to, const std::vector<uint32_t> &from) {
  if (to.size() < from.size())
    to.resize(from.size());
  for (size_t index = 0; index != from.size(); ++index)
    to[index] = std::max(to[index], from[index]);
}

void ForeignClocks::join(uint32_t cta, const std::vector<uint32_t> &known) {
  joinInto(times[cta], known);
}

void ForeignClocks::join(const ForeignClocks &other) {
  for (const auto &[cta, known] : other.times)
    join(cta, known);
  for (const auto &[cta, known] : other.proxied)
    joinInto(proxied[cta], known);
}

ClockSet::ClockSet(uint32_t cta, unsigned warps, bool agents)
    : fenced(warps), cta(cta), warps(warps), times(agents ? unsigned(barrierAgents) : warps, 1),
      clocks(warps, std::vector<uint32_t>(times.size())),
      proxied(agents ? warps : 0, std::vector<uint32_t>(warps)), active(times.size()),
      leastClock(warps), foreign(warps) {}

bool ClockSet::happensBefore(uint32_t otherCta, unsigned other, uint32_t time,
                             unsigned warp) const {
  if (otherCta == cta)
    return other == warp || time < clocks[warp][other];
  auto found = foreign[warp].times.find(otherCta);
  return found != foreign[warp].times.end() && other < found->second.size() &&
         time < found->second[other];
}

bool ClockSet::allBefore(uint32_t otherCta, uint64_t readers, uint32_t time, unsigned warp) const {
  if (otherCta == cta && time < leastClock[warp])
    return true;
  for (; readers; readers &= readers - 1)
    if (!happensBefore(otherCta, __builtin_ctzll(readers), time, warp))
      return false;
  return true;
}

void ClockSet::arrive(Meeting &meeting, unsigned warp) {
  joinInto(meeting.known, clocks[warp]);
  times[warp] = ++now;
  meeting.known[warp] = now;
  meeting.foreign.join(foreign[warp]);
  if (!proxied.empty())
    joinInto(meeting.proxied, proxied[warp]);
}

void ClockSet::updateLeast(unsigned warp) {
  uint32_t least = ~0u;
  for (unsigned other = 0; other != times.size(); ++other)
    if (other != warp && (other < warps || active[other]))
      least = std::min(least, clocks[warp][other]);
  leastClock[warp] = least == ~0u ? 0 : least;
}

void ClockSet::complete(const Meeting &meeting, llvm::ArrayRef<unsigned> waiting) {
  ++now;
  for (unsigned warp : waiting) {
    times[warp] = now;
    joinInto(clocks[warp], meeting.known);
    updateLeast(warp);
    foreign[warp].join(meeting.foreign);
    if (!proxied.empty())
      joinInto(proxied[warp], meeting.proxied);
  }
}

ForeignClocks ClockSet::release(unsigned warp) {
  ForeignClocks result = foreign[warp];
  std::vector<uint32_t> own = clocks[warp];
  times[warp] = ++now;
  own[warp] = now;
  result.join(cta, own);
  if (!proxied.empty())
    result.proxied[cta] = proxied[warp];
  return result;
}

void ClockSet::acquire(unsigned warp, const ForeignClocks &other) {
  for (const auto &[from, known] : other.times) {
    if (from != cta)
      foreign[warp].join(from, known);
    else
      joinInto(clocks[warp], known);
  }
  auto fencedBefore = other.proxied.find(cta);
  if (fencedBefore != other.proxied.end())
    joinInto(proxied[warp], fencedBefore->second);
}

unsigned ClockSet::addBarrierAgent() {
  if (times.size() == agentLimit)
    return agentLimit - 1;
  times.push_back(now);
  active.push_back(false);
  for (auto &clock : clocks)
    clock.resize(times.size());
  return times.size() - 1;
}

/// Before its first access there is nothing of an agent that one could not know.
void ClockSet::activate(unsigned agent) {
  active[agent] = true;
  for (unsigned warp = 0; warp != warps; ++warp) {
    clocks[warp][agent] = now;
    updateLeast(warp);
  }
  times[agent] = ++now;
}

uint32_t ClockSet::advance(unsigned agent) {
  if (!active[agent])
    activate(agent);
  return times[agent] = ++now;
}

void ClockSet::arriveAgent(Meeting &meeting, unsigned agent) {
  uint32_t time = advance(agent);
  if (meeting.known.size() < times.size())
    meeting.known.resize(times.size());
  meeting.known[agent] = time;
}

void ClockSet::learn(unsigned warp, unsigned agent, uint32_t time) {
  uint32_t &known = clocks[warp][agent];
  if (time <= known)
    return;
  known = time;
  updateLeast(warp);
}

void ClockSet::fenceProxy(unsigned warp) {
  if (proxied.empty())
    return;
  for (unsigned other = 0; other != warps; ++other)
    proxied[warp][other] = std::max(proxied[warp][other], clocks[warp][other]);
  proxied[warp][warp] = times[warp] = ++now;
}

static bool writeConflicts(const ShadowCell &cell, const RaceAccess &access, uint8_t bytes) {
  return cell.writer && (cell.writeBytes & bytes) && !(cell.strongWrite && access.strong) &&
         !access.clocks.happensBefore(cell.writer - 1, cell.writerWarp, cell.writeTime,
                                      access.warp);
}

static RaceResult conflictWithWrite(const ShadowCell &cell) {
  return {true,
          true,
          bool(cell.strongWrite),
          cell.writeSite,
          cell.writer - 1,
          cell.writerWarp >= maxWarps};
}
static RaceResult conflictWithRead(const ShadowCell &cell, const RaceAccess &access) {
  RaceResult result{true,          false,           false,
                    cell.readSite, cell.reader - 1, (cell.readers >> maxWarps) != 0};
  result.deferred = cell.deferred && cell.reader == access.cta + 1;
  result.readTime = cell.readTime;
  for (uint64_t readers = cell.readers; readers; readers &= readers - 1) {
    unsigned reader = __builtin_ctzll(readers);
    if (!access.clocks.happensBefore(access.cta, reader, cell.readTime, access.warp))
      result.readers |= uint64_t(1) << reader;
  }
  return result;
}

RaceResult ptq::emulator::checkRead(ShadowCell &cell, const RaceAccess &access, uint8_t bytes) {
  RaceResult result;
  if (writeConflicts(cell, access, bytes)) {
    result = conflictWithWrite(cell);
  } else if (access.agent && cell.writer == access.cta + 1 && (cell.writeBytes & bytes) &&
             cell.writerWarp < maxWarps &&
             !access.clocks.isFenced(cell.writerWarp, cell.writeTime, access.warp)) {
    result = conflictWithWrite(cell);
    result.unfenced = true;
  }
  if (access.strong)
    return result;
  unsigned actor = access.agent.value_or(access.warp);
  uint32_t time = access.clocks.timeOf(actor);
  uint64_t bit = uint64_t(1) << actor;
  bool same = cell.reader == access.cta + 1 && cell.readBytes == bytes;
  if (same && cell.readTime == time) {
    cell.readers |= bit;
    cell.deferred &= cell.readSite == access.site;
    return result;
  }
  if (cell.readers &&
      !access.clocks.allBefore(cell.reader - 1, cell.readers, cell.readTime, access.warp)) {
    if (cell.reader != access.cta + 1) {
      cell.manyReaders = 1;
    } else if (!access.agent && (cell.readers >> maxWarps)) {
      return result; // an agent's read stays: its end is what writers forget to wait for
    } else if (same && !(access.agent && !(cell.readers >> maxWarps))) {
      cell.readers |= bit;
      cell.readTime = std::min(cell.readTime, time);
      cell.deferred = 0;
      return result;
    }
  }
  cell.reader = access.cta + 1;
  cell.readers = bit;
  cell.readBytes = bytes;
  cell.readTime = time;
  cell.readSite = access.site;
  cell.deferred = access.deferred;
  return result;
}

RaceResult ptq::emulator::checkWrite(ShadowCell &cell, const RaceAccess &access, uint8_t bytes,
                                     bool sameValue) {
  RaceResult result;
  if (!sameValue && writeConflicts(cell, access, bytes))
    result = conflictWithWrite(cell);
  else if (!sameValue && (cell.readBytes & bytes) && cell.readers &&
           !access.clocks.allBefore(cell.reader - 1, cell.readers, cell.readTime, access.warp))
    result = conflictWithRead(cell, access);
  else if (!sameValue && cell.manyReaders && access.independentCtas && (cell.readBytes & bytes))
    result = conflictWithRead(cell, access);
  if (sameValue && cell.writer)
    return result;
  unsigned actor = access.agent.value_or(access.warp);
  uint32_t time = access.clocks.timeOf(actor);
  bool more = cell.writer == access.cta + 1 && cell.writerWarp == actor && cell.writeTime == time &&
              cell.strongWrite == access.strong;
  cell.writeBytes = more ? cell.writeBytes | bytes : bytes;
  cell.writer = access.cta + 1;
  cell.writerWarp = actor;
  cell.writeTime = time;
  cell.writeSite = access.site;
  cell.strongWrite = access.strong;
  if ((cell.readBytes & ~bytes) == 0) {
    cell.readers = 0;
    cell.manyReaders = 0;
  }
  return result;
}

ShadowLocks::Guard::Guard(ShadowLocks *locks, uint64_t address) {
  if (!locks)
    return;
  flag = &locks->flags[(address >> 12) & 1023];
  while (flag->test_and_set(std::memory_order_acquire))
    ;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Race.h"

#include <algorithm>

using namespace ptq::emulator;

void ForeignClocks::join(uint32_t cta, const std::vector<uint32_t> &known) {
  auto &mine = times[cta];
  mine.resize(std::max(mine.size(), known.size()));
  for (size_t warp = 0; warp != known.size(); ++warp)
    mine[warp] = std::max(mine[warp], known[warp]);
}

void ForeignClocks::join(const ForeignClocks &other) {
  for (const auto &[cta, known] : other.times)
    join(cta, known);
}

ClockSet::ClockSet(uint32_t cta, unsigned warps)
    : fenced(warps), cta(cta), warps(warps), times(warps, 1),
      clocks(warps, std::vector<uint32_t>(warps)), leastClock(warps), foreign(warps) {}

bool ClockSet::happensBefore(uint32_t otherCta, unsigned other, uint32_t time,
                             unsigned warp) const {
  if (otherCta == cta)
    return other == warp || time < clocks[warp][other];
  auto found = foreign[warp].times.find(otherCta);
  return found != foreign[warp].times.end() && other < found->second.size() &&
         time < found->second[other];
}

bool ClockSet::allBefore(uint32_t otherCta, uint32_t readers, uint32_t time, unsigned warp) const {
  if (otherCta == cta && time < leastClock[warp])
    return true;
  for (; readers; readers &= readers - 1)
    if (!happensBefore(otherCta, __builtin_ctz(readers), time, warp))
      return false;
  return true;
}

void ClockSet::arrive(Meeting &meeting, unsigned warp) {
  meeting.known.resize(warps);
  for (unsigned other = 0; other != warps; ++other)
    meeting.known[other] = std::max(meeting.known[other], clocks[warp][other]);
  times[warp] = ++now;
  meeting.known[warp] = now;
  meeting.foreign.join(foreign[warp]);
}

void ClockSet::complete(const Meeting &meeting, llvm::ArrayRef<unsigned> waiting) {
  ++now;
  for (unsigned warp : waiting) {
    times[warp] = now;
    uint32_t least = ~0u;
    for (unsigned other = 0; other != warps; ++other) {
      clocks[warp][other] = std::max(clocks[warp][other], meeting.known[other]);
      if (other != warp)
        least = std::min(least, clocks[warp][other]);
    }
    leastClock[warp] = warps == 1 ? 0 : least;
    foreign[warp].join(meeting.foreign);
  }
}

ForeignClocks ClockSet::release(unsigned warp) {
  ForeignClocks result = foreign[warp];
  std::vector<uint32_t> own = clocks[warp];
  times[warp] = ++now;
  own[warp] = now;
  result.join(cta, own);
  return result;
}

void ClockSet::acquire(unsigned warp, const ForeignClocks &other) {
  for (const auto &[from, known] : other.times) {
    if (from != cta) {
      foreign[warp].join(from, known);
      continue;
    }
    for (unsigned index = 0; index != known.size(); ++index)
      clocks[warp][index] = std::max(clocks[warp][index], known[index]);
  }
}

static bool writeConflicts(const ShadowCell &cell, const RaceAccess &access, uint8_t bytes) {
  return cell.writer && (cell.writeBytes & bytes) && !(cell.strongWrite && access.strong) &&
         !access.clocks.happensBefore(cell.writer - 1, cell.writerWarp, cell.writeTime,
                                      access.warp);
}

RaceResult ptq::emulator::checkRead(ShadowCell &cell, const RaceAccess &access, uint8_t bytes) {
  RaceResult result;
  if (writeConflicts(cell, access, bytes))
    result = {true, true, cell.writeSite, cell.writer - 1};
  if (access.strong)
    return result;
  uint32_t time = access.clocks.timeOf(access.warp), bit = 1u << access.warp;
  bool same = cell.reader == access.cta + 1 && cell.readBytes == bytes;
  if (same && cell.readTime == time) {
    cell.readers |= bit;
    return result;
  }
  if (cell.readers &&
      !access.clocks.allBefore(cell.reader - 1, cell.readers, cell.readTime, access.warp)) {
    if (cell.reader != access.cta + 1) {
      cell.manyReaders = 1;
    } else if (same) {
      cell.readers |= bit;
      cell.readTime = std::min(cell.readTime, time);
      return result;
    }
  }
  cell.reader = access.cta + 1;
  cell.readers = bit;
  cell.readBytes = bytes;
  cell.readTime = time;
  cell.readSite = access.site;
  return result;
}

RaceResult ptq::emulator::checkWrite(ShadowCell &cell, const RaceAccess &access, uint8_t bytes,
                                     bool sameValue) {
  RaceResult result;
  if (!sameValue && writeConflicts(cell, access, bytes))
    result = {true, true, cell.writeSite, cell.writer - 1};
  else if (!sameValue && (cell.readBytes & bytes) && cell.readers &&
           !access.clocks.allBefore(cell.reader - 1, cell.readers, cell.readTime, access.warp))
    result = {true, false, cell.readSite, cell.reader - 1};
  else if (!sameValue && cell.manyReaders && access.independentCtas && (cell.readBytes & bytes))
    result = {true, false, cell.readSite, cell.reader - 1};
  if (sameValue && cell.writer)
    return result;
  uint32_t time = access.clocks.timeOf(access.warp);
  bool more = cell.writer == access.cta + 1 && cell.writerWarp == access.warp &&
              cell.writeTime == time && cell.strongWrite == access.strong;
  cell.writeBytes = more ? cell.writeBytes | bytes : bytes;
  cell.writer = access.cta + 1;
  cell.writerWarp = access.warp;
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

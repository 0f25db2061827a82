// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async and its groups. A copy's source is read when it is issued; from then its destination is
// pending, and reading or writing it is a finding. The bytes arrive, as a write of the lane's warp,
// at the wait.

#include "Bindings.h"

#include <cstring>

using namespace ptq::emulator;

static constexpr uint32_t uncommitted = ~0u;

/// Operands: destination, source, [how many bytes to read, or a predicate to read none], [policy].
static void copyAsync(Warp &warp, const Instruction &instruction, uint32_t mask) {
  Cta &cta = warp.cta;
  unsigned bytes = instruction.elementBytes;
  uint64_t from[warpSize], to[warpSize];
  // Two addresses in one instruction: the first's offset is in `target`, see OperandDecoder.
  Instruction destination = instruction, source = instruction;
  destination.space = Space::Shared;
  destination.immediate = static_cast<int32_t>(instruction.target);
  destination.wideAddress = instruction.option & 1;
  source.space = Space::Global;
  source.wideAddress = true;
  computeAddresses(warp, destination, 0, mask, to);
  computeAddresses(warp, source, 1, mask, from);
  countRequest(warp, instruction, to, mask, bytes);
  uint32_t reading = mask;
  uint32_t sizes[warpSize];
  std::fill_n(sizes, warpSize, bytes);
  if (instruction.option & 2) {
    uint32_t slot = instruction.operands[2];
    warp.requireDefined(instruction, slot, mask, "is the size of a copy");
    for (unsigned lane = 0; lane != warpSize; ++lane)
      if ((mask >> lane) & 1) {
        sizes[lane] = instruction.option & 4 ? ((warp.predicate(slot) >> lane) & 1 ? 0 : bytes)
                                             : warp.slot(slot)[lane];
        if (sizes[lane] > bytes) {
          warp.report(Check::Bounds, instruction, 1u << lane, addressInSpace(from[lane]),
                      "cp.async reads more bytes than it copies");
          sizes[lane] = bytes;
        }
        if (sizes[lane] == 0)
          reading &= ~(1u << lane);
      }
  }
  countRequest(warp, instruction, from, reading, bytes);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    PendingCopy copy{};
    copy.lane = lane;
    copy.group = uncommitted;
    copy.instruction = &instruction;
    copy.bytes = bytes;
    if (sizes[lane]) {
      Location location;
      unsigned size = sizes[lane];
      // Alignment is that of the whole copy, bounds those of what is read.
      if (from[lane] & (bytes - 1))
        warp.report(Check::Misalignment, instruction, 1u << lane, from[lane],
                    "cp.async from an address that is no multiple of " + llvm::Twine(bytes));
      if (locate(warp, source, lane, from[lane], size == bytes ? bytes : 1, AccessKind::Read,
                 location)) {
        Location last;
        if (size == bytes ||
            locate(warp, source, lane, from[lane] + size - 1, 1, AccessKind::Read, last)) {
          checkRace(warp, source, lane, from[lane], size, AccessKind::Read, location);
          if (!readBytes(warp, source, lane, from[lane], location, size, copy.data))
            warp.report(Check::Uninitialised, instruction, 1u << lane, from[lane],
                        "cp.async of memory that was never written");
        }
      }
    }
    Location location;
    if (!locate(warp, destination, lane, to[lane], bytes, AccessKind::Write, location))
      continue;
    if (location.space != Space::Shared)
      continue;
    copy.destination = static_cast<uint32_t>(addressInSpace(to[lane]));
    // Others' accesses before the issue have to be ordered with it too.
    checkRace(warp, destination, lane, to[lane], bytes, AccessKind::Write, location);
    for (unsigned index = 0; index != bytes; ++index)
      if (location.state[index] == static_cast<uint8_t>(ByteState::Pending)) {
        warp.report(Check::Races, instruction, 1u << lane, copy.destination,
                    "cp.async into the destination of another that has not been waited for");
        break;
      }
    if (cta.machine.checksRaces())
      std::memset(location.state, static_cast<int>(ByteState::Pending), bytes);
    warp.copies.push_back(copy);
  }
}

static void commitGroup(Warp &warp, const Instruction &, uint32_t mask) {
  for (PendingCopy &copy : warp.copies)
    if (copy.group == uncommitted && ((mask >> copy.lane) & 1))
      copy.group = warp.committedGroups[copy.lane];
  for (unsigned lane = 0; lane != warpSize; ++lane)
    warp.committedGroups[lane] += (mask >> lane) & 1;
}

/// Lets all copies arrive that `arrives` says, as the warp's writes or as those of `agent`.
template <class Predicate>
static void complete(Warp &warp, Predicate arrives, std::optional<unsigned> agent = std::nullopt) {
  Cta &cta = warp.cta;
  size_t kept = 0;
  for (size_t index = 0; index != warp.copies.size(); ++index) {
    PendingCopy &copy = warp.copies[index];
    if (!arrives(copy)) {
      if (kept != index)
        warp.copies[kept] = copy;
      ++kept;
      continue;
    }
    uint8_t *data = cta.shared.data() + copy.destination;
    Location location;
    location.data = data;
    location.state = cta.sharedState.data() + copy.destination;
    location.space = Space::Shared;
    location.cells =
        cta.sharedCells.empty() ? nullptr : cta.sharedCells.data() + copy.destination / 4;
    Instruction write = *copy.instruction;
    checkRace(warp, write, copy.lane, copy.destination, copy.bytes, AccessKind::Write, location,
              nullptr, agent);
    std::memcpy(data, copy.data, copy.bytes);
    std::memset(location.state, static_cast<int>(ByteState::Defined), copy.bytes);
  }
  warp.copies.resize(kept);
}

/// What arrives through an mbarrier has arrived for the warp itself, too, once it waits.
static void learnHandedOver(Warp &warp) {
  for (auto [agent, time] : warp.handedOver)
    warp.cta.clocks.learn(warp.index, agent, time);
  warp.handedOver.clear();
}

/// cp.async.mbarrier.arrive: the lanes' copies until now complete on an mbarrier; their bytes are
/// ordered for those who wait for its phase. Without .noinc the phase expects this arrival on top.
static void arriveMbarrier(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 0, mask, addresses);
  ClockSet &clocks = warp.cta.clocks;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    Mbarrier *barrier = findMbarrier(warp, instruction, lane, addresses[lane]);
    if (!barrier)
      continue;
    if (!barrier->agent)
      barrier->agent = clocks.addBarrierAgent();
    clocks.advance(*barrier->agent);
    complete(
        warp, [lane](const PendingCopy &copy) { return copy.lane == lane; }, barrier->agent);
    clocks.arriveAgent(barrier->arrivals, *barrier->agent);
    warp.handedOver.push_back({*barrier->agent, clocks.timeOf(*barrier->agent)});
    if (instruction.option)
      arriveOn(warp, instruction, lane, addresses[lane], *barrier, 1);
  }
}

static void waitGroup(Warp &warp, const Instruction &instruction, uint32_t mask) {
  learnHandedOver(warp);
  uint64_t pending = static_cast<uint64_t>(instruction.immediate);
  complete(warp, [&](const PendingCopy &copy) {
    return ((mask >> copy.lane) & 1) && copy.group != uncommitted &&
           copy.group + pending < warp.committedGroups[copy.lane];
  });
}
static void waitAll(Warp &warp, const Instruction &, uint32_t mask) {
  learnHandedOver(warp);
  complete(warp, [&](const PendingCopy &copy) { return (mask >> copy.lane) & 1; });
}

static void bindCopy(Match &match) {
  Instruction &instruction = *match.instruction;
  const auto &operands = match.statement->operands;
  instruction.space = Space::Shared;
  if (operands.size() < 3 || operands[2].kind != Operand::Integer)
    return;
  uint64_t bytes = operands[2].value;
  bool allowed = bytes == 16 || (match.has(".ca") && (bytes == 4 || bytes == 8));
  if (!allowed)
    return;
  instruction.elementBytes = static_cast<uint8_t>(bytes);
  match.set(copyAsync);
}

static void createPolicy(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t *result = warp.wideSlot(instruction.operands[0]);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      result[lane] = 0;
  warp.define(instruction.operands[0], mask);
}

#define HINTS "?.L2::cache_hint ?.L2::64B|.L2::128B|.L2::256B"
#define ASYNC "Asynchronous Copy: cp.async"
llvm::ArrayRef<Form> ptq::emulator::asyncForms() {
  static const Form forms[] = {
      {"cp .async .ca|.cg .shared|.shared::cta .global " HINTS, "amem mem bytes ?asize ?hint",
       ASYNC, bindCopy},
      {"cp .async .commit_group", "", "Asynchronous Copy: cp.async.commit_group",
       [](Match &m) { m.set(commitGroup); }},
      {"cp .async .wait_group", "imm", "Asynchronous Copy: cp.async.wait_group",
       [](Match &m) { m.set(waitGroup); }},
      {"cp .async .wait_all", "", "Asynchronous Copy: cp.async.wait_all",
       [](Match &m) { m.set(waitAll); }},
      {"cp .async .mbarrier .arrive ?.noinc ?.shared|.shared::cta .b64", "mem",
       "Parallel Synchronization: cp.async.mbarrier.arrive",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.instruction->ordering = Ordering::Relaxed;
         m.instruction->option = m.has(".noinc");
         m.set(arriveMbarrier);
       }},
      {"createpolicy .fractional "
       ".L2::evict_last|.L2::evict_normal|.L2::evict_first|.L2::evict_unchanged "
       "?.L2::evict_first|.L2::evict_unchanged .b64",
       "=b64 ?f32", "Data Movement: createpolicy", [](Match &m) { m.set(createPolicy); }},
      {"createpolicy .range ?.global "
       ".L2::evict_last|.L2::evict_normal|.L2::evict_first|.L2::evict_unchanged "
       "?.L2::evict_first|.L2::evict_unchanged .b64",
       "=b64 mem u32 u32", "Data Movement: createpolicy",
       [](Match &m) {
         m.instruction->space = Space::Global;
         m.set(createPolicy);
       }},
      {"createpolicy .cvt .L2 .b64", "=b64 b64", "Data Movement: createpolicy",
       [](Match &m) { m.set(createPolicy); }},
  };
  return forms;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarrier objects in shared memory (PTX ISA, Parallel Synchronization: mbarrier). The object is
// kept beside the memory, whose 8 bytes nothing else may touch. Arrivals release what the warp
// knows, waits that succeed acquire it, unless they are .relaxed. A wait that does not succeed ends
// the warp's turn.
//
// A state is the phase it was taken in (upper half) and the arrivals that were pending (lower
// half).

#include "Bindings.h"
#include "OperandDecoder.h"

using namespace ptq::emulator;

namespace {
enum : uint32_t { expectBit = 1, noCompleteBit = 2, dropBit = 4, relaxedBit = 8, parityBit = 16 };
constexpr uint32_t maxCount = (1u << 20) - 1;
} // namespace

Mbarrier *ptq::emulator::findMbarrier(Warp &warp, const Instruction &instruction, unsigned lane,
                                      uint64_t address) {
  Location location;
  if (!locate(warp, instruction, lane, address, 8, AccessKind::Read, location))
    return nullptr;
  if (location.space != Space::Shared) {
    warp.report(Check::Bounds, instruction, 1u << lane, address,
                "an mbarrier object is in shared memory");
    return nullptr;
  }
  auto &objects = warp.cta.mbarriers;
  auto found = objects.find(static_cast<uint32_t>(addressInSpace(address)));
  if (found == objects.end()) {
    warp.report(Check::Uninitialised, instruction, 1u << lane, addressInSpace(address),
                "no mbarrier object is here: mbarrier.init has not made one");
    return nullptr;
  }
  // Its initialisation has to be ordered before; strong accesses are not recorded.
  if (instruction.ordering != Ordering::Weak) {
    checkRace(warp, instruction, lane, address, 8, AccessKind::Read, location);
  } else {
    Instruction strong = instruction;
    strong.ordering = Ordering::Relaxed;
    checkRace(warp, strong, lane, address, 8, AccessKind::Read, location);
  }
  return &found->second;
}

static bool inRange(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
                    uint32_t count, uint32_t least) {
  if (count >= least && count <= maxCount)
    return true;
  warp.report(Check::DivergentBarriers, instruction, 1u << lane, addressInSpace(address),
              "the count " + llvm::Twine(count) + " of an mbarrier is not in " +
                  llvm::Twine(least) + "…1048575");
  return false;
}

void ptq::emulator::arriveOn(Warp &warp, const Instruction &instruction, unsigned lane,
                             uint64_t address, Mbarrier &barrier, uint32_t count) {
  if (count > barrier.pending)
    warp.report(Check::DivergentBarriers, instruction, 1u << lane, addressInSpace(address),
                llvm::Twine(count) + " arrivals on an mbarrier whose phase expects only " +
                    llvm::Twine(barrier.pending) + " more");
  barrier.pending -= std::min(count, barrier.pending);
  warp.cta.checkPhase(barrier);
}

static void init(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 0, mask, addresses);
  warp.requireDefined(instruction, instruction.operands[1], mask, "is a count of an mbarrier");
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t address = addresses[lane];
    uint32_t count = warp.slot(instruction.operands[1])[lane];
    Location location;
    if (!locate(warp, instruction, lane, address, 8, AccessKind::Write, location))
      continue;
    auto offset = static_cast<uint32_t>(addressInSpace(address));
    if (location.space != Space::Shared) {
      warp.report(Check::Bounds, instruction, 1u << lane, address,
                  "an mbarrier object is in shared memory");
      continue;
    }
    if (!inRange(warp, instruction, lane, address, count, 1))
      continue;
    checkRace(warp, instruction, lane, address, 8, AccessKind::Write, location);
    if (warp.cta.mbarriers.count(offset))
      warp.report(Check::DivergentBarriers, instruction, 1u << lane, offset,
                  "an mbarrier object is here already: mbarrier.inval ends it");
    Mbarrier &barrier = warp.cta.mbarriers[offset];
    barrier = Mbarrier();
    barrier.expected = barrier.pending = count;
    std::fill_n(location.state, 8, static_cast<uint8_t>(ByteState::Barrier));
    warp.cta.noteProgress();
  }
}

static void invalidate(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 0, mask, addresses);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1) || !findMbarrier(warp, instruction, lane, addresses[lane]))
      continue;
    Location location;
    locate(warp, instruction, lane, addresses[lane], 8, AccessKind::Write, location);
    std::fill_n(location.state, 8, static_cast<uint8_t>(ByteState::Undefined));
    warp.cta.mbarriers.erase(static_cast<uint32_t>(addressInSpace(addresses[lane])));
  }
}

/// Operands: state, address, [count, or bytes that are expected].
static void arrive(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 1, mask, addresses);
  const uint32_t *counts = nullptr;
  if (instruction.numOperands > 2) {
    warp.requireDefined(instruction, instruction.operands[2], mask, "is a count of an mbarrier");
    counts = warp.slot(instruction.operands[2]);
  }
  uint64_t *states = warp.wideSlot(instruction.operands[0]);
  bool releases = !(instruction.option & relaxedBit);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t address = addresses[lane];
    uint32_t number = counts ? counts[lane] : 1;
    Mbarrier *barrier = findMbarrier(warp, instruction, lane, address);
    if (!barrier ||
        !inRange(warp, instruction, lane, address, number, instruction.option & expectBit ? 0 : 1))
      continue;
    states[lane] = barrier->phase << 32 | barrier->pending;
    uint32_t count = instruction.option & expectBit ? 1 : number;
    if (instruction.option & expectBit)
      barrier->transactions += number;
    if (instruction.option & dropBit)
      barrier->expected -= std::min(count, barrier->expected);
    if ((instruction.option & noCompleteBit) && count >= barrier->pending)
      warp.report(Check::DivergentBarriers, instruction, 1u << lane, addressInSpace(address),
                  "an arrival with .noComplete completes the phase of the mbarrier");
    if (releases)
      warp.cta.clocks.arrive(barrier->arrivals, warp.index);
    arriveOn(warp, instruction, lane, address, *barrier, count);
  }
  warp.define(instruction.operands[0], mask);
}
static void bindArrive(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.instruction->ordering = Ordering::Relaxed;
  match.instruction->option =
      (match.has(".expect_tx") ? expectBit : 0) | (match.has(".noComplete") ? noCompleteBit : 0) |
      (match.has(".arrive_drop") ? dropBit : 0) | (match.has(".relaxed") ? relaxedBit : 0);
  match.set(arrive);
}

/// expect_tx and complete_tx.
static void transact(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 0, mask, addresses);
  warp.requireDefined(instruction, instruction.operands[1], mask, "is a count of an mbarrier");
  const uint32_t *counts = warp.slot(instruction.operands[1]);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    Mbarrier *barrier = findMbarrier(warp, instruction, lane, addresses[lane]);
    if (!barrier || !inRange(warp, instruction, lane, addresses[lane], counts[lane], 0))
      continue;
    if (instruction.option & expectBit) {
      barrier->transactions += counts[lane];
    } else {
      barrier->transactions -= counts[lane];
      warp.cta.checkPhase(*barrier);
    }
  }
}
static void bindTransact(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.instruction->ordering = Ordering::Relaxed;
  match.instruction->option = match.has(".expect_tx") ? expectBit : 0;
  match.set(transact);
}

/// Operands: predicate, address, state or parity, [a hint].
static void wait(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  uint64_t addresses[warpSize];
  computeAddresses(warp, instruction, 1, mask, addresses);
  warp.requireDefined(instruction, ops[2], mask, "is the phase of an mbarrier to wait for");
  bool byParity = instruction.option & parityBit;
  uint32_t complete = 0;
  Mbarrier *acquired = nullptr;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    Mbarrier *barrier = findMbarrier(warp, instruction, lane, addresses[lane]);
    if (!barrier) {
      complete |= 1u << lane; // found already; nothing to wait for
      continue;
    }
    // Either the phase that is under way or the one before it: it cannot be told which otherwise.
    bool done;
    if (byParity) {
      done = ((warp.slot(ops[2])[lane] ^ barrier->phase) & 1) != 0;
    } else {
      uint64_t phase = warp.wideSlot(ops[2])[lane] >> 32;
      auto current = static_cast<uint32_t>(barrier->phase);
      done = phase != current;
      if (done && phase + 1 != current)
        warp.report(Check::DivergentBarriers, instruction, 1u << lane,
                    addressInSpace(addresses[lane]),
                    "the state of an mbarrier is neither of its current phase nor of the last");
    }
    if (!done)
      continue;
    complete |= 1u << lane;
    if (acquired != barrier && !(instruction.option & relaxedBit))
      warp.cta.clocks.complete(barrier->completed, {warp.index});
    acquired = barrier;
  }
  warp.setPredicate(ops[0], complete, mask);
  warp.define(ops[0], mask);
  if (uint32_t waiting = mask & ~complete)
    warp.stall(instruction, addressInSpace(addresses[__builtin_ctz(waiting)]),
               "a phase of an mbarrier that nothing is left to complete");
}
static void bindWait(Match &match) {
  match.instruction->space = spaceOfMatch(match);
  match.instruction->ordering = Ordering::Relaxed;
  match.instruction->option =
      (match.has(".parity") ? parityBit : 0) | (match.has(".relaxed") ? relaxedBit : 0);
  match.set(wait);
}

static void pendingCount(Warp &warp, const Instruction &instruction, uint32_t mask) {
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.slot(instruction.operands[0])[lane] =
          static_cast<uint32_t>(warp.wideSlot(instruction.operands[1])[lane]);
  warp.flow<1>(instruction, mask);
}

#define OWN "?.shared|.shared::cta"
#define ANY "?.shared|.shared::cta|.shared::cluster"
#define RELEASE ".release|.relaxed .cta|.cluster"
#define ACQUIRE ".acquire|.relaxed .cta|.cluster"
#define MBARRIER "Parallel Synchronization: mbarrier."
llvm::ArrayRef<Form> ptq::emulator::mbarrierForms() {
  static const Form forms[] = {
      {"mbarrier .init " OWN " .b64", "mem u32", MBARRIER "init",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.set(init);
       }},
      {"mbarrier .inval " OWN " .b64", "mem", MBARRIER "inval",
       [](Match &m) {
         m.instruction->space = spaceOfMatch(m);
         m.set(invalidate);
       }},
      {"mbarrier .arrive|.arrive_drop " OWN " .b64", "=b64 mem ?u32", MBARRIER "arrive",
       bindArrive},
      {"mbarrier .arrive|.arrive_drop " RELEASE " " OWN " .b64", "=b64 mem ?u32", MBARRIER "arrive",
       bindArrive},
      {"mbarrier .arrive|.arrive_drop .shared::cluster .b64", "=sink mem ?u32", MBARRIER "arrive",
       bindArrive},
      {"mbarrier .arrive|.arrive_drop " RELEASE " .shared::cluster .b64", "=sink mem ?u32",
       MBARRIER "arrive", bindArrive},
      {"mbarrier .arrive|.arrive_drop .expect_tx " OWN " .b64", "=b64 mem u32", MBARRIER "arrive",
       bindArrive},
      {"mbarrier .arrive|.arrive_drop .expect_tx " RELEASE " " OWN " .b64", "=b64 mem u32",
       MBARRIER "arrive", bindArrive},
      {"mbarrier .arrive|.arrive_drop .expect_tx .shared::cluster .b64", "=sink mem u32",
       MBARRIER "arrive", bindArrive},
      {"mbarrier .arrive|.arrive_drop .expect_tx " RELEASE " .shared::cluster .b64",
       "=sink mem u32", MBARRIER "arrive", bindArrive},
      {"mbarrier .arrive|.arrive_drop .noComplete " OWN " .b64", "=b64 mem u32", MBARRIER "arrive",
       bindArrive},
      {"mbarrier .arrive|.arrive_drop .noComplete .release .cta " OWN " .b64", "=b64 mem u32",
       MBARRIER "arrive", bindArrive},
      {"mbarrier .expect_tx|.complete_tx " ANY " .b64", "mem u32", MBARRIER "expect_tx",
       bindTransact},
      {"mbarrier .expect_tx|.complete_tx .relaxed .cta|.cluster " ANY " .b64", "mem u32",
       MBARRIER "expect_tx", bindTransact},
      {"mbarrier .test_wait " OWN " .b64", "=pred mem b64", MBARRIER "test_wait", bindWait},
      {"mbarrier .test_wait " ACQUIRE " " OWN " .b64", "=pred mem b64", MBARRIER "test_wait",
       bindWait},
      {"mbarrier .test_wait .parity " OWN " .b64", "=pred mem u32", MBARRIER "test_wait", bindWait},
      {"mbarrier .test_wait .parity " ACQUIRE " " OWN " .b64", "=pred mem u32",
       MBARRIER "test_wait", bindWait},
      {"mbarrier .try_wait " OWN " .b64", "=pred mem b64 ?u32", MBARRIER "try_wait", bindWait},
      {"mbarrier .try_wait " ACQUIRE " " OWN " .b64", "=pred mem b64 ?u32", MBARRIER "try_wait",
       bindWait},
      {"mbarrier .try_wait .parity " OWN " .b64", "=pred mem u32 ?u32", MBARRIER "try_wait",
       bindWait},
      {"mbarrier .try_wait .parity " ACQUIRE " " OWN " .b64", "=pred mem u32 ?u32",
       MBARRIER "try_wait", bindWait},
      {"mbarrier .pending_count .b64", "=u32 b64", MBARRIER "pending_count",
       [](Match &m) { m.set(pendingCount); }},
  };
  return forms;
}

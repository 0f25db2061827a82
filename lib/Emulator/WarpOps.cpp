// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exchange and votes between the lanes of a warp: shfl, vote, match, activemask, redux, elect,
// bar.warp.sync.

#include "Bindings.h"
#include "Lanes.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;

bool ptq::emulator::checkMembers(Warp &warp, const Instruction &instruction, uint32_t mask,
                                 uint32_t memberSlot) {
  warp.requireDefined(instruction, memberSlot, mask, "names a warp's lanes");
  const uint32_t *members = warp.slot(memberSlot);
  uint32_t absent = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    if (!((members[lane] >> lane) & 1)) {
      warp.report(Check::DivergentBarriers, instruction, 1u << lane, 0,
                  "the lane is not in its own member mask 0x" +
                      llvm::Twine::utohexstr(members[lane]));
      return true;
    }
    absent |= members[lane] & warp.liveLanes() & ~mask;
  }
  if (!absent)
    return true;
  if (mask == warp.activeLanes() && warp.gather(absent))
    return false;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if (((mask >> lane) & 1) && (members[lane] & absent)) {
      warp.report(Check::DivergentBarriers, instruction, 1u << lane, 0,
                  "lanes 0x" + llvm::Twine::utohexstr(members[lane] & absent) +
                      " of the member mask do not execute it together with this one");
      break;
    }
  return true;
}

bool ptq::emulator::checkAligned(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (mask == warp.liveLanes())
    return true;
  if (mask == warp.activeLanes() && warp.gather(warp.liveLanes() & ~mask))
    return false;
  warp.report(Check::DivergentBarriers, instruction, mask, 0,
              "only lanes 0x" + llvm::Twine::utohexstr(mask) + " of the warp's 0x" +
                  llvm::Twine::utohexstr(warp.liveLanes()) + " execute it together");
  return true;
}

namespace {
enum class Shuffle : uint8_t { Up, Down, Bfly, Idx };
} // namespace

/// shfl.sync (PTX ISA: shfl): operands d, p, a, b, c, members. c: a clamp in bits 0–4, the mask of
/// the segment in bits 8–12.
static void shuffle(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  if (!checkMembers(warp, instruction, mask, ops[5]))
    return;
  uint32_t source[warpSize], *result = warp.slot(ops[0]);
  std::memcpy(source, warp.slot(ops[2]), sizeof(source));
  const uint32_t *amount = warp.slot(ops[3]), *control = warp.slot(ops[4]);
  uint32_t badValue = warp.undefinedLanes(ops[2]);
  uint32_t badControl = (warp.undefinedLanes(ops[3]) | warp.undefinedLanes(ops[4])) & mask;
  uint32_t inRange = 0, bad = badControl, part = 0;
  uint64_t sourceBits[warpSize], bits[warpSize];
  for (unsigned lane = 0; lane != warpSize; ++lane)
    sourceBits[lane] = badValue ? warp.undefinedBits(ops[2], lane) : 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    int clamp = control[lane] & 31, segment = (control[lane] >> 8) & 31, by = amount[lane] & 31;
    int self = static_cast<int>(lane);
    int last = (self & segment) | (clamp & ~segment), first = self & segment;
    int from = 0;
    bool ok = false;
    switch (static_cast<Shuffle>(instruction.option)) {
    case Shuffle::Up:
      from = self - by;
      ok = from >= last;
      break;
    case Shuffle::Down:
      from = self + by;
      ok = from <= last;
      break;
    case Shuffle::Bfly:
      from = self ^ by;
      ok = from <= last;
      break;
    case Shuffle::Idx:
      from = first | (by & ~segment);
      ok = from <= last;
      break;
    }
    if (!ok)
      from = self;
    inRange |= uint32_t(ok) << lane;
    result[lane] = source[from];
    // A lane that does not take part has no value to give.
    if (!((mask >> from) & 1))
      bad |= 1u << lane;
    else if ((bits[lane] = sourceBits[from]) != 0)
      part |= 1u << lane;
  }
  warp.setPredicate(ops[1], inRange, mask);
  warp.define(ops[0], mask);
  warp.define(ops[1], mask);
  for (uint32_t lanes = part & ~bad; lanes; lanes &= lanes - 1)
    warp.setUndefinedBits(ops[0], __builtin_ctz(lanes), bits[__builtin_ctz(lanes)], instruction, 2);
  if (bad)
    warp.taint(ops[0], bad, instruction, badValue & mask ? 2 : -1);
  if (badControl)
    warp.taint(ops[1], badControl, instruction, 3);
}
static void bindShuffle(Match &match) {
  match.instruction->option = match.has(".up")     ? int(Shuffle::Up)
                              : match.has(".down") ? int(Shuffle::Down)
                              : match.has(".bfly") ? int(Shuffle::Bfly)
                                                   : int(Shuffle::Idx);
  match.set(shuffle);
}

namespace {
enum class Vote : uint8_t { All, Any, Uni, Ballot };
} // namespace

static void vote(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  if (!checkMembers(warp, instruction, mask, ops[2]))
    return;
  uint32_t value = warp.predicate(ops[1]);
  if (instruction.negated & 2)
    value = ~value;
  uint32_t bad = warp.undefinedLanes(ops[1]) & mask;
  const uint32_t *members = warp.slot(ops[2]);
  uint32_t predicate = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t group = members[lane] & mask, yes = value & group;
    switch (static_cast<Vote>(instruction.option)) {
    case Vote::All:
      predicate |= uint32_t(yes == group) << lane;
      break;
    case Vote::Any:
      predicate |= uint32_t(yes != 0) << lane;
      break;
    case Vote::Uni:
      predicate |= uint32_t(yes == 0 || yes == group) << lane;
      break;
    case Vote::Ballot:
      warp.slot(ops[0])[lane] = yes;
      break;
    }
  }
  if (static_cast<Vote>(instruction.option) != Vote::Ballot)
    warp.setPredicate(ops[0], predicate, mask);
  warp.define(ops[0], mask);
  if (bad)
    warp.taint(ops[0], mask, instruction, 1);
}

/// match.any: lanes with this lane's value; match.all: all members if they agree, and whether they
/// do.
template <class T, bool All>
static void matchValues(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  unsigned first = All ? 2 : 1;
  if (!checkMembers(warp, instruction, mask, ops[first + 1]))
    return;
  const T *value = reinterpret_cast<T *>(warp.slot(ops[first]));
  const uint32_t *members = warp.slot(ops[first + 1]);
  uint32_t agree = 0, results[warpSize] = {};
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t group = members[lane] & mask, same = 0;
    for (unsigned other = 0; other != warpSize; ++other)
      if (((group >> other) & 1) && value[other] == value[lane])
        same |= 1u << other;
    results[lane] = All ? (same == group ? group : 0) : same;
    agree |= uint32_t(same == group) << lane;
  }
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.slot(ops[0])[lane] = results[lane];
  if (All)
    warp.setPredicate(ops[1], agree, mask);
  uint32_t bad = warp.undefinedLanes(ops[first]) & mask;
  for (unsigned index = 0; index != first; ++index) {
    warp.define(ops[index], mask);
    if (bad)
      warp.taint(ops[index], mask, instruction, first);
  }
}

static void activeMask(Warp &warp, const Instruction &instruction, uint32_t mask) {
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      warp.slot(instruction.operands[0])[lane] = mask;
  warp.define(instruction.operands[0], mask);
}

namespace {
enum class Reduction : uint8_t { Add, Min, Max, And, Or, Xor };
} // namespace

template <class T> static void reduce(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  if (!checkMembers(warp, instruction, mask, ops[2]))
    return;
  const uint32_t *members = warp.slot(ops[2]);
  uint32_t values[warpSize];
  std::memcpy(values, warp.slot(ops[1]), sizeof(values));
  uint32_t bad = warp.undefinedLanes(ops[1]) & mask;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t group = members[lane] & mask;
    bool first = true;
    T result = 0;
    for (; group; group &= group - 1) {
      T value = static_cast<T>(values[__builtin_ctz(group)]);
      if (first) {
        result = value;
        first = false;
        continue;
      }
      switch (static_cast<Reduction>(instruction.option)) {
      case Reduction::Add:
        result = static_cast<T>(uint32_t(result) + uint32_t(value));
        break;
      case Reduction::Min:
        result = std::min(result, value);
        break;
      case Reduction::Max:
        result = std::max(result, value);
        break;
      case Reduction::And:
        result &= value;
        break;
      case Reduction::Or:
        result |= value;
        break;
      case Reduction::Xor:
        result ^= value;
        break;
      }
    }
    warp.slot(ops[0])[lane] = static_cast<uint32_t>(result);
  }
  warp.define(ops[0], mask);
  if (bad)
    warp.taint(ops[0], mask, instruction, 1);
}
static void bindReduce(Match &match) {
  for (llvm::StringRef modifier : match.modifiers) {
    int op = llvm::StringSwitch<int>(modifier)
                 .Case(".add", 0)
                 .Case(".min", 1)
                 .Case(".max", 2)
                 .Case(".and", 3)
                 .Case(".or", 4)
                 .Case(".xor", 5)
                 .Default(-1);
    if (op >= 0)
      match.instruction->option = op;
  }
  match.set(match.type(0) == Type::S32 ? reduce<int32_t> : reduce<uint32_t>);
}

/// The lowest member is elected: d its lane, p whether this is it.
static void elect(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const uint32_t *ops = instruction.operands;
  if (!checkMembers(warp, instruction, mask, ops[2]))
    return;
  uint32_t leaders = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t group = warp.slot(ops[2])[lane] & mask;
    unsigned leader = group ? __builtin_ctz(group) : lane;
    warp.slot(ops[0])[lane] = leader;
    leaders |= uint32_t(leader == lane) << lane;
  }
  warp.setPredicate(ops[1], leaders, mask);
  warp.define(ops[0], mask);
  warp.define(ops[1], mask);
}

static void warpSync(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkMembers(warp, instruction, mask, instruction.operands[0]))
    return;
}

llvm::ArrayRef<Form> ptq::emulator::warpForms() {
  static const Form forms[] = {
      {"shfl .sync .up|.down|.bfly|.idx .b32", "=0|p 0 u32 u32 u32", "Data Movement: shfl.sync",
       bindShuffle},
      {"vote .sync .all|.any|.uni .pred", "=pred !pred u32", "Warp Vote: vote.sync",
       [](Match &m) {
         m.instruction->option = m.has(".all")   ? int(Vote::All)
                                 : m.has(".any") ? int(Vote::Any)
                                                 : int(Vote::Uni);
         m.set(vote);
       }},
      {"vote .sync .ballot .b32", "=b32 !pred u32", "Warp Vote: vote.sync",
       [](Match &m) {
         m.instruction->option = int(Vote::Ballot);
         m.set(vote);
       }},
      {"match .any .sync .b32|.b64", "=b32 0 u32", "Warp Match: match.sync",
       [](Match &m) {
         m.set(m.type(0) == Type::B64 ? matchValues<uint64_t, false>
                                      : matchValues<uint32_t, false>);
       }},
      {"match .all .sync .b32|.b64", "=b32|p 0 u32", "Warp Match: match.sync",
       [](Match &m) {
         m.set(m.type(0) == Type::B64 ? matchValues<uint64_t, true> : matchValues<uint32_t, true>);
       }},
      {"activemask .b32", "=b32", "Warp: activemask", [](Match &m) { m.set(activeMask); }},
      {"redux .sync .add|.min|.max .u32|.s32", "=0 0 u32", "Warp: redux.sync", bindReduce},
      {"redux .sync .and|.or|.xor .b32", "=0 0 u32", "Warp: redux.sync", bindReduce},
      {"elect .sync", "=b32|P u32", "Warp: elect.sync", [](Match &m) { m.set(elect); }},
      {"bar .warp .sync", "u32", "Barriers: bar.warp.sync", [](Match &m) { m.set(warpSync); }},
  };
  return forms;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async.bulk and cp.async.bulk.tensor (tile mode). A copy is made when it is issued, by an agent
// of the race checker: whoever has not waited for its completion races with it. Copies to shared
// memory complete on an mbarrier, those to global memory in a bulk group.

#include "Bindings.h"
#include "EncodedTensorMap.h"
#include "OperandDecoder.h"

#include <cstring>

using namespace ptq::emulator;

namespace {
enum : uint32_t { fromSharedBit = 1, multicastBit = 2, storeBit = 4 };
constexpr unsigned piece = 16;
constexpr uint32_t uncommitted = ~0u;

/// One lane's copy, by pieces of up to 16 bytes.
class BulkCopy {
public:
  BulkCopy(Warp &warp, const Instruction &instruction, unsigned lane)
      : warp(warp), instruction(instruction), lane(lane) {}
  ~BulkCopy() {
    MemoryCounters all;
    for (size_t index = 0; index < sectors.size(); index += warpSize) {
      unsigned count = std::min<size_t>(warpSize, sectors.size() - index);
      countGlobal(all, sectors.data() + index, count == warpSize ? allLanes : (1u << count) - 1,
                  piece);
    }
    all.requests = 1;
    if (!sectors.empty())
      warp.cta.tally.memory[instruction.id].global += all;
  }

  void report(Check check, uint64_t address, const llvm::Twine &message) {
    warp.report(check, instruction, 1u << lane, addressInSpace(address), message);
  }
  bool checkAlignment(uint64_t address, unsigned alignment, const char *what) {
    if (address % alignment == 0)
      return true;
    report(Check::Misalignment, address,
           llvm::Twine(what) + " of a bulk copy is no multiple of " + llvm::Twine(alignment));
    return false;
  }
  /// Data and which bytes of it are defined. `agent`: of reads from shared memory.
  bool read(uint64_t address, unsigned bytes, uint8_t *data, uint8_t *states,
            std::optional<unsigned> agent) {
    return forPieces(address, bytes, AccessKind::Read,
                     [&](Location &location, uint64_t at, unsigned done, unsigned part) {
                       checkRace(warp, instruction, lane, at, part, AccessKind::Read, location,
                                 nullptr, location.space == Space::Shared ? agent : std::nullopt);
                       std::memset(states + done, static_cast<int>(ByteState::Defined), part);
                       if (!readBytes(warp, instruction, lane, at, location, part, data + done))
                         std::memcpy(states + done, location.state, part);
                     });
  }
  bool write(uint64_t address, unsigned bytes, const uint8_t *data, const uint8_t *states,
             unsigned agent) {
    return forPieces(address, bytes, AccessKind::Write,
                     [&](Location &location, uint64_t at, unsigned done, unsigned part) {
                       checkRace(warp, instruction, lane, at, part, AccessKind::Write, location,
                                 nullptr, agent);
                       writeBytes(warp, instruction, lane, at, location, part, data + done, true);
                       bool shared = location.space == Space::Shared;
                       for (unsigned index = 0; index != part; ++index) {
                         if (states[done + index] == static_cast<uint8_t>(ByteState::Defined))
                           continue;
                         if (!shared) {
                           report(Check::Uninitialised, at + index,
                                  "a bulk copy stores an undefined value to global memory");
                           break;
                         }
                         location.state[index] = static_cast<uint8_t>(ByteState::Undefined);
                       }
                     });
  }

  Warp &warp;
  const Instruction &instruction;
  const unsigned lane;

private:
  /// Calls `visit(location, address, bytes before it, bytes)` for pieces of a copy. None crosses a
  /// multiple of 16: shadows are locked by stretches of addresses. False where one is out of
  /// bounds.
  template <class Visit>
  bool forPieces(uint64_t address, unsigned bytes, AccessKind kind, Visit visit) {
    count(address);
    for (unsigned done = 0; done != bytes;) {
      uint64_t at = address + done;
      unsigned part = std::min<uint64_t>(bytes - done, piece - at % piece);
      Location location;
      if (!locateUnaligned(warp, instruction, lane, at, part, kind, location))
        return false;
      visit(location, at, done, part);
      done += part;
    }
    return true;
  }
  void count(uint64_t address) {
    if (address < localWindow)
      sectors.push_back(address);
  }
  std::vector<uint64_t> sectors;
};

/// A tile's pieces: where each lies in shared memory, and which of its bytes where in the tensor.
template <class Visit> void forEachPiece(const TensorMap &map, const int32_t *at, Visit visit) {
  unsigned bytes = elementBytes(map.element), count[5] = {1, 1, 1, 1, 1};
  for (unsigned dim = 0; dim != map.rank; ++dim)
    count[dim] = dim ? (map.box[dim] + map.step[dim] - 1) / map.step[dim] : map.box[0];
  uint64_t offset = 0;
  unsigned index[5] = {};
  unsigned rows = count[1] * count[2] * count[3] * count[4];
  for (unsigned row = 0; row != rows; ++row) {
    bool inside = true;
    uint64_t base = map.address;
    for (unsigned dim = 1; dim < map.rank; ++dim) {
      int64_t coordinate = int64_t(at[dim]) + int64_t(index[dim]) * map.step[dim];
      inside &= coordinate >= 0 && uint64_t(coordinate) < map.size[dim];
      base += static_cast<uint64_t>(coordinate) * map.stride[dim - 1];
    }
    for (unsigned first = 0; first != count[0] * bytes; first += piece, offset += piece) {
      int64_t begin = int64_t(at[0]) * bytes + first, end = begin + piece,
              limit = static_cast<int64_t>(map.size[0]) * bytes;
      int64_t low = inside ? std::clamp<int64_t>(0, begin, end) : end,
              high = inside ? std::clamp<int64_t>(limit, low, end) : end;
      visit(offset, static_cast<unsigned>(low - begin), static_cast<unsigned>(high - low),
            base + static_cast<uint64_t>(low));
    }
    for (unsigned dim = 1; dim != 5 && ++index[dim] == count[dim]; ++dim)
      index[dim] = 0;
  }
}

uint64_t swizzled(uint64_t address, TensorMap::Swizzle swizzle) {
  uint64_t bits = (1u << static_cast<unsigned>(swizzle)) - 1;
  return address ^ (((address >> 7) & bits) << 4);
}
} // namespace

/// The agent that completes on `barrier`, at a new time.
static unsigned startAgent(Warp &warp, Mbarrier &barrier) {
  if (!barrier.agent)
    barrier.agent = warp.cta.clocks.addBarrierAgent();
  warp.cta.clocks.advance(*barrier.agent);
  return *barrier.agent;
}
static unsigned readAgentOf(const Warp &warp) { return bulkReadAgents + warp.index % 4; }
static unsigned writeAgentOf(const Warp &warp) { return bulkWriteAgents + warp.index % 4; }

static void completeOn(Warp &warp, Mbarrier &barrier, unsigned agent, uint64_t bytes) {
  warp.cta.clocks.arriveAgent(barrier.arrivals, agent);
  barrier.transactions -= static_cast<int64_t>(bytes);
  warp.cta.checkPhase(barrier);
}
static void addStore(Warp &warp, const Instruction &instruction, unsigned lane) {
  ClockSet &clocks = warp.cta.clocks;
  warp.bulkStores.push_back({lane, uncommitted, clocks.advance(readAgentOf(warp)),
                             clocks.advance(writeAgentOf(warp)), false, &instruction});
}

static void checkMulticast(BulkCopy &copy, uint32_t slot) {
  copy.warp.requireDefined(copy.instruction, slot, 1u << copy.lane, "is the CTAs of a copy");
  uint32_t ctas = copy.warp.slot(slot)[copy.lane] & 0xffff;
  if (ctas != 1)
    copy.report(Check::Bounds, ctas, "a copy to other CTAs than the one of its cluster");
}

/// Operands: destination, source, bytes, [mbarrier], [CTAs], [policy].
static void copyBulk(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t to[warpSize], from[warpSize], barriers[warpSize];
  bool store = instruction.option & storeBit;
  computeAddress(warp, instruction, 0, mask, to);
  computeAddress(warp, instruction, 1, mask, from);
  if (!store)
    computeAddress(warp, instruction, 2, mask, barriers);
  warp.requireDefined(instruction, instruction.operands[2], mask, "is the size of a copy");
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint32_t bytes = warp.slot(instruction.operands[2])[lane];
    BulkCopy copy(warp, instruction, lane);
    if (!copy.checkAlignment(to[lane], piece, "the destination") ||
        !copy.checkAlignment(from[lane], piece, "the source") ||
        !copy.checkAlignment(bytes, piece, "the size"))
      continue;
    if (instruction.option & multicastBit)
      checkMulticast(copy, instruction.operands[4]);
    Mbarrier *barrier = store ? nullptr : findMbarrier(warp, instruction, lane, barriers[lane]);
    if (!store && !barrier)
      continue;
    unsigned reader = readAgentOf(warp),
             writer = store ? writeAgentOf(warp) : startAgent(warp, *barrier);
    warp.cta.clocks.advance(reader);
    if (store)
      warp.cta.clocks.advance(writer);
    for (uint32_t done = 0; done != bytes; done += piece) {
      uint8_t data[piece], states[piece];
      if (!copy.read(from[lane] + done, piece, data, states, reader) ||
          !copy.write(to[lane] + done, piece, data, states, writer))
        break;
    }
    if (store) {
      addStore(warp, instruction, lane);
      continue;
    }
    if (instruction.option & fromSharedBit)
      warp.cta.clocks.arriveAgent(barrier->arrivals, reader);
    completeOn(warp, *barrier, writer, bytes);
  }
}

/// The tensor map at a generic address; nothing, and a finding, where there is none.
static std::optional<TensorMap> readMap(BulkCopy &copy, uint64_t address, unsigned rank) {
  Location location;
  if (!copy.checkAlignment(address, 64, "the tensor map") ||
      !locateUnaligned(copy.warp, copy.instruction, copy.lane, address, 128, AccessKind::Read,
                       location))
    return std::nullopt;
  auto map = decodeTensorMap(location.data);
  if (map && map->rank == rank)
    return map;
  copy.report(Check::Uninitialised, address,
              map ? llvm::Twine("the tensor map has ") + llvm::Twine(map->rank) + " dimensions"
                  : llvm::Twine("no tensor map is here"));
  return std::nullopt;
}

/// A load's operands: destination, map, coordinates, mbarrier, [CTAs], [policy]. A store's: map,
/// coordinates, source, [policy].
static void copyTensor(Warp &warp, const Instruction &instruction, uint32_t mask) {
  bool store = instruction.option & storeBit;
  unsigned rank = instruction.elements, mapIndex = store ? 0 : 1;
  uint64_t shared[warpSize], maps[warpSize], barriers[warpSize];
  computeAddress(warp, instruction, store ? 1 : 0, mask, shared);
  computeAddress(warp, instruction, mapIndex, mask, maps);
  if (!store)
    computeAddress(warp, instruction, 2, mask, barriers);
  unsigned firstCoordinate = instruction.addresses[mapIndex].operand + 1;
  for (unsigned dim = 0; dim != rank; ++dim)
    warp.requireDefined(instruction, instruction.operands[firstCoordinate + dim], mask,
                        "is a coordinate of a tensor");
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    BulkCopy copy(warp, instruction, lane);
    auto map = readMap(copy, maps[lane], rank);
    if (!map || !copy.checkAlignment(shared[lane], 128, "the address in shared memory"))
      continue;
    if (instruction.option & multicastBit)
      checkMulticast(copy, instruction.operands[instruction.addresses[2].operand + 1]);
    Mbarrier *barrier = store ? nullptr : findMbarrier(warp, instruction, lane, barriers[lane]);
    if (!store && !barrier)
      continue;
    unsigned reader = readAgentOf(warp),
             writer = store ? writeAgentOf(warp) : startAgent(warp, *barrier);
    warp.cta.clocks.advance(reader);
    if (store)
      warp.cta.clocks.advance(writer);
    int32_t at[5] = {};
    for (unsigned dim = 0; dim != rank; ++dim)
      at[dim] = static_cast<int32_t>(warp.slot(instruction.operands[firstCoordinate + dim])[lane]);
    uint64_t bytes = 0;
    bool good = true;
    forEachPiece(*map, at, [&](uint64_t offset, unsigned low, unsigned count, uint64_t global) {
      bytes += piece;
      if (!good)
        return;
      uint8_t data[piece] = {}, states[piece];
      std::memset(states, static_cast<int>(ByteState::Defined), piece);
      uint64_t place = swizzled(shared[lane] + offset, map->swizzle);
      if (store)
        good = copy.read(place, piece, data, states, reader) &&
               (!count || copy.write(global, count, data + low, states + low, writer));
      else
        good = (!count || copy.read(global, count, data + low, states + low, std::nullopt)) &&
               copy.write(place, piece, data, states, writer);
    });
    if (store)
      addStore(warp, instruction, lane);
    else
      completeOn(warp, *barrier, writer, bytes);
  }
}

static void commitGroup(Warp &warp, const Instruction &, uint32_t mask) {
  for (Warp::BulkStore &store : warp.bulkStores)
    if (store.group == uncommitted && ((mask >> store.lane) & 1))
      store.group = warp.committedBulkGroups[store.lane];
  for (unsigned lane = 0; lane != warpSize; ++lane)
    warp.committedBulkGroups[lane] += (mask >> lane) & 1;
}

/// option: only until their sources have been read.
static void waitGroup(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t pending = static_cast<uint32_t>(instruction.immediate);
  auto isDone = [&](Warp::BulkStore &store) {
    if (!((mask >> store.lane) & 1) || store.group == uncommitted ||
        store.group + pending >= warp.committedBulkGroups[store.lane])
      return false;
    warp.cta.clocks.learn(warp.index, readAgentOf(warp), store.readTime);
    store.wasRead = true;
    if (instruction.option)
      return false;
    warp.cta.clocks.learn(warp.index, writeAgentOf(warp), store.writeTime);
    return true;
  };
  llvm::erase_if(warp.bulkStores, isDone);
}

static void prefetch(Warp &warp, const Instruction &instruction, uint32_t mask) {
  uint64_t addresses[warpSize];
  computeAddress(warp, instruction, 0, mask, addresses);
}

static void bindCopy(Match &match) {
  bool store = match.has(".bulk_group");
  match.instruction->option =
      (store ? storeBit : 0) | (match.has(".multicast::cluster") ? multicastBit : 0) |
      (match.modifiers.size() > 3 && match.modifiers[3] == ".shared::cta" && !store ? fromSharedBit
                                                                                    : 0);
  match.set(match.has(".tensor") ? copyTensor : copyBulk);
}

#define BULK "Asynchronous Copy: cp.async.bulk"
#define TENSOR "Asynchronous Copy: cp.async.bulk.tensor"
#define MBAR ".mbarrier::complete_tx::bytes"
#define DIMS ".1d|.2d|.3d|.4d|.5d"
#define HINT "?.L2::cache_hint"
llvm::ArrayRef<Form> ptq::emulator::bulkForms() {
  static const Form forms[] = {
      {"cp .async .bulk .shared::cluster|.shared::cta .global " MBAR " " HINT,
       "at:shared at:global size16 at:shared ?hint", BULK, bindCopy},
      {"cp .async .bulk .shared::cluster .global " MBAR " .multicast::cluster " HINT,
       "at:shared at:global size16 at:shared b16 ?hint", BULK, bindCopy},
      {"cp .async .bulk .shared::cluster .shared::cta " MBAR,
       "at:shared at:shared size16 at:shared", BULK, bindCopy},
      {"cp .async .bulk .global .shared::cta .bulk_group " HINT, "at:global at:shared size16 ?hint",
       BULK, bindCopy},
      {"cp .async .bulk .tensor " DIMS " .shared::cluster|.shared::cta .global ?.tile " MBAR
       " " HINT,
       "at:shared at:tensor at:shared ?hint", TENSOR, bindCopy},
      {"cp .async .bulk .tensor " DIMS " .shared::cluster .global ?.tile " MBAR
       " .multicast::cluster " HINT,
       "at:shared at:tensor at:shared b16 ?hint", TENSOR, bindCopy},
      {"cp .async .bulk .tensor " DIMS " .global .shared::cta ?.tile .bulk_group " HINT,
       "at:tensor at:shared ?hint", TENSOR, bindCopy},
      {"cp .async .bulk .prefetch .L2 .global " HINT, "at:global size16 ?hint",
       "Asynchronous Copy: cp.async.bulk.prefetch", [](Match &m) { m.set(prefetch); }},
      {"cp .async .bulk .prefetch .tensor " DIMS " .L2 .global ?.tile " HINT, "at:tensor ?hint",
       "Asynchronous Copy: cp.async.bulk.prefetch.tensor", [](Match &m) { m.set(prefetch); }},
      {"cp .async .bulk .commit_group", "", "Asynchronous Copy: cp.async.bulk.commit_group",
       [](Match &m) { m.set(commitGroup); }},
      {"cp .async .bulk .wait_group ?.read", "imm", "Asynchronous Copy: cp.async.bulk.wait_group",
       [](Match &m) {
         m.instruction->option = m.has(".read");
         m.set(waitGroup);
       }},
  };
  return forms;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Access.h"
#include "OperandDecoder.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace ptq::emulator;

static void compute(Warp &warp, const Instruction &instruction, uint32_t slot, uint64_t offset,
                    bool wide, Space space, uint32_t mask, uint64_t *addresses) {
  warp.requireDefined(instruction, slot, mask, "is used as an address");
  if (wide) {
    const uint64_t *base = warp.wideSlot(slot);
    for (unsigned lane = 0; lane != warpSize; ++lane)
      addresses[lane] = base[lane] + offset;
  } else {
    const uint32_t *base = warp.slot(slot);
    for (unsigned lane = 0; lane != warpSize; ++lane)
      addresses[lane] = static_cast<uint32_t>(base[lane] + offset);
  }
  uint64_t window = space == Space::Shared  ? sharedWindow
                    : space == Space::Local ? localWindow
                    : space == Space::Param ? parameterWindow
                                            : 0;
  if (window)
    for (unsigned lane = 0; lane != warpSize; ++lane)
      addresses[lane] += window;
}

void ptq::emulator::computeAddresses(Warp &warp, const Instruction &instruction,
                                     unsigned addressOperand, uint32_t mask, uint64_t *addresses) {
  compute(warp, instruction, instruction.operands[addressOperand],
          static_cast<uint64_t>(instruction.immediate), instruction.wideAddress, instruction.space,
          mask, addresses);
}

void ptq::emulator::computeAddress(Warp &warp, const Instruction &instruction, unsigned which,
                                   uint32_t mask, uint64_t *addresses) {
  const auto &address = instruction.addresses[which];
  compute(warp, instruction, instruction.operands[address.operand],
          static_cast<uint64_t>(address.offset), address.wide, address.space, mask, addresses);
}

static bool inWindow(uint64_t address, uint64_t window) { return address - window < windowBytes; }

uint64_t ptq::emulator::addressInSpace(uint64_t address) {
  for (uint64_t window : {sharedWindow, localWindow, parameterWindow})
    if (inWindow(address, window))
      return address - window;
  return address;
}

static const char *accessName(AccessKind kind) {
  return kind == AccessKind::Read ? "read" : kind == AccessKind::Write ? "write" : "atomic access";
}

bool ptq::emulator::locate(Warp &warp, const Instruction &instruction, unsigned lane,
                           uint64_t address, unsigned bytes, AccessKind kind, Location &location) {
  if (__builtin_expect(address & (bytes - 1), 0))
    warp.report(Check::Misalignment, instruction, 1u << lane, addressInSpace(address),
                llvm::Twine(accessName(kind)) + " of " + llvm::Twine(bytes) +
                    " bytes at an address that is no multiple of it");
  return locateUnaligned(warp, instruction, lane, address, bytes, kind, location);
}

bool ptq::emulator::locateUnaligned(Warp &warp, const Instruction &instruction, unsigned lane,
                                    uint64_t address, unsigned bytes, AccessKind kind,
                                    Location &location) {
  Cta &cta = warp.cta;
  auto outside = [&](const llvm::Twine &where) {
    warp.report(Check::Bounds, instruction, 1u << lane, addressInSpace(address),
                llvm::Twine(accessName(kind)) + " of " + llvm::Twine(bytes) + " bytes " + where);
    return false;
  };
  location.readOnly = false;
  if (inWindow(address, sharedWindow) && instruction.space != Space::Global) {
    uint64_t offset = address - sharedWindow, size = cta.machine.sharedBytes();
    location.space = Space::Shared;
    if (offset + bytes > size)
      return outside("outside the " + llvm::Twine(size) + " bytes of shared memory");
    location.data = cta.shared.data() + offset;
    location.state = cta.sharedState.data() + offset;
    location.cells = cta.sharedCells.empty() ? nullptr : cta.sharedCells.data() + offset / 4;
    for (unsigned index = 0; index != bytes; ++index)
      if (location.state[index] == static_cast<uint8_t>(ByteState::Unallocated))
        return outside("outside every variable in shared memory");
    return true;
  }
  if (inWindow(address, localWindow) && instruction.space != Space::Global) {
    uint64_t offset = address - localWindow;
    location.space = Space::Local;
    if (offset + bytes > warp.localBytes || offset < 16)
      return outside("outside local memory");
    location.data = warp.localData.data() + size_t(lane) * warp.localBytes + offset;
    location.state = warp.localState.data() + size_t(lane) * warp.localBytes + offset;
    location.cells = nullptr;
    return true;
  }
  if (inWindow(address, parameterWindow) && instruction.space != Space::Global) {
    uint64_t offset = address - parameterWindow;
    llvm::ArrayRef<uint8_t> parameters = cta.machine.parameters;
    location.space = Space::Param;
    if (offset + bytes > parameters.size())
      return outside("outside the kernel's parameters");
    if (kind != AccessKind::Read)
      return outside("to the kernel's parameters, which are constant");
    location.data = const_cast<uint8_t *>(parameters.data()) + offset;
    location.state = nullptr;
    location.cells = nullptr;
    return true;
  }
  const Buffer *buffer = cta.machine.memory.find(address);
  location.space = Space::Global;
  if (!buffer || !buffer->contains(address, bytes)) {
    if (!buffer)
      return outside("outside every buffer");
    int64_t offset = static_cast<int64_t>(address - buffer->base);
    return outside("at offset " + llvm::Twine(offset) + " of a buffer of " +
                   llvm::Twine(buffer->size) + " bytes");
  }
  if (buffer->readOnly && kind != AccessKind::Read)
    return outside("to constant memory");
  uint64_t offset = address - buffer->base;
  location.data = buffer->data.get() + offset;
  location.state = buffer->state ? buffer->state.get() + offset : nullptr;
  location.cells = buffer->cells ? buffer->cells.get() + offset / 4 : nullptr;
  return true;
}

void ptq::emulator::reportRace(const DeferredRace &deferred) {
  Warp &warp = *deferred.warp;
  const Instruction &instruction = *deferred.instruction;
  const RaceResult &race = deferred.race;
  unsigned lane = deferred.lane;
  uint64_t address = deferred.address;
  AccessKind kind = deferred.kind;
  const Instruction &other = warp.cta.machine.instructionAt(race.site);
  if (race.unfenced)
    return warp.report(Check::Races, instruction, 1u << lane, addressInSpace(address),
                       "read through the async proxy of what line " + llvm::Twine(other.line) +
                           " wrote through the generic one: no fence.proxy.async is between them");
  std::string where = race.withAgent && race.cta == warp.cta.index ? "an asynchronous operation"
                      : race.cta == warp.cta.index
                          ? "another warp"
                          : "another CTA (number " + std::to_string(race.cta) + ")";
  warp.report(Check::Races, instruction, 1u << lane, addressInSpace(address),
              llvm::Twine(accessName(kind)) + " that nothing orders after the " +
                  (race.withWrite ? "write" : "read") + " by " + where + " at line " +
                  llvm::Twine(other.line));
}

/// A race that was found: a finding now, or once a value is used that it makes undefined.
static void handleRace(DeferredRace found) {
  Cta &cta = found.warp->cta;
  bool isDeferred = false;
  if (found.race.withWrite) {
    isDeferred = found.kind == AccessKind::Read && found.instruction->isDeferred() &&
                 !found.race.unfenced && found.warp->defer(found);
  } else if (found.race.deferred) {
    isDeferred = true;
    for (uint64_t readers = found.race.readers; readers; readers &= readers - 1)
      isDeferred &= cta.warps[__builtin_ctzll(readers)]->defer(found);
  }
  if (!isDeferred)
    reportRace(found);
}

/// A strong read of what another warp has written with a strong access.
static void observe(std::vector<Observer> &observers, const RaceAccess &access) {
  for (const Observer &known : observers)
    if (known.cta == access.cta && known.warp == access.warp)
      return;
  observers.push_back({access.cta, access.warp, access.clocks.timeOf(access.warp)});
}
static bool isAfterObserver(llvm::ArrayRef<Observer> observers, const RaceAccess &access) {
  return llvm::any_of(observers, [&](const Observer &known) {
    return access.clocks.happensBefore(known.cta, known.warp, known.time, access.warp);
  });
}

void ptq::emulator::checkRace(Warp &warp, const Instruction &instruction, unsigned lane,
                              uint64_t address, unsigned bytes, AccessKind kind,
                              const Location &location, const uint8_t *value,
                              std::optional<unsigned> agent) {
  if (!location.cells)
    return;
  Cta &cta = warp.cta;
  RaceAccess access{cta.clocks,
                    static_cast<uint32_t>(cta.index),
                    warp.index,
                    instruction.id,
                    kind == AccessKind::Atomic || instruction.ordering != Ordering::Weak,
                    !cta.machine.program.synchronizesAcrossCtas,
                    agent,
                    instruction.isDeferred()};
  bool global = location.space == Space::Global;
  ShadowLocks::Guard guard(global ? cta.machine.shadowLocks() : nullptr, address);
  // Where CTAs run on several host threads, they do not synchronise.
  Observers *observers = !global                                      ? &cta.observers
                         : cta.machine.program.synchronizesAcrossCtas ? &cta.machine.observers
                                                                      : nullptr;
  unsigned first = address & 3;
  unsigned words = (first + bytes + 3) / 4;
  for (unsigned word = 0; word != words; ++word) {
    unsigned begin = word ? 0 : first;
    unsigned end = std::min(4u, first + bytes - word * 4);
    uint8_t which = ((1u << end) - 1) & ~((1u << begin) - 1);
    RaceResult race;
    const ShadowCell &cell = location.cells[word];
    if (access.strong && kind == AccessKind::Read && observers && cell.strongWrite &&
        (cell.writer != access.cta + 1 || cell.writerWarp != warp.index))
      observe((*observers)[(address & ~uint64_t(3)) + word * 4], access);
    if (kind == AccessKind::Read) {
      race = checkRead(location.cells[word], access, which);
    } else {
      unsigned offset = word * 4 + begin - first;
      bool same =
          value && std::memcmp(location.data + offset, value + offset, end - begin) == 0 &&
          (!location.state || location.state[offset] == static_cast<uint8_t>(ByteState::Defined));
      race = checkWrite(location.cells[word], access, which, same);
    }
    if (observers && !observers->empty() && (race.found || kind != AccessKind::Read)) {
      auto known = observers->find((address & ~uint64_t(3)) + word * 4);
      if (known != observers->end()) {
        if (race.withStrongWrite && isAfterObserver(known->second, access))
          race.found = false;
        if (kind != AccessKind::Read)
          observers->erase(known);
      }
    }
    if (__builtin_expect(race.found, 0))
      handleRace({race.withWrite ? &instruction : &cta.machine.instructionAt(race.site),
                  race.withWrite ? cta.clocks.timeOf(warp.index) : race.readTime, &warp,
                  &instruction, lane, address, kind, race});
  }
}

static void reportPending(Warp &warp, const Instruction &instruction, unsigned lane,
                          uint64_t address, const char *what) {
  warp.report(Check::Races, instruction, 1u << lane, addressInSpace(address),
              llvm::Twine(what) + " of the destination of a cp.async that has not been waited for");
}

static void reportBarrier(Warp &warp, const Instruction &instruction, unsigned lane,
                          uint64_t address, const char *what) {
  warp.report(Check::Races, instruction, 1u << lane, addressInSpace(address),
              llvm::Twine(what) + " of an mbarrier object, which only mbarrier's operations may");
}

bool ptq::emulator::readBytes(Warp &warp, const Instruction &instruction, unsigned lane,
                              uint64_t address, const Location &location, unsigned bytes,
                              uint8_t *result) {
  std::memcpy(result, location.data, bytes);
  if (!location.state)
    return true;
  bool defined = true;
  for (unsigned index = 0; index != bytes; ++index) {
    if (__builtin_expect(location.state[index] == static_cast<uint8_t>(ByteState::Defined), 1))
      continue;
    if (location.state[index] == static_cast<uint8_t>(ByteState::Pending)) {
      reportPending(warp, instruction, lane, address, "read");
      return true;
    }
    if (location.state[index] == static_cast<uint8_t>(ByteState::Barrier)) {
      reportBarrier(warp, instruction, lane, address, "read");
      return true;
    }
    defined = false;
  }
  return defined;
}

void ptq::emulator::writeBytes(Warp &warp, const Instruction &instruction, unsigned lane,
                               uint64_t address, const Location &location, unsigned bytes,
                               const uint8_t *value, bool defined) {
  std::memcpy(location.data, value, bytes);
  if (!location.state)
    return;
  for (unsigned index = 0; index != bytes; ++index)
    if (location.state[index] == static_cast<uint8_t>(ByteState::Pending)) {
      reportPending(warp, instruction, lane, address, "write");
      break;
    } else if (location.state[index] == static_cast<uint8_t>(ByteState::Barrier)) {
      reportBarrier(warp, instruction, lane, address, "write");
      break;
    }
  std::memset(location.state, static_cast<int>(defined ? ByteState::Defined : ByteState::Undefined),
              bytes);
}

const uint8_t *ptq::emulator::readShared(Warp &warp, const Instruction &instruction,
                                         uint64_t address, unsigned bytes) {
  Cta &cta = warp.cta;
  uint64_t offset = address - sharedWindow;
  if (((offset & (bytes - 1)) != 0) | (offset + bytes > cta.machine.sharedBytes()))
    return nullptr;
  const uint8_t *state = cta.sharedState.data() + offset;
  uint32_t me = static_cast<uint32_t>(cta.index) + 1, bit = 1u << warp.index;
  uint32_t time = cta.clocks.timeOf(warp.index), known = cta.clocks.knownTime(warp.index);
  ShadowCell *cells = cta.sharedCells.empty() ? nullptr : cta.sharedCells.data() + offset / 4;
  // All words are looked at before any is changed: the other way starts from the beginning.
  for (unsigned word = 0; word != bytes / 4; ++word) {
    uint32_t states;
    std::memcpy(&states, state + 4 * word, 4);
    if (states != 0x01010101)
      return nullptr;
    if (!cells)
      continue;
    const ShadowCell &cell = cells[word];
    bool ordered = cell.writer == 0 || cell.writerWarp == warp.index || cell.writeTime < known;
    bool joins = cell.readTime == time && cell.readBytes == 15 && cell.readers;
    if (!ordered || !(joins || cell.readers == 0 || cell.readTime < known))
      return nullptr;
  }
  for (unsigned word = 0; cells && word != bytes / 4; ++word) {
    ShadowCell &cell = cells[word];
    if (cell.readTime == time && cell.readers) {
      cell.readers |= bit;
      cell.deferred &= cell.readSite == instruction.id;
      continue;
    }
    cell.reader = me;
    cell.readers = bit;
    cell.readBytes = 15;
    cell.readTime = time;
    cell.readSite = instruction.id;
    cell.deferred = instruction.isDeferred();
  }
  return cta.shared.data() + offset;
}

bool ptq::emulator::writeShared(Warp &warp, const Instruction &instruction, uint64_t address,
                                unsigned bytes, const uint8_t *value) {
  Cta &cta = warp.cta;
  uint64_t offset = address - sharedWindow;
  if (((offset & (bytes - 1)) != 0) | (offset + bytes > cta.machine.sharedBytes()))
    return false;
  uint8_t *state = cta.sharedState.data() + offset;
  uint32_t bit = 1u << warp.index;
  uint32_t time = cta.clocks.timeOf(warp.index), known = cta.clocks.knownTime(warp.index);
  ShadowCell *cells = cta.sharedCells.empty() ? nullptr : cta.sharedCells.data() + offset / 4;
  for (unsigned word = 0; word != bytes / 4; ++word) {
    uint32_t states;
    std::memcpy(&states, state + 4 * word, 4);
    if (states & 0xfefefefe)
      return false;
    if (!cells)
      continue;
    const ShadowCell &cell = cells[word];
    bool ordered = cell.writer == 0 || cell.writerWarp == warp.index || cell.writeTime < known;
    if (!ordered || !(cell.readers == 0 || cell.readers == bit || cell.readTime < known))
      return false;
  }
  for (unsigned word = 0; cells && word != bytes / 4; ++word) {
    ShadowCell &cell = cells[word];
    cell.writer = static_cast<uint32_t>(cta.index) + 1;
    cell.writerWarp = warp.index;
    cell.writeBytes = 15;
    cell.writeTime = time;
    cell.writeSite = instruction.id;
    cell.strongWrite = 0;
    cell.readers = 0;
  }
  std::memcpy(cta.shared.data() + offset, value, bytes);
  std::memset(state, static_cast<int>(ByteState::Defined), bytes);
  return true;
}

void ptq::emulator::countRequest(Warp &warp, const Instruction &instruction,
                                 const uint64_t *addresses, uint32_t mask, unsigned bytes) {
  if (!mask)
    return;
  uint64_t first = addresses[__builtin_ctz(mask)];
  auto &counters = warp.cta.tally.memory[instruction.id];
  if (inWindow(first, sharedWindow))
    countShared(counters.shared, addresses, mask, bytes);
  else if (!inWindow(first, localWindow) && !inWindow(first, parameterWindow))
    countGlobal(counters.global, addresses, mask, bytes);
}

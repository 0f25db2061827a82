// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A warp: 32 lanes that execute one instruction together.
//
// Registers are slots of 32 × 32 bits; a 64-bit register is two slots that hold 32 × 64 bits. A
// value of 16 bits lies in the low half of its lane, the high half zero. A predicate is the first
// word of its slot, a bit a lane.
//
// Undefined values. Every slot has a mask of the lanes whose value is undefined: never written, or
// read from memory that was not; where only some of its bits are, a second table says which. It
// follows the data through instructions, and is a finding once it
// matters: in an address, a branch or a guard, an atomic, or what is stored to global memory. The
// finding is at the instruction where the undefined value came from.
//
#ifndef PTQ_LIB_EMULATOR_WARP_H
#define PTQ_LIB_EMULATOR_WARP_H

#include "Program.h"
#include "Race.h"
#include "ptq/Emulator/Report.h"

#include <memory>
#include <vector>

namespace ptq::emulator {

class Cta;
class Machine;

constexpr unsigned warpSize = 32;
constexpr uint32_t allLanes = ~0u;

struct AlignedDeleter {
  void operator()(void *memory) const { std::free(memory); }
};

/// Divergent paths of a frame: lanes of `mask` go on at `pc` until they get to `reconvergence`.
struct Path {
  uint32_t mask, pc, reconvergence;
  /// They wait at `pc`, which others of the warp have to execute with them, for those to arrive.
  bool parked = false;
};

/// An invocation of a function.
struct Frame {
  Frame(const Code &code, uint32_t localBase);

  const Code *code;
  std::unique_ptr<uint32_t, AlignedDeleter> registers;
  std::vector<uint32_t> undefined;
  /// Which bits of an undefined lane are, slot by slot and lane by lane; 0 for all. Empty until a
  /// value is undefined in part.
  std::vector<uint64_t> undefinedBits;
  /// Where an undefined value came from, if it was not simply never written.
  std::vector<const Instruction *> origins;
  std::vector<Path> paths;
  /// Where its variables begin in each lane's local memory.
  uint32_t localBase;
  /// Of each lane, the end of what alloca gave it; empty until there is some.
  std::vector<uint32_t> stackTops;
  /// Of registers, slot by slot: what wgmma does with them. Empty until there is one.
  std::vector<uint8_t> matrixStates;
  /// The call that made it, of the frame below.
  const Call *call = nullptr;
};

/// A cp.async under way (PTX ISA, asynchronous copy).
struct PendingCopy {
  uint32_t destination, bytes;
  uint32_t lane, group;
  const Instruction *instruction;
  alignas(16) uint8_t data[16];
};

/// A value that a load has left for other blocks. Times are of the CTA's clock.
struct LoadedValue {
  uint32_t time = 0;
  /// When the newest of them that was used had been loaded.
  uint32_t usedTime = 0;
  bool isLive = false;
};

/// A race of a load with a write that is a finding once the loaded value is used.
struct DeferredRace {
  const Instruction *load;
  uint32_t time;
  /// The second of the two accesses, and the first.
  Warp *warp;
  const Instruction *instruction;
  unsigned lane;
  uint64_t address;
  AccessKind kind;
  RaceResult race;
};

class Warp {
public:
  enum class Status : uint8_t { Ready, AtBarrier, Exited };

  Warp(Cta &cta, unsigned index, unsigned lanes);

  /// Executes up to `budget` instructions; fewer if it has to wait or has exited.
  /// Returns how many were executed.
  uint64_t run(uint64_t budget);
  /// Leaves run() after this instruction.
  void stop() { remaining = 0; }
  /// It waits for what has not happened yet: others have their turn. If nothing happens that it
  /// may wait for, that is a deadlock, and `reason` says what it waits for.
  void stall(const Instruction &instruction, uint64_t address, const char *reason) {
    stalled = {&instruction, address, reason};
    stop();
  }
  /// As stall(), and executes the instruction again in the next turn.
  void retry(const Instruction &instruction, const char *reason) {
    --pc;
    stall(instruction, 0, reason);
  }

  // Registers.
  uint32_t *slot(uint32_t index) { return registers + size_t(index) * warpSize; }
  uint64_t *wideSlot(uint32_t index) { return reinterpret_cast<uint64_t *>(slot(index)); }
  uint32_t predicate(uint32_t index) { return registers[size_t(index) * warpSize]; }
  void setPredicate(uint32_t index, uint32_t value, uint32_t mask) {
    uint32_t &old = registers[size_t(index) * warpSize];
    old = (old & ~mask) | (value & mask);
  }

  // Undefined values.
  uint32_t undefinedLanes(uint32_t index) const { return undefined[index]; }
  void define(uint32_t index, uint32_t mask) { undefined[index] &= ~mask; }
  /// A result of `lanes` that is undefined, because of operand `source`, or of itself.
  void taint(uint32_t index, uint32_t lanes, const Instruction &instruction, int source = -1);
  /// The bits of a lane that are undefined.
  uint64_t undefinedBits(uint32_t index, unsigned lane) const {
    if (!((undefined[index] >> lane) & 1))
      return 0;
    const auto &bits = frames.back()->undefinedBits;
    uint64_t some = bits.empty() ? 0 : bits[size_t(index) * warpSize + lane];
    return some ? some : ~uint64_t(0);
  }
  /// Makes just `bits` of a lane undefined, or defines it if there are none.
  void setUndefinedBits(uint32_t index, unsigned lane, uint64_t bits,
                        const Instruction &instruction, int source = -1);
  /// The usual rule: a lane of the first result is undefined if it is in any of the next `count`
  /// operands.
  template <unsigned Count> void flow(const Instruction &instruction, uint32_t mask) {
    uint32_t bad = 0;
    for (unsigned index = 0; index != Count; ++index)
      bad |= undefined[instruction.operands[1 + index]];
    if (__builtin_expect(bad & mask, 0))
      return flowSlow(instruction, mask, 1, Count);
    undefined[instruction.operands[0]] &= ~mask;
  }
  void flowSlow(const Instruction &instruction, uint32_t mask, unsigned results, unsigned count);
  /// Makes it a finding if lanes of `mask` of operand `operand` are undefined.
  void requireDefined(const Instruction &instruction, uint32_t slot, uint32_t mask,
                      const char *use) {
    if (__builtin_expect(undefined[slot] & mask, 0))
      reportUndefined(instruction, slot, mask, use);
  }

  // Control flow.
  uint32_t activeLanes() const { return active; }
  uint32_t liveLanes() const { return live; }
  Frame &frame() { return *frames.back(); }
  size_t depth() const { return frames.size(); }
  void enterBlock(const Instruction &instruction);
  void branch(const Instruction &instruction, uint32_t taken);
  /// Each lane of `mask` goes to its own target.
  void branchTable(const Instruction &instruction, uint32_t mask, const uint32_t *targets);
  void call(const Instruction &instruction, const Call &call, uint32_t mask);
  /// Lanes `first` execute an instruction that ends a block, then `rest` do so again.
  void split(const Instruction &instruction, uint32_t first, uint32_t rest);
  void leave(const Instruction &instruction, uint32_t mask);
  void exit(uint32_t mask);
  /// The active lanes are at an instruction that lanes `absent` have to execute with them. If some
  /// of those may still arrive, these wait for them, and join them once they are here: the
  /// instruction is executed again later. False if none can come.
  [[nodiscard]] bool gather(uint32_t absent);

  // Loads whose values are used in other blocks, if they are: LoadedValues.cpp.
  void noteLoad(const Instruction &instruction);
  void noteValues(const BasicBlock &block);
  /// The race is a finding if the loaded value is used. False if it was already.
  [[nodiscard]] bool defer(const DeferredRace &race);

  /// A finding for the lowest lane of `mask`.
  void report(Check check, const Instruction &instruction, uint32_t mask, uint64_t address,
              const llvm::Twine &message);

  Cta &cta;
  const unsigned index;
  Status status = Status::Ready;
  /// The instruction that it waits at.
  const Instruction *waiting = nullptr;
  struct Stall {
    const Instruction *instruction = nullptr;
    uint64_t address = 0;
    const char *reason = nullptr;
  } stalled;
  /// The phase of barrier.cluster that it has arrived for, plus 1.
  uint64_t clusterPhase = 0;
  /// Of add.cc, sub.cc and the like.
  uint32_t carry = 0;

  // cp.async: copies not yet waited for, and groups committed so far, per lane.
  std::vector<PendingCopy> copies;
  uint32_t committedGroups[warpSize] = {};
  /// Agents that they were handed over to, and times when these had completed them.
  std::vector<std::pair<unsigned, uint32_t>> handedOver;

  /// wgmma operations that have not been waited for; `group` is ~0 until it is committed. The times
  /// of the agent at the end of each group.
  struct MatrixOp {
    const Instruction *instruction;
    Frame *frame;
    uint32_t group;
  };
  std::vector<MatrixOp> matrixOps;
  std::vector<uint32_t> matrixGroupTimes;

  /// Bulk copies of a bulk group that have not been waited for: the times at which their agents had
  /// read and written. `group` counts from 0, or is ~0 before it is committed.
  struct BulkStore {
    uint32_t lane, group, readTime, writeTime;
    bool wasRead;
    const Instruction *instruction;
  };
  std::vector<BulkStore> bulkStores;
  uint32_t committedBulkGroups[warpSize] = {};

  /// Local memory, lane by lane, and which of its bytes are defined.
  std::vector<uint8_t> localData, localState;
  uint32_t localBytes = 0;
  void growLocal(uint32_t bytes);
  /// Where the memory that the function may ask for begins, and how far each lane has got.
  uint32_t stackBegin() const {
    return frames.back()->localBase + frames.back()->code->stackOffset();
  }
  std::vector<uint32_t> &stackTops();

private:
  void pushFrame(const Code &code, uint32_t mask, uint32_t localBase);
  void popFrame();
  void selectTop();
  void fillConstants(Frame &frame);
  void reportUndefined(const Instruction &instruction, uint32_t slot, uint32_t mask,
                       const char *use);

  std::vector<LoadedValue> loadedValues;
  std::vector<DeferredRace> deferredRaces;

  uint32_t *registers = nullptr;
  uint32_t *undefined = nullptr;
  const Instruction *instructions = nullptr;
  uint32_t pc = 0, active = 0, live = 0;
  int64_t remaining = 0;
  std::vector<std::unique_ptr<Frame>> frames;
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_WARP_H

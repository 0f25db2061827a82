// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Races of loads whose value is never used.
//
// A software pipeline loads one step ahead, and in its last step what it loads is for nobody. That
// read may well be unordered with a later write of the same memory (Marlin's reduction overwrites
// the stages of its pipeline so): the value is undefined then, and nothing comes of it, just as of
// other undefined values that do not matter. Such a race is a finding once the value is used.
//
// Most values are used in the basic block of their load, and some nowhere: those loads are left
// alone (a compiler leaves no load of the second kind: who writes it wants the access). Of the
// others, the block that is entered tells which values it uses, and which it replaces, before it
// runs.

#include "Access.h"
#include "ControlFlow.h"
#include "Machine.h"

#include "llvm/ADT/StringRef.h"

using namespace ptq::emulator;

/// In front of a load whose values other blocks use.
static void noteLoad(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.noteLoad(instruction);
  instruction.inner(warp, instruction, mask);
}

static bool isPlainLoad(const Program &program, const Instruction &instruction) {
  llvm::StringRef opcode = program.opcodes[instruction.opcode];
  return instruction.ordering == Ordering::Weak && !instruction.inner &&
         ((opcode.starts_with("ld.") && !opcode.starts_with("ld.param") &&
           instruction.space != Space::Param) ||
          opcode.starts_with("ldmatrix."));
}

namespace {
/// What a function's instructions do with slots.
class SlotUses {
public:
  explicit SlotUses(const Code &code) : code(code) {}

  template <class Visit> void uses(const Instruction &instruction, Visit visit) const {
    if (instruction.guard >= 0)
      visit(static_cast<uint32_t>(instruction.guard));
    for (unsigned index = instruction.numDestinations; index < instruction.numOperands; ++index)
      visit(instruction.operands[index]);
    if (isCall(instruction))
      usesOfCall(code.calls[instruction.index], visit);
    if (isIndirectCall(instruction))
      for (auto [address, index] : code.indirectCalls[instruction.index].targets)
        if (index != IndirectCall::mismatch)
          usesOfCall(code.calls[index], visit);
  }
  /// Slots that it gives a new value, in all lanes that execute it.
  template <class Visit> void definitions(const Instruction &instruction, Visit visit) const {
    if (instruction.guard >= 0)
      return;
    for (unsigned index = 0; index != instruction.numDestinations; ++index)
      visit(instruction.operands[index]);
  }

private:
  template <class Visit> static void usesOfCall(const Call &call, Visit visit) {
    for (const Call::Move &move : call.registerParameters)
      visit(move.from);
  }

  const Code &code;
};
} // namespace

/// Gives numbers to the values that loads leave to other blocks; by slot, which those are.
static llvm::DenseMap<uint32_t, std::vector<uint32_t>> findValues(Program &program, Code &code) {
  SlotUses slots(code);
  llvm::DenseMap<uint32_t, std::vector<uint32_t>> values;
  std::vector<bool> excluded(code.numSlots);
  for (const auto &list : code.lists)
    for (uint32_t slot : list)
      excluded[slot] = true;
  for (const BasicBlock &block : code.blocks) {
    // From the end: what happens to a slot next, if anything does.
    llvm::DenseMap<uint32_t, bool> isUsedNext;
    for (uint32_t at = block.end; at-- != block.begin;) {
      Instruction &instruction = code.instructions[at];
      bool deferred = at != block.begin && isPlainLoad(program, instruction);
      for (unsigned index = 0; deferred && index != instruction.numDestinations; ++index) {
        uint32_t slot = instruction.operands[index];
        auto next = isUsedNext.find(slot);
        deferred = !excluded[slot] && (next == isUsedNext.end() || !next->second);
      }
      instruction.firstValue = program.numLoadedValues;
      for (unsigned index = 0; deferred && index != instruction.numDestinations; ++index)
        if (!isUsedNext.count(instruction.operands[index])) {
          values[instruction.operands[index]].push_back(program.numLoadedValues++);
          ++instruction.numValues;
        }
      if (instruction.numValues) {
        instruction.inner = instruction.run;
        instruction.run = noteLoad;
      }
      slots.definitions(instruction, [&](uint32_t slot) { isUsedNext[slot] = false; });
      slots.uses(instruction, [&](uint32_t slot) { isUsedNext[slot] = true; });
    }
  }
  return values;
}

void ptq::emulator::trackLoadedValues(Program &program, Code &code) {
  auto values = findValues(program, code);
  if (values.empty())
    return;
  SlotUses slots(code);
  std::vector<bool> isUsed(program.numLoadedValues);
  for (BasicBlock &block : code.blocks) {
    std::vector<uint32_t> used, replaced;
    llvm::DenseMap<uint32_t, bool> seen; // true: replaced
    for (uint32_t at = block.begin; at != block.end; ++at) {
      const Instruction &instruction = code.instructions[at];
      slots.uses(instruction, [&](uint32_t slot) {
        auto found = values.find(slot);
        if (found != values.end() && seen.try_emplace(slot, false).second)
          used.insert(used.end(), found->second.begin(), found->second.end());
      });
      slots.definitions(instruction, [&](uint32_t slot) {
        auto found = values.find(slot);
        if (found == values.end())
          return;
        bool &isReplaced = seen[slot];
        if (!isReplaced)
          replaced.insert(replaced.end(), found->second.begin(), found->second.end());
        isReplaced = true;
      });
    }
    if (used.empty() && replaced.empty())
      continue;
    for (uint32_t value : used)
      isUsed[value] = true;
    code.instructions[block.begin].option = 1;
    block.usedValues = std::move(used);
    block.replacedValues = std::move(replaced);
  }
  for (Instruction &instruction : code.instructions) {
    if (!instruction.isDeferred())
      continue;
    bool any = false;
    for (unsigned index = 0; index != instruction.numValues; ++index)
      any |= isUsed[instruction.firstValue + index];
    if (any)
      continue;
    instruction.numValues = 0;
    instruction.run = instruction.inner;
    instruction.inner = nullptr;
  }
}

void Warp::noteLoad(const Instruction &instruction) {
  if (loadedValues.empty())
    loadedValues.resize(cta.machine.program.numLoadedValues);
  for (unsigned index = 0; index != instruction.numValues; ++index) {
    LoadedValue &value = loadedValues[instruction.firstValue + index];
    value.time = cta.clocks.timeOf(this->index);
    value.isLive = true;
  }
}

void Warp::noteValues(const BasicBlock &block) {
  if (loadedValues.empty())
    return;
  for (uint32_t index : block.usedValues) {
    LoadedValue &value = loadedValues[index];
    if (!value.isLive)
      continue;
    value.usedTime = value.time;
    auto isOfValue = [&](const DeferredRace &race) {
      return race.time == value.time && index - race.load->firstValue < race.load->numValues;
    };
    for (const DeferredRace &race : deferredRaces)
      if (isOfValue(race))
        reportRace(race);
    llvm::erase_if(deferredRaces, isOfValue);
  }
  // Lanes elsewhere may still use theirs.
  if (active == live)
    for (uint32_t index : block.replacedValues)
      loadedValues[index].isLive = false;
}

bool Warp::defer(const DeferredRace &race) {
  constexpr size_t most = 4096;
  for (unsigned index = 0; index != race.load->numValues; ++index)
    if (loadedValues[race.load->firstValue + index].usedTime == race.time)
      return false;
  if (deferredRaces.size() == most)
    return false;
  deferredRaces.push_back(race);
  return true;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ControlFlow.h"
#include "Bindings.h"

using namespace ptq::emulator;

static void enterBlock(Warp &warp, const Instruction &instruction, uint32_t) {
  warp.enterBlock(instruction);
}

static void branch(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.branch(instruction, mask);
}

static void branchTable(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const auto &table = warp.frame().code->tables[instruction.index];
  uint32_t slot = instruction.operands[0];
  warp.requireDefined(instruction, slot, mask, "chooses a branch's target");
  const uint32_t *index = warp.slot(slot);
  uint32_t targets[warpSize] = {};
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    if (index[lane] >= table.size()) {
      warp.report(Check::Bounds, instruction, 1u << lane, index[lane],
                  "brx.idx: the index is beyond the list of targets");
      targets[lane] = table.empty() ? instruction.target : table.back();
      continue;
    }
    targets[lane] = table[index[lane]];
  }
  warp.branchTable(instruction, mask, targets);
}

static void call(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.call(instruction, warp.frame().code->calls[instruction.index], mask);
}

/// Lanes that call the same function call it together, those of the lowest lane first.
static void callIndirect(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const Code &code = *warp.frame().code;
  const auto &targets = code.indirectCalls[instruction.index].targets;
  uint32_t slot = instruction.operands[0];
  warp.requireDefined(instruction, slot, mask, "is the address of a function that is called");
  auto addressOf = [&](unsigned lane) {
    return instruction.wideAddress ? warp.wideSlot(slot)[lane]
                                   : functionWindow + warp.slot(slot)[lane];
  };
  uint64_t address = addressOf(__builtin_ctz(mask));
  auto found = targets.find(address);
  if (found == targets.end() || found->second == IndirectCall::mismatch) {
    warp.report(Check::Trap, instruction, mask, address,
                found == targets.end()
                    ? "the address that is called is not one of a function that it may be"
                    : "the function that is called differs from the call's prototype");
    warp.cta.machine.abort();
    return warp.stop();
  }
  uint32_t together = 0;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1 && addressOf(lane) == address)
      together |= 1u << lane;
  if (together != mask)
    warp.split(instruction, together, mask & ~together);
  warp.call(instruction, code.calls[found->second], together);
}
static void leave(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.leave(instruction, mask);
}
static void exitLanes(Warp &warp, const Instruction &, uint32_t mask) { warp.exit(mask); }
static void trap(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.report(Check::Trap, instruction, mask, 0, "the kernel trapped");
  warp.cta.machine.abort();
  warp.stop();
}
static void nothing(Warp &, const Instruction &, uint32_t) {}

static void setRegisters(Warp &warp, const Instruction &instruction, uint32_t mask) {
  (void)checkAligned(warp, instruction, mask);
}
static void bindSetRegisters(Match &match) {
  const auto &operands = match.statement->operands;
  uint64_t count = operands.size() == 1 ? operands[0].value : 0;
  if (count >= 24 && count <= 256 && count % 8 == 0)
    match.set(setRegisters);
}

Handler ptq::emulator::enterBlockHandler() { return enterBlock; }
Handler ptq::emulator::exitHandler(bool ofKernel) { return ofKernel ? exitLanes : leave; }
Handler ptq::emulator::trapHandler() { return trap; }
Handler ptq::emulator::indirectCallHandler() { return callIndirect; }
bool ptq::emulator::isBranch(const Instruction &instruction) { return instruction.run == branch; }
bool ptq::emulator::isCall(const Instruction &instruction) { return instruction.run == call; }
bool ptq::emulator::isIndirectCall(const Instruction &instruction) {
  return instruction.run == callIndirect;
}
bool ptq::emulator::isTableBranch(const Instruction &instruction) {
  return instruction.run == branchTable;
}
bool ptq::emulator::isExit(const Instruction &instruction) {
  return instruction.run == leave || instruction.run == exitLanes || instruction.run == trap;
}

llvm::ArrayRef<Form> ptq::emulator::controlForms() {
  static const Form forms[] = {
      {"bra ?.uni", "lbl", "Control Flow: bra", [](Match &m) { m.set(branch); }},
      {"brx .idx ?.uni", "u32 lbl", "Control Flow: brx.idx", [](Match &m) { m.set(branchTable); }},
      {"call ?.uni", "?list fn ?list ?lbl", "Control Flow: call", [](Match &m) { m.set(call); }},
      {"ret ?.uni", "", "Control Flow: ret", [](Match &m) { m.set(leave); }},
      {"exit", "", "Control Flow: exit", [](Match &m) { m.set(exitLanes); }},
      {"trap", "", "Miscellaneous: trap", [](Match &m) { m.set(trap); }},
      {"brkpt", "", "Miscellaneous: brkpt", [](Match &m) { m.set(nothing); }},
      {"nanosleep .u32", "u32", "Miscellaneous: nanosleep", [](Match &m) { m.set(nothing); }},
      {"pmevent ?.mask", "imm", "Miscellaneous: pmevent", [](Match &m) { m.set(nothing); }},
      {"setmaxnreg .inc|.dec .sync .aligned .u32", "imm", "Miscellaneous: setmaxnreg",
       bindSetRegisters},
      {"griddepcontrol .launch_dependents|.wait", "", "Control Flow: griddepcontrol",
       [](Match &m) { m.set(nothing); }},
  };
  return forms;
}

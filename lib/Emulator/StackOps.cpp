// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// alloca, stacksave and stackrestore: memory that a function asks for while it runs, in each lane's
// local memory behind the function's variables (PTX ISA: Stack Manipulation Instructions).

#include "Bindings.h"
#include "Machine.h"
#include "Warp.h"

#include "llvm/Support/MathExtras.h"

using namespace ptq::emulator;

/// Local memory of a thread (PTX ISA, compute capabilities).
static constexpr uint64_t maxStackBytes = 512 << 10;

static void setAddress(Warp &warp, const Instruction &instruction, unsigned lane, uint32_t value) {
  if (instruction.elementBytes == 8)
    warp.wideSlot(instruction.operands[0])[lane] = value;
  else
    warp.slot(instruction.operands[0])[lane] = value;
}
static uint64_t valueOf(Warp &warp, const Instruction &instruction, unsigned operand,
                        unsigned lane) {
  uint32_t slot = instruction.operands[operand];
  return instruction.elementBytes == 8 ? warp.wideSlot(slot)[lane] : warp.slot(slot)[lane];
}

/// The new memory is undefined, whatever an earlier owner left there.
static void allocate(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.requireDefined(instruction, instruction.operands[1], mask, "is a size of memory");
  auto &tops = warp.stackTops();
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t begin = llvm::alignTo(tops[lane], static_cast<uint64_t>(instruction.immediate));
    uint64_t bytes = valueOf(warp, instruction, 1, lane);
    if (begin > maxStackBytes || bytes > maxStackBytes - begin) {
      warp.report(Check::Bounds, instruction, 1u << lane, begin,
                  "alloca: there is no more than 512 KiB of local memory");
      warp.cta.machine.abort();
      return warp.stop();
    }
    warp.growLocal(begin + bytes);
    std::fill_n(warp.localState.begin() + size_t(lane) * warp.localBytes + begin, bytes, 0);
    tops[lane] = begin + bytes;
    setAddress(warp, instruction, lane, begin);
  }
  warp.define(instruction.operands[0], mask);
}

static void save(Warp &warp, const Instruction &instruction, uint32_t mask) {
  const auto &tops = warp.stackTops();
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      setAddress(warp, instruction, lane, tops[lane]);
  warp.define(instruction.operands[0], mask);
}

static void restore(Warp &warp, const Instruction &instruction, uint32_t mask) {
  warp.requireDefined(instruction, instruction.operands[0], mask, "is an address of the stack");
  auto &tops = warp.stackTops();
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t top = valueOf(warp, instruction, 0, lane);
    if (top < warp.stackBegin() || top > tops[lane]) {
      warp.report(Check::Bounds, instruction, 1u << lane, top,
                  "stackrestore: the value is not one that stacksave gave this function");
      continue;
    }
    std::fill(warp.localState.begin() + size_t(lane) * warp.localBytes + top,
              warp.localState.begin() + size_t(lane) * warp.localBytes + tops[lane], 0);
    tops[lane] = top;
  }
}

static void bindWidth(Match &match, Handler handler) {
  match.instruction->elementBytes = typeBytes(match.type(0));
  match.set(handler, match.type(0));
}
static void bindAlloca(Match &match) {
  const auto &operands = match.statement->operands;
  match.instruction->immediate = 8;
  if (operands.size() == 3 && !llvm::isPowerOf2_64(operands[2].value))
    return;
  bindWidth(match, allocate);
}

llvm::ArrayRef<Form> ptq::emulator::stackForms() {
  static const Form forms[] = {
      {"alloca .u32|.u64", "=0 0 ?imm", "Stack Manipulation: alloca", bindAlloca},
      {"stacksave .u32|.u64", "=0", "Stack Manipulation: stacksave",
       [](Match &m) { bindWidth(m, save); }},
      {"stackrestore .u32|.u64", "reg:0", "Stack Manipulation: stackrestore",
       [](Match &m) { bindWidth(m, restore); }},
  };
  return forms;
}

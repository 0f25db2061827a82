// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How undefined values travel, and when they are a finding.

#include "Machine.h"

using namespace ptq::emulator;

void Warp::taint(uint32_t slot, uint32_t lanes, const Instruction &instruction, int source) {
  undefined[slot] |= lanes;
  auto &origins = frames.back()->origins;
  const Instruction *origin = source >= 0 ? origins[instruction.operands[source]] : nullptr;
  origins[slot] = origin ? origin : &instruction;
}

void Warp::flowSlow(const Instruction &instruction, uint32_t mask, unsigned results,
                    unsigned count) {
  uint32_t bad = 0;
  int source = -1;
  for (unsigned index = results; index != results + count; ++index) {
    uint32_t lanes = undefined[instruction.operands[index]] & mask;
    if (lanes && source < 0)
      source = index;
    bad |= lanes;
  }
  for (unsigned index = 0; index != results; ++index) {
    undefined[instruction.operands[index]] &= ~mask;
    if (bad)
      taint(instruction.operands[index], bad, instruction, source);
  }
}

void Warp::reportUndefined(const Instruction &instruction, uint32_t slot, uint32_t mask,
                           const char *use) {
  uint32_t lanes = undefined[slot] & mask;
  const Instruction *origin = frames.back()->origins[slot];
  // The instruction that read what was never written; this one, if the register itself never was.
  const Instruction &at = origin ? *origin : instruction;
  undefined[slot] &= ~lanes;
  if (origin && origin != &instruction)
    report(Check::Uninitialised, at, lanes, 0,
           llvm::Twine("an undefined value, read here, ") + use + " at line " +
               llvm::Twine(instruction.line));
  else
    report(Check::Uninitialised, at, lanes, 0,
           llvm::Twine("a register that was never written ") + use);
}

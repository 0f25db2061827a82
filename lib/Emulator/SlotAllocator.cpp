// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The register file of a function: which slot holds what.

#include "OperandDecoder.h"

using namespace ptq::emulator;

SlotAllocator::SlotAllocator(const Function &function, Code &code) : code(code) {
  slots.reserve(function.registers.size());
  for (const Register &reg : function.registers)
    slots.push_back(reg.vectorLanes > 1 ? noSlot : allocate(typeBits(reg.type) > 32));
}

uint32_t SlotAllocator::allocate(bool wide) {
  uint32_t slot = code.numSlots;
  code.numSlots += wide ? 2 : 1;
  return slot;
}

uint32_t SlotAllocator::add(Constant::Kind kind, uint64_t value, bool wide) {
  auto [known, isNew] = this->known.try_emplace({kind, value, wide}, 0);
  if (isNew) {
    known->second = allocate(wide);
    code.constants.push_back({kind, known->second, value, wide});
  }
  return known->second;
}

uint32_t SlotAllocator::constant(uint64_t value, bool wide) {
  return add(Constant::Value, wide ? value : static_cast<uint32_t>(value), wide);
}
uint32_t SlotAllocator::special(SpecialRegister reg, bool wide) {
  return add(Constant::Special, static_cast<uint64_t>(reg), wide);
}
uint32_t SlotAllocator::localAddress(uint32_t offset) {
  return add(Constant::LocalAddress, offset, true);
}
uint32_t SlotAllocator::sink() {
  if (!sinkSlot)
    sinkSlot = allocate(true);
  return *sinkSlot;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands of a statement: checked against the form's types and turned into slots of the register
// file.
//
#ifndef PTQ_LIB_EMULATOR_OPERANDDECODER_H
#define PTQ_LIB_EMULATOR_OPERANDDECODER_H

#include "InstructionTable.h"

#include <map>
#include <tuple>

namespace ptq::emulator {

/// Gives every register, constant and special register of a function its slot.
class SlotAllocator {
public:
  SlotAllocator(const Function &function, Code &code);
  uint32_t registerSlot(unsigned reg) const { return slots[reg]; }
  uint32_t constant(uint64_t value, bool wide);
  uint32_t special(SpecialRegister reg, bool wide);
  /// The address of a frame's variable.
  uint32_t localAddress(uint32_t offset);
  /// Where results that nobody wants go.
  uint32_t sink();

private:
  uint32_t allocate(bool wide);
  uint32_t add(Constant::Kind kind, uint64_t value, bool wide);

  Code &code;
  std::vector<uint32_t> slots;
  /// Of vectors, whose elements have theirs.
  static constexpr uint32_t noSlot = ~0u;
  std::map<std::tuple<int, uint64_t, bool>, uint32_t> known;
  std::optional<uint32_t> sinkSlot;
};

/// An immediate's value as the bits of a register of that type, or nothing where PTX has no such
/// operand.
std::optional<uint64_t> immediateBits(const Operand &operand, Type type);

/// The special register of that name, and whether it has 64 bits; nothing if there is none.
std::optional<std::pair<SpecialRegister, bool>> findSpecial(llvm::StringRef text);

class OperandDecoder {
public:
  OperandDecoder(const ParsedModule &module, const Program &program, Code &code,
                 const AddressMap &addresses, SlotAllocator &slots)
      : module(module), program(program), code(code), addresses(addresses), slots(slots) {}

  /// Decodes all operands of `match`'s statement into its instruction.
  llvm::Error decode(const Match &match);

private:
  llvm::Error decodeOne(llvm::StringRef spec, const Operand &operand);
  llvm::Error decodeValue(const Operand &operand, Type type, bool widen, bool destination);
  llvm::Error decodeVector(const Operand &operand, unsigned count, Type type, bool widen,
                           bool destination);
  llvm::Error decodeMemory(const Operand &operand);
  llvm::Error decodeAny(const Operand &operand, Type type);
  llvm::Error add(uint32_t slot);
  llvm::Error mismatch(const Operand &operand, Type declared, Type wanted);
  llvm::Error fail(const Operand &operand, const llvm::Twine &message) {
    return errorAt(module.file, operand.location, message);
  }
  std::optional<Type> specType(llvm::StringRef text) const;
  /// The address of a variable in its own space; frame variables have none that is constant.
  std::optional<uint64_t> staticAddress(const Variable &variable) const;

  const ParsedModule &module;
  const Program &program;
  Code &code;
  const AddressMap &addresses;
  SlotAllocator &slots;
  const Match *match = nullptr;
  Instruction *instruction = nullptr;
};

/// Generic addresses of the windows of memory that are not global.
constexpr uint64_t sharedWindow = 0x7f0000000000, localWindow = 0x7e0000000000,
                   parameterWindow = 0x7d0000000000, windowBytes = uint64_t(1) << 32;

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_OPERANDDECODER_H

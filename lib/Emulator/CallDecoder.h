// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls, direct and through pointers (PTX ISA, call): what is copied to the callee and back.
//
#ifndef PTQ_LIB_EMULATOR_CALLDECODER_H
#define PTQ_LIB_EMULATOR_CALLDECODER_H

#include "OperandDecoder.h"

#include "llvm/ADT/SetVector.h"

namespace ptq::emulator {

/// Functions, the order of their discovery kept.
using FunctionSet = llvm::SetVector<const Function *>;

/// Adds to `reached` what `function` may call: itself, the functions it names and, if it calls
/// through a pointer, every function whose address the module takes.
void collectFunctions(const ParsedModule &module, const Function &function, FunctionSet &reached);

class CallDecoder {
public:
  CallDecoder(const ParsedModule &module, const Program &program, Code &code, SlotAllocator &slots)
      : module(module), program(program), code(code), slots(slots) {}

  /// `call (results), function, (arguments);` or `call (results), pointer, (arguments), list;` with
  /// any of the lists in parentheses absent. `list`: a .callprototype or .calltargets.
  llvm::Error decode(const Statement &statement, Instruction &instruction);

private:
  struct Parts {
    const Operand *results = nullptr, *callee = nullptr, *arguments = nullptr, *list = nullptr;
  };
  llvm::Error decodeIndirect(const Statement &statement, const Parts &parts,
                             Instruction &instruction);
  /// The copies of a call of `callee`; of a prototype, which has no code, for checking only.
  llvm::Expected<Call> makeCall(const Parts &parts, const Function &callee);
  llvm::Error pass(const Operand &operand, const Function &callee, size_t index, bool isResult,
                   SlotAllocator &calleeSlots, Call &call);
  llvm::Error passRegister(const Operand &operand, const Register &formal, uint32_t inner,
                           bool isResult, Call &call);
  const Code *findCode(const Function &function) const;
  llvm::Error fail(const Operand &operand, const llvm::Twine &message) {
    return errorAt(module.file, operand.location, message);
  }

  const ParsedModule &module;
  const Program &program;
  Code &code;
  SlotAllocator &slots;
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_CALLDECODER_H

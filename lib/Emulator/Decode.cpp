// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions to code: memory is laid out, statements are matched with the table, branches are
// resolved.

#include "CallDecoder.h"
#include "ControlFlow.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

namespace {
/// Space that no variable has, between shared variables, so that an access just past one is found.
constexpr uint32_t sharedGap = 16;

class ProgramDecoder {
public:
  ProgramDecoder(const ParsedModule &module, const AddressMap &addresses, Program &program)
      : module(module), addresses(addresses), program(program) {}
  Error run(const Function &entry);

private:
  Error layOutShared();
  Error decodeFunction(Code &code);
  Error decodeStatement(Code &code, SlotAllocator &slots, OperandDecoder &operands,
                        const Statement &statement);
  Error decodeBranch(Code &code, const Statement &statement, Instruction &instruction);
  void noteSynchronization(const Match &match);
  uint32_t opcodeIndex(const Statement &statement);

  const ParsedModule &module;
  const AddressMap &addresses;
  Program &program;
  FunctionSet reached;
  llvm::StringMap<uint32_t> opcodes;
};
} // namespace

static void layOutFrame(const Function &function, Code &code) {
  // Offset 0 is no variable's: a null pointer stays one.
  uint32_t offset = 16;
  for (const auto &variable : function.variables) {
    bool kernelParameter =
        function.isEntry && llvm::is_contained(function.parameters, variable.get());
    if (kernelParameter || (variable->space != Space::Local && variable->space != Space::Param))
      continue;
    offset = llvm::alignTo(offset, variable->alignment);
    code.frameOffsets[variable.get()] = offset;
    offset += static_cast<uint32_t>(variable->bytes);
  }
  code.frameBytes = code.frameOffsets.empty() ? 0 : llvm::alignTo(offset, 16);
}

/// Each variable at its declared alignment and no better: a kernel that relies on more is found
/// here rather than by another compiler's layout. Dynamic memory comes last, at the alignment of
/// its strictest declaration.
Error ProgramDecoder::layOutShared() {
  llvm::SmallSetVector<const Variable *, 8> variables, ofModule;
  auto visit = [&](const Variable *variable) {
    if (variable && variable->space == Space::Shared && !variables.contains(variable))
      ofModule.insert(variable);
  };
  for (const Function *function : reached) {
    for (const auto &variable : function->variables)
      if (variable->space == Space::Shared)
        variables.insert(variable.get());
    for (const Statement &statement : function->statements)
      for (const Operand &operand : statement.operands) {
        visit(operand.variable);
        for (const Operand &element : operand.elements)
          visit(element.variable);
      }
  }
  auto sorted = ofModule.takeVector();
  llvm::sort(sorted, [](const Variable *a, const Variable *b) {
    return std::tie(a->location.line, a->location.column) <
           std::tie(b->location.line, b->location.column);
  });
  variables.insert(sorted.begin(), sorted.end());
  // ptxas packs variables of the function, then those of the module, in order of declaration, at
  // their alignment and no better, from 0. Here there are gaps, and yet everything is as well and
  // as badly aligned as there.
  uint64_t end = 0, packed = 0, dynamicAlignment = 16;
  auto place = [&](uint64_t alignment, uint64_t bytes, uint64_t modulus) {
    packed = llvm::alignTo(packed, alignment);
    modulus = std::max(modulus, alignment);
    uint64_t begin = llvm::alignTo(end + sharedGap, modulus, packed % modulus);
    packed += bytes;
    return begin;
  };
  for (const Variable *variable : variables) {
    if (variable->isExtern) {
      dynamicAlignment = std::max(dynamicAlignment, variable->alignment);
      program.usesDynamicShared = true;
      continue;
    }
    uint64_t begin = place(variable->alignment, variable->bytes, 128);
    end = begin + variable->bytes;
    if (end > (1u << 30))
      return errorAt(module.file, variable->location, "more than 1 GiB of shared memory");
    program.sharedVariables.push_back(
        {variable, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }
  program.staticSharedEnd = end;
  program.dynamicSharedBegin = place(dynamicAlignment, 0, 1024);
  return Error::success();
}

uint32_t ProgramDecoder::opcodeIndex(const Statement &statement) {
  std::string name = statement.opcode.str();
  for (const Modifier &modifier : statement.modifiers)
    name += modifier.text;
  auto [found, isNew] = opcodes.try_emplace(name, program.opcodes.size());
  if (isNew)
    program.opcodes.push_back(name);
  return found->second;
}

Error ProgramDecoder::run(const Function &entry) {
  program.kernel = entry.name;
  collectFunctions(module, entry, reached);
  uint32_t offset = 0;
  for (const Variable *parameter : entry.parameters) {
    offset = llvm::alignTo(offset, parameter->alignment);
    program.parameterOffsets.push_back(offset);
    offset += parameter->bytes;
  }
  program.parameterBytes = offset;
  if (Error error = layOutShared())
    return error;
  for (const Function *function : reached) {
    program.functions.push_back(std::make_unique<Code>());
    program.functions.back()->function = function;
    layOutFrame(*function, *program.functions.back());
  }
  for (auto &code : program.functions)
    if (Error error = decodeFunction(*code))
      return error;
  for (auto &code : program.functions) {
    for (BasicBlock &block : code->blocks)
      block.id = program.numBlocks++;
    for (Instruction &instruction : code->instructions)
      instruction.id = program.numInstructions++;
  }
  return Error::success();
}

Error ProgramDecoder::decodeFunction(Code &code) {
  const Function &function = *code.function;
  SlotAllocator slots(function, code);
  OperandDecoder operands(module, program, code, addresses, slots);
  for (const Register &reg : function.registers)
    if (typeBits(reg.type) > 64)
      return errorAt(module.file, function.location, "128-bit registers are not supported");
  for (const Statement &statement : function.statements)
    if (Error error = decodeStatement(code, slots, operands, statement))
      return error;
  Instruction end;
  end.run = exitHandler(function.isEntry);
  end.line = function.statements.empty() ? function.location.line
                                         : function.statements.back().location.line;
  Statement ret;
  ret.opcode = "ret";
  end.opcode = opcodeIndex(ret);
  code.instructions.push_back(end);
  std::vector<std::pair<uint32_t, std::string>> labels;
  for (const Label &label : function.labels)
    if (label.kind == Label::Place)
      labels.push_back({label.statement, label.name.str()});
  buildControlFlow(code, labels);
  watchMatrixRegisters(code);
  trackLoadedValues(program, code);
  return Error::success();
}

/// Operations through which CTAs can wait for each other.
void ProgramDecoder::noteSynchronization(const Match &match) {
  StringRef opcode = match.statement->opcode;
  bool global =
      match.instruction->space == Space::Global || match.instruction->space == Space::Generic;
  bool asynchronous = match.has(".bulk") || match.has(".mbarrier") || opcode == "wgmma";
  program.usesAsyncProxy |= asynchronous;
  // Of fences, those of mbarriers and proxies are not for data that CTAs share.
  bool fence = opcode == "membar" ||
               (opcode == "fence" && !match.has(".mbarrier_init") && !match.has(".proxy"));
  if (((opcode == "atom" || opcode == "red") && global) || fence ||
      (match.instruction->ordering != Ordering::Weak && global &&
       (opcode == "ld" || opcode == "st")))
    program.synchronizesAcrossCtas = true;
}

Error ProgramDecoder::decodeStatement(Code &code, SlotAllocator &slots, OperandDecoder &operands,
                                      const Statement &statement) {
  auto match = matchForm(module, statement);
  if (!match)
    return match.takeError();
  Instruction instruction;
  instruction.line = statement.location.line;
  instruction.opcode = opcodeIndex(statement);
  if (statement.guard >= 0) {
    instruction.guard = slots.registerSlot(statement.guard);
    instruction.guardNegated = statement.guardNegated;
  }
  match->instruction = &instruction;
  match->form->bind(*match);
  if (!instruction.run)
    return errorAt(module.file, statement.location,
                   "this combination of modifiers of '" + statement.opcode + "' is not supported");
  setBitFlow(*match);
  StringRef opcode = statement.opcode;
  if (opcode == "call") {
    if (Error error = CallDecoder(module, program, code, slots).decode(statement, instruction))
      return error;
  } else {
    if (Error error = operands.decode(*match))
      return error;
    if (opcode == "bra" || opcode == "brx")
      if (Error error = decodeBranch(code, statement, instruction))
        return error;
  }
  noteSynchronization(*match);
  code.instructions.push_back(instruction);
  return Error::success();
}

Error ProgramDecoder::decodeBranch(Code &code, const Statement &statement,
                                   Instruction &instruction) {
  const Operand &operand = statement.operands.back();
  const Label *label = operand.kind == Operand::Label
                           ? code.function->findLabel(operand.name, statement.scope)
                           : nullptr;
  if (!label)
    return errorAt(module.file, operand.location, "'" + operand.name + "' is not a label");
  bool isTable = statement.opcode == "brx";
  if (label->kind != (isTable ? Label::BranchTargets : Label::Place))
    return errorAt(module.file, operand.location,
                   isTable ? "brx.idx takes a list of targets (.branchtargets)"
                           : "bra takes a label, not a list of targets");
  if (!isTable) {
    instruction.target = label->statement;
    return Error::success();
  }
  instruction.index = code.tables.size();
  code.tables.emplace_back();
  for (StringRef name : label->targets) {
    const Label *target = code.function->findLabel(name, statement.scope);
    if (!target || target->kind != Label::Place)
      return errorAt(module.file, label->location, "'" + name + "' is not a label");
    code.tables.back().push_back(target->statement);
  }
  return Error::success();
}

llvm::Expected<std::unique_ptr<Program>> ptq::emulator::decode(const ParsedModule &module,
                                                               const Function &entry,
                                                               const AddressMap &addresses) {
  auto program = std::make_unique<Program>();
  if (Error error = ProgramDecoder(module, addresses, *program).run(entry))
    return std::move(error);
  return std::move(program);
}

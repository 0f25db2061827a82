// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CallDecoder.h"
#include "ControlFlow.h"

#include "llvm/ADT/STLExtras.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

static bool isFunction(const Operand &operand) { return operand.kind == Operand::Function; }

static bool callsThroughPointer(const Statement &statement) {
  return statement.opcode == "call" && llvm::none_of(statement.operands, isFunction);
}

/// All functions whose address is a value somewhere in the module: in instructions other than
/// calls, in initial values, in lists of targets.
static FunctionSet addressTaken(const ParsedModule &module) {
  FunctionSet result;
  auto visitVariable = [&](const Variable &variable) {
    for (const Relocation &relocation : variable.relocations)
      if (relocation.function)
        result.insert(relocation.function);
  };
  for (const auto &variable : module.variables)
    visitVariable(*variable);
  for (const auto &function : module.functions) {
    for (const auto &variable : function->variables)
      visitVariable(*variable);
    for (const Statement &statement : function->statements)
      for (const Operand &operand : statement.operands)
        if (isFunction(operand) && statement.opcode != "call")
          result.insert(operand.function);
    for (const Label &label : function->labels)
      if (label.kind == Label::CallTargets)
        for (StringRef target : label.targets)
          if (const Function *found = module.findFunction(target))
            result.insert(found);
  }
  result.remove_if(
      [](const Function *function) { return function->isEntry || !function->hasBody; });
  return result;
}

void ptq::emulator::collectFunctions(const ParsedModule &module, const Function &function,
                                     FunctionSet &reached) {
  bool isIndirect = false;
  std::vector<const Function *> open{&function};
  while (!open.empty()) {
    const Function *current = open.back();
    open.pop_back();
    if (!reached.insert(current))
      continue;
    std::vector<const Function *> named;
    for (const Statement &statement : current->statements) {
      for (const Operand &operand : statement.operands)
        if (isFunction(operand) && operand.function->hasBody && !operand.function->isEntry)
          named.push_back(operand.function);
      if (!isIndirect && callsThroughPointer(statement)) {
        isIndirect = true;
        FunctionSet targets = addressTaken(module);
        named.insert(named.end(), targets.begin(), targets.end());
      }
    }
    open.insert(open.end(), named.rbegin(), named.rend());
  }
}

const Code *CallDecoder::findCode(const Function &function) const {
  for (const auto &candidate : program.functions)
    if (candidate->function == &function)
      return candidate.get();
  return nullptr;
}

Error CallDecoder::decode(const Statement &statement, Instruction &instruction) {
  Parts parts;
  for (const Operand &operand : statement.operands) {
    bool isCallee = isFunction(operand) || operand.kind == Operand::Register;
    if (isCallee && !parts.callee)
      parts.callee = &operand;
    else if (operand.kind == Operand::List && !parts.callee && !parts.results)
      parts.results = &operand;
    else if (operand.kind == Operand::List && parts.callee && !parts.arguments && !parts.list)
      parts.arguments = &operand;
    else if (operand.kind == Operand::Label && parts.callee && !isFunction(*parts.callee) &&
             !parts.list)
      parts.list = &operand;
    else
      return fail(operand, "a call is: (results), function, (arguments), or through a pointer: "
                           "(results), pointer, (arguments), prototype");
  }
  if (!parts.callee)
    return errorAt(module.file, statement.location, "the call has no function");
  if (!isFunction(*parts.callee))
    return decodeIndirect(statement, parts, instruction);
  const Function &function = *parts.callee->function;
  if (function.isEntry)
    return fail(*parts.callee, "a kernel cannot be called");
  auto call = makeCall(parts, function);
  if (!call)
    return call.takeError();
  if (!function.hasBody) {
    // A device-side assertion that failed; anything else has no code to run.
    if (parts.callee->name != "__assertfail")
      return fail(*parts.callee,
                  "'" + parts.callee->name + "' is an external function without a body");
    instruction.run = trapHandler();
    return Error::success();
  }
  instruction.index = code.calls.size();
  code.calls.push_back(std::move(*call));
  return Error::success();
}

/// One call for each function that the pointer may be of.
Error CallDecoder::decodeIndirect(const Statement &statement, const Parts &parts,
                                  Instruction &instruction) {
  const Operand &pointer = *parts.callee;
  const Register &reg = code.function->registers[pointer.reg];
  if (isFloat(reg.type) || typeBits(reg.type) < 32)
    return fail(pointer, "'" + pointer.name + "' cannot hold a function's address");
  if (!parts.list)
    return fail(pointer, "a call through a pointer needs a .callprototype or .calltargets");
  const Label *label = code.function->findLabel(parts.list->name, statement.scope);
  bool isList = label && (label->kind == Label::CallPrototype || label->kind == Label::CallTargets);
  if (!isList || std::tie(label->location.line, label->location.column) >
                     std::tie(parts.list->location.line, parts.list->location.column))
    return fail(*parts.list, "'" + parts.list->name +
                                 "' is not a .callprototype or .calltargets that stands before it");
  if (label->prototype) {
    auto call = makeCall(parts, *label->prototype);
    if (!call)
      return call.takeError();
  }
  for (StringRef name : label->targets) {
    const Function *target = module.findFunction(name);
    if (!target || target->isEntry)
      return errorAt(module.file, label->location, "'" + name + "' is not a device function");
  }
  IndirectCall indirect;
  for (const auto &candidate : program.functions) {
    const Function &function = *candidate->function;
    bool listed = label->prototype || llvm::is_contained(label->targets, function.name);
    if (function.isEntry || !listed)
      continue;
    // Those of another prototype are found out when they are called.
    auto call = makeCall(parts, function);
    if (!call) {
      llvm::consumeError(call.takeError());
      indirect.targets[function.address] = IndirectCall::mismatch;
      continue;
    }
    indirect.targets[function.address] = code.calls.size();
    code.calls.push_back(std::move(*call));
  }
  instruction.run = indirectCallHandler();
  instruction.index = code.indirectCalls.size();
  instruction.wideAddress = typeBits(reg.type) == 64;
  instruction.operands[instruction.numOperands++] = slots.registerSlot(pointer.reg);
  code.indirectCalls.push_back(std::move(indirect));
  return Error::success();
}

llvm::Expected<Call> CallDecoder::makeCall(const Parts &parts, const Function &callee) {
  auto check = [&](const Operand *list, size_t wanted, const char *what) -> Error {
    if ((list ? list->elements.size() : 0) != wanted)
      return fail(*parts.callee,
                  "'" + parts.callee->name + "' has " + llvm::Twine(wanted) + " " + what);
    return Error::success();
  };
  if (Error error = check(parts.results, callee.results.size(), "results"))
    return std::move(error);
  if (Error error = check(parts.arguments, callee.parameters.size(), "parameters"))
    return std::move(error);
  Call call;
  call.callee = findCode(callee);
  Code scratch; // slots of registers depend on their declarations only
  SlotAllocator calleeSlots(callee, scratch);
  for (size_t index = 0; index != callee.results.size(); ++index)
    if (Error error = pass(parts.results->elements[index], callee, index, true, calleeSlots, call))
      return std::move(error);
  for (size_t index = 0; index != callee.parameters.size(); ++index)
    if (Error error =
            pass(parts.arguments->elements[index], callee, index, false, calleeSlots, call))
      return std::move(error);
  return call;
}

Error CallDecoder::pass(const Operand &operand, const Function &callee, size_t index, bool isResult,
                        SlotAllocator &calleeSlots, Call &call) {
  int reg = (isResult ? callee.resultRegisters : callee.parameterRegisters)[index];
  if (reg < 0) {
    const Variable &formal = *(isResult ? callee.results : callee.parameters)[index];
    if (isResult && operand.kind == Operand::Sink)
      return Error::success();
    auto outer = operand.kind == Operand::Variable ? code.frameOffsets.find(operand.variable)
                                                   : code.frameOffsets.end();
    if (outer == code.frameOffsets.end() || operand.variable->bytes != formal.bytes)
      return fail(operand,
                  "a .param variable of " + llvm::Twine(formal.bytes) + " bytes is expected here");
    uint32_t inner = call.callee ? call.callee->frameOffsets.lookup(&formal) : 0;
    uint32_t bytes = formal.bytes;
    if (isResult)
      call.results.push_back({inner, outer->second, bytes});
    else
      call.parameters.push_back({outer->second, inner, bytes});
    return Error::success();
  }
  const Register &formal = callee.registers[reg];
  if (operand.kind == Operand::Register &&
      StringRef(code.function->registers[operand.reg].name).contains('.'))
    return fail(operand, "an element of a vector cannot be an argument or a result");
  if (formal.vectorLanes == 1)
    return passRegister(operand, formal, calleeSlots.registerSlot(reg), isResult, call);
  if (operand.kind != Operand::Vector || operand.name.empty() ||
      operand.elements.size() != formal.vectorLanes)
    return fail(operand,
                "a vector register of " + llvm::Twine(formal.vectorLanes) + " is expected here");
  for (unsigned lane = 0; lane != formal.vectorLanes; ++lane)
    if (Error error = passRegister(operand.elements[lane], callee.registers[reg + 1 + lane],
                                   calleeSlots.registerSlot(reg + 1 + lane), isResult, call))
      return error;
  return Error::success();
}

Error CallDecoder::passRegister(const Operand &operand, const Register &formal, uint32_t inner,
                                bool isResult, Call &call) {
  bool isWide = typeBits(formal.type) > 32;
  uint32_t outer;
  if (operand.kind == Operand::Register &&
      isCompatible(code.function->registers[operand.reg].type, formal.type, false))
    outer = slots.registerSlot(operand.reg);
  else if (auto bits = isResult ? std::nullopt : immediateBits(operand, formal.type))
    outer = slots.constant(*bits, isWide);
  else if (isResult && operand.kind == Operand::Sink)
    outer = slots.sink();
  else
    return fail(operand, isResult ? "the result is not of the function's type"
                                  : "the argument is not of the parameter's type");
  bool isPredicate = formal.type == Type::Pred;
  if (isResult)
    call.registerResults.push_back({inner, outer, isWide, isPredicate});
  else
    call.registerParameters.push_back({outer, inner, isWide, isPredicate});
  return Error::success();
}

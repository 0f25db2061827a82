// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OperandDecoder.h"

#include <cstring>

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

Error OperandDecoder::add(uint32_t slot) {
  if (instruction->numOperands == std::size(instruction->operands))
    return errorAt(module.file, match->statement->location, "too many operands");
  instruction->operands[instruction->numOperands++] = slot;
  return Error::success();
}

Error OperandDecoder::mismatch(const Operand &operand, Type declared, Type wanted) {
  return fail(operand, "'" + operand.name + "' is a " + typeName(declared) +
                           " register; the instruction takes " + typeName(wanted));
}

std::optional<uint64_t> OperandDecoder::staticAddress(const Variable &variable) const {
  if (variable.space == Space::Shared) {
    if (variable.isExtern)
      return program.dynamicSharedBegin;
    for (const auto &placed : program.sharedVariables)
      if (placed.variable == &variable)
        return placed.begin;
    return std::nullopt;
  }
  auto found = addresses.find(&variable);
  if (found == addresses.end())
    return std::nullopt;
  return found->second;
}

std::optional<uint64_t> ptq::emulator::immediateBits(const Operand &operand, Type type) {
  unsigned bits = typeBits(type);
  if (operand.kind != Operand::Integer && operand.kind != Operand::Float32 &&
      operand.kind != Operand::Float64)
    return std::nullopt;
  if (operand.kind == Operand::Integer) {
    if (isFloat(type))
      return std::nullopt;
    if (type == Type::Pred)
      return operand.value ? ~uint64_t(0) : 0;
    return bits == 64 ? operand.value : operand.value & ((uint64_t(1) << bits) - 1);
  }
  if (!isFloat(type) && !isUntyped(type))
    return std::nullopt;
  if (operand.kind == Operand::Float32 && type == Type::F64) {
    float single;
    std::memcpy(&single, &operand.value, 4);
    double number = single;
    uint64_t result;
    std::memcpy(&result, &number, 8);
    return result;
  }
  if (operand.kind == Operand::Float32)
    return bits == 32 && type != Type::F16x2 && type != Type::BF16x2
               ? std::optional<uint64_t>(operand.value)
               : std::nullopt;
  if (bits == 64)
    return operand.value;
  if (type != Type::F32)
    return std::nullopt;
  double number;
  std::memcpy(&number, &operand.value, 8);
  float single = static_cast<float>(number);
  uint32_t result;
  std::memcpy(&result, &single, 4);
  return result;
}

Error OperandDecoder::decodeValue(const Operand &operand, Type type, bool widen, bool destination) {
  switch (operand.kind) {
  case Operand::Register: {
    const Register &reg = code.function->registers[operand.reg];
    if (reg.vectorLanes != 1)
      return fail(operand, "'" + operand.name + "' is a vector register");
    if (!isCompatible(reg.type, type, widen))
      return mismatch(operand, reg.type, type);
    if (operand.negated)
      instruction->negated |= 1u << instruction->numOperands;
    if (widen)
      (destination ? instruction->registerBytes : instruction->sourceBytes) = typeBytes(reg.type);
    return add(slots.registerSlot(operand.reg));
  }
  case Operand::Sink:
    if (!destination)
      return fail(operand, "'_' has no value");
    if (widen)
      instruction->registerBytes = typeBytes(type);
    return add(slots.sink());
  case Operand::Special: {
    auto special = findSpecial(operand.name);
    if (!special)
      return fail(operand, "'" + operand.name + "' is not declared");
    if (destination)
      return fail(operand, "'" + operand.name + "' cannot be written");
    bool wide = special->second || typeBits(type) == 64;
    if (type == Type::Pred || isFloat(type) || (special->second && typeBits(type) != 64) ||
        (!special->second && typeBits(type) > 32 && special->first != SpecialRegister::GridId))
      return fail(operand, "'" + operand.name + "' is not of the type " + typeName(type));
    if (special->first >= SpecialRegister::Clock)
      return fail(operand, "'" + operand.name + "' can only be read by mov");
    if (widen)
      instruction->sourceBytes = wide ? 8 : 4;
    return add(slots.special(special->first, wide));
  }
  case Operand::Integer:
  case Operand::Float32:
  case Operand::Float64: {
    if (destination)
      return fail(operand, "a destination is a register");
    auto bits = immediateBits(operand, type);
    if (!bits)
      return fail(operand, "the constant is not of the type " + typeName(type));
    if (widen)
      instruction->sourceBytes = typeBytes(type);
    return add(slots.constant(*bits, typeBits(type) > 32));
  }
  case Operand::Label:
    return fail(operand, "'" + operand.name + "' is not declared");
  default:
    return fail(operand, "a register or a constant is expected here");
  }
}

Error OperandDecoder::decodeVector(const Operand &operand, unsigned count, Type type, bool widen,
                                   bool destination) {
  if (operand.kind != Operand::Vector && count == 1)
    return decodeValue(operand, type, widen, destination);
  if (operand.kind == Operand::Special && count == 4 && !operand.name.contains('.')) {
    for (const char *element : {".x", ".y", ".z", ".w"}) {
      std::string name = operand.name.str() + element;
      if (!findSpecial(name))
        return fail(operand, "'" + operand.name + "' is not a vector");
      Operand part = operand;
      part.name = name;
      if (Error error = decodeValue(part, type, widen, destination))
        return error;
    }
    return Error::success();
  }
  if (operand.kind != Operand::Vector)
    return fail(operand, "a vector of " + llvm::Twine(count) + " is expected here");
  if (operand.elements.size() != count)
    return fail(operand, "a vector of " + llvm::Twine(count) + " is expected here, not of " +
                             llvm::Twine(operand.elements.size()));
  for (const Operand &element : operand.elements)
    if (Error error = decodeValue(element, type, widen, destination))
      return error;
  return Error::success();
}

Error OperandDecoder::decodeMemory(const Operand &operand) {
  StringRef opcode = match->statement->opcode;
  if (operand.isElement && (opcode == "ld" || opcode == "st")) {
    Operand address = operand;
    address.kind = Operand::Address;
    address.isElement = false;
    address.elements = {operand};
    return decodeMemory(address);
  }
  if (operand.kind != Operand::Address)
    return fail(operand, "an address in brackets is expected here");
  if (operand.elements.size() > 1)
    return fail(operand, "coordinates do not go here");
  int64_t offset = static_cast<int64_t>(operand.value);
  uint32_t slot;
  if (operand.elements.empty()) {
    slot = slots.constant(0, true);
  } else if (operand.elements[0].kind == Operand::Register) {
    const Operand &base = operand.elements[0];
    const Register &reg = code.function->registers[base.reg];
    bool integer = reg.type != Type::Pred && !isFloat(reg.type);
    if (!integer || typeBits(reg.type) < 32 || reg.vectorLanes != 1)
      return fail(base, "'" + base.name + "' cannot hold an address");
    instruction->wideAddress = typeBits(reg.type) == 64;
    if (!instruction->wideAddress &&
        (instruction->space == Space::Global || instruction->space == Space::Generic))
      return fail(base, "'" + base.name + "' is too narrow for an address of this space");
    slot = slots.registerSlot(base.reg);
  } else {
    const Variable &variable = *operand.elements[0].variable;
    auto frame = code.frameOffsets.find(&variable);
    if (frame != code.frameOffsets.end()) {
      bool generic = instruction->space == Space::Generic && variable.space == Space::Local &&
                     (opcode == "ld" || opcode == "st");
      if (instruction->space != Space::Local && instruction->space != Space::Param && !generic)
        return fail(operand.elements[0],
                    "'" + operand.elements[0].name + "' is in ." + spaceName(variable.space));
      instruction->space = Space::Local;
      slot = slots.localAddress(frame->second);
    } else if (variable.space == Space::Param) {
      if (instruction->space != Space::Param)
        return fail(operand.elements[0], "'" + operand.elements[0].name + "' is in .param");
      auto &parameters = code.function->parameters;
      size_t index = llvm::find(parameters, &variable) - parameters.begin();
      slot = slots.constant(0, true);
      offset += program.parameterOffsets[index];
    } else {
      auto address = staticAddress(variable);
      if (!address ||
          (instruction->space != variable.space && instruction->space != Space::Generic))
        return fail(operand.elements[0],
                    "'" + operand.elements[0].name + "' is in ." + spaceName(variable.space));
      if (instruction->space == Space::Generic && variable.space == Space::Shared)
        *address += sharedWindow;
      slot = slots.constant(0, true);
      offset += static_cast<int64_t>(*address);
    }
  }
  instruction->immediate = offset;
  return add(slot);
}

/// mov's source: a value, or the address of a variable in its own space.
Error OperandDecoder::decodeAny(const Operand &operand, Type type) {
  if (operand.kind == Operand::Variable) {
    unsigned bits = typeBits(type);
    if (isFloat(type) || bits < 32)
      return fail(operand, "an address is not of the type " + typeName(type));
    auto frame = code.frameOffsets.find(operand.variable);
    if (frame != code.frameOffsets.end()) {
      if (bits != 64)
        return fail(operand, "the address of a local variable needs 64 bits");
      return add(slots.localAddress(frame->second + static_cast<uint32_t>(operand.value)));
    }
    if (operand.variable->space == Space::Param) {
      auto &parameters = code.function->parameters;
      size_t index = llvm::find(parameters, operand.variable) - parameters.begin();
      return add(slots.constant(program.parameterOffsets[index] + operand.value, bits == 64));
    }
    auto address = staticAddress(*operand.variable);
    if (!address)
      return fail(operand, "'" + operand.name + "' has no address");
    return add(slots.constant(*address + operand.value, bits == 64));
  }
  if (operand.kind == Operand::Special)
    if (auto special = findSpecial(operand.name))
      if (special->first >= SpecialRegister::Clock) {
        if (typeBits(type) != (special->second ? 64 : 32) || isFloat(type))
          return fail(operand, "'" + operand.name + "' is not of the type " + typeName(type));
        instruction->option = static_cast<uint32_t>(special->first);
        return add(slots.constant(0, special->second));
      }
  if (operand.kind == Operand::Function) {
    if (isFloat(type) || typeBits(type) < 32)
      return fail(operand, "a function's address is not of the type " + typeName(type));
    return add(slots.constant(operand.function->address, typeBits(type) == 64));
  }
  return decodeValue(operand, type, false, false);
}

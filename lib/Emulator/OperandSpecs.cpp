// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The little language in which forms say what their operands are.

#include "OperandDecoder.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

std::optional<Type> OperandDecoder::specType(StringRef text) const {
  bool wide = text.consume_front("w");
  unsigned index;
  Type type;
  if (!text.getAsInteger(10, index)) {
    if (index >= match->types.size())
      return std::nullopt;
    type = match->types[index];
  } else {
    auto named = parseType(("." + text).str());
    if (!named)
      return std::nullopt;
    type = *named;
  }
  if (!wide)
    return type;
  switch (type) {
  case Type::S16:
    return Type::S32;
  case Type::U16:
    return Type::U32;
  case Type::S32:
    return Type::S64;
  case Type::U32:
    return Type::U64;
  default:
    return type;
  }
}

Error OperandDecoder::decodeOne(StringRef spec, const Operand &operand) {
  spec.consume_front("?");
  bool destination = spec.consume_front("=");
  if (spec == "mem")
    return decodeMemory(operand);
  // Of several addresses: the space is part of the specification.
  if (spec.consume_front("at:")) {
    auto &address = instruction->addresses[instruction->numAddresses++];
    address.space = spec == "shared"   ? Space::Shared
                    : spec == "global" ? Space::Global
                                       : Space::Generic;
    address.operand = instruction->numOperands;
    instruction->space = address.space;
    Operand base = operand;
    bool tensor = spec == "tensor";
    if (tensor) {
      unsigned rank =
          (*llvm::find_if(match->modifiers,
                          [](StringRef m) { return m.size() == 3 && m.ends_with("d"); }))[1] -
          '0';
      if (operand.kind != Operand::Address || operand.elements.size() != 2)
        return fail(operand, "[tensor map, {coordinates}] is expected here");
      base.elements.pop_back();
      if (Error error = decodeMemory(base))
        return error;
      address.wide = instruction->wideAddress;
      instruction->elements = rank;
      return decodeVector(operand.elements[1], rank, Type::B32, false, false);
    }
    if (Error error = decodeMemory(base))
      return error;
    address.offset = instruction->immediate;
    address.wide = instruction->wideAddress;
    instruction->space = Space::Generic;
    return Error::success();
  }
  if (spec == "wd") { // D of wgmma: N/2 registers, half as many of packed halves
    size_t count = instruction->target / (match->type(0) == Type::F16 ? 4 : 2);
    if (operand.kind != Operand::Vector || operand.elements.size() != count)
      return fail(operand, "a vector of " + llvm::Twine(count) + " is expected here");
    instruction->index = code.lists.size();
    code.lists.emplace_back();
    for (const Operand &element : operand.elements) {
      Type type = match->type(0) == Type::F16 ? Type::B32 : match->type(0);
      if (Error error = decodeValue(element, type, false, true))
        return error;
      code.lists.back().push_back(instruction->operands[--instruction->numOperands]);
    }
    return Error::success();
  }
  if (spec == "size16") {
    if (operand.kind == Operand::Integer && operand.value % 16)
      return fail(operand, "a multiple of 16 is expected here");
    return decodeValue(operand, Type::U32, false, false);
  }
  // cp.async has two addresses: the destination's offset goes to `target`, its width to the
  // option's bit 0. A size or a predicate sets bit 1, a predicate bit 2.
  if (spec == "amem") {
    if (Error error = decodeMemory(operand))
      return error;
    instruction->target = static_cast<uint32_t>(instruction->immediate);
    instruction->option = instruction->wideAddress ? 1 : 0;
    instruction->space = Space::Global;
    return Error::success();
  }
  if (spec == "asize") {
    if (match->has(".L2::cache_hint") && match->statement->operands.size() == 4)
      return decodeValue(operand, Type::B64, false, false);
    bool predicate = operand.kind == Operand::Register &&
                     code.function->registers[operand.reg].type == Type::Pred;
    instruction->option |= predicate ? 6 : 2;
    return decodeValue(operand, predicate ? Type::Pred : Type::U32, false, false);
  }
  if (spec == "hint") // createpolicy's result, which has no effect
    return decodeValue(operand, Type::B64, false, false);
  if (spec == "lbl" || spec == "fn" || spec == "list" || spec == "bytes")
    return Error::success(); // the function's decoder sees to them
  if (spec == "sink") {
    if (operand.kind != Operand::Sink)
      return fail(operand, "'_' is expected here");
    return add(slots.sink());
  }
  if (spec == "imm") {
    if (operand.kind != Operand::Integer)
      return fail(operand, "an integer constant is expected here");
    instruction->immediate = static_cast<int64_t>(operand.value);
    return Error::success();
  }
  if (spec == "const") {
    if (operand.kind != Operand::Integer)
      return fail(operand, "an integer constant is expected here");
    return add(slots.constant(operand.value, false));
  }
  if (operand.negated && !spec.consume_front("!"))
    return fail(operand, "'!' does not go here");
  spec.consume_front("!");
  bool needsSecond = spec.consume_back("|P"), second = needsSecond || spec.consume_back("|p");
  if (needsSecond && !operand.hasSecond)
    return fail(operand, "'d|p' is expected here");
  if (operand.hasSecond && !second)
    return fail(operand, "'|' does not go here");
  // Selectors of operands go to the option, four bits each.
  bool selectable = spec.consume_front("part:");
  if (selectable)
    instruction->option |= uint32_t(operand.selector) << (4 * instruction->numOperands);
  if (operand.selector && !selectable)
    return fail(operand, "'" + operand.name + "' has no parts here");
  if (spec.consume_front("reg:") && operand.kind != Operand::Register)
    return fail(operand, "a register is expected here");
  StringRef full = spec;
  bool widen = spec.consume_front("~");
  if (spec.starts_with("any"))
    return decodeAny(operand, match->types[0]);
  if (spec.consume_front("v")) {
    unsigned count = 0;
    spec.consumeInteger(10, count);
    bool fixed = spec.consume_front(":");
    if (!fixed) {
      spec = full.drop_front(full.starts_with("~") ? 2 : 1);
      count = match->vectorLanes();
    }
    // A vector of one may be written without braces.
    auto type = specType(spec);
    return decodeVector(operand, count, *type, widen, destination);
  }
  auto type = specType(spec);
  if (!type)
    return fail(operand, "operand '" + full + "' has no type");
  if (Error error = decodeValue(operand, *type, widen, destination))
    return error;
  if (!second)
    return Error::success();
  if (!operand.hasSecond || operand.second < 0)
    return add(slots.sink());
  const Register &reg = code.function->registers[operand.second];
  if (reg.type != Type::Pred)
    return fail(operand, "'" + llvm::Twine(reg.name) + "' is not a .pred register");
  return add(slots.registerSlot(operand.second));
}

Error OperandDecoder::decode(const Match &current) {
  match = &current;
  instruction = current.instruction;
  llvm::SmallVector<StringRef, 8> specs;
  StringRef(current.form->operands).split(specs, ' ', -1, false);
  const auto &operands = current.statement->operands;
  size_t required = llvm::count_if(specs, [](StringRef spec) { return !spec.starts_with("?"); });
  if (operands.size() < required || operands.size() > specs.size())
    return errorAt(module.file, current.statement->location,
                   "'" + current.statement->opcode + "' takes " + llvm::Twine(required) +
                       " operands here, not " + llvm::Twine(operands.size()));
  if (!specs.empty() && specs.back() == "?hint") {
    bool hinted = operands.size() == specs.size();
    bool instead = operands.size() + 1 == specs.size() && specs[operands.size() - 1] == "?asize";
    if (current.has(".L2::cache_hint") ? !hinted && !instead : hinted)
      return errorAt(module.file, current.statement->location,
                     hinted ? "a cache policy needs .L2::cache_hint"
                            : ".L2::cache_hint needs a cache policy");
  }
  bool sources = false;
  for (size_t index = 0; index != operands.size(); ++index) {
    bool destination = specs[index].starts_with("=");
    if (!destination && !sources) {
      instruction->numDestinations = instruction->numOperands;
      sources = true;
    }
    if (Error error = decodeOne(specs[index], operands[index]))
      return error;
  }
  if (!sources)
    instruction->numDestinations = instruction->numOperands;
  return Error::success();
}

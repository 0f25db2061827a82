// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "OperandDecoder.h"

#include "llvm/ADT/StringSwitch.h"

#include <cstring>

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

/// PTX ISA 10.
static std::optional<std::pair<SpecialRegister, bool>> findSpecial(StringRef text) {
  using R = SpecialRegister;
  // The elements of a vector have two names each.
  std::string normal = text.str();
  if (size_t at = StringRef("rgba").find(text.back());
      at != StringRef::npos && text.drop_back().ends_with("."))
    normal.back() = "xyzw"[at];
  StringRef name = normal;
  auto found = llvm::StringSwitch<std::optional<R>>(name)
                   .Case("%tid.x", R::TidX)
                   .Case("%tid.y", R::TidY)
                   .Case("%tid.z", R::TidZ)
                   .Case("%ntid.x", R::NtidX)
                   .Case("%ntid.y", R::NtidY)
                   .Case("%ntid.z", R::NtidZ)
                   .Cases({"%ctaid.x", "%clusterid.x"}, R::CtaidX)
                   .Cases({"%ctaid.y", "%clusterid.y"}, R::CtaidY)
                   .Cases({"%ctaid.z", "%clusterid.z"}, R::CtaidZ)
                   .Cases({"%nctaid.x", "%nclusterid.x"}, R::NctaidX)
                   .Cases({"%nctaid.y", "%nclusterid.y"}, R::NctaidY)
                   .Cases({"%nctaid.z", "%nclusterid.z"}, R::NctaidZ)
                   .Case("%laneid", R::LaneId)
                   .Case("%warpid", R::WarpId)
                   .Case("%nwarpid", R::NwarpId)
                   .Case("%smid", R::SmId)
                   .Case("%nsmid", R::NsmId)
                   .Case("%gridid", R::GridId)
                   .Case("%lanemask_eq", R::LanemaskEq)
                   .Case("%lanemask_lt", R::LanemaskLt)
                   .Case("%lanemask_le", R::LanemaskLe)
                   .Case("%lanemask_gt", R::LanemaskGt)
                   .Case("%lanemask_ge", R::LanemaskGe)
                   .Cases({"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z"}, R::Zero)
                   .Case("%cluster_ctarank", R::Zero)
                   // The fourth element of each is unused and zero.
                   .Cases({"%tid.w", "%ntid.w", "%ctaid.w", "%nctaid.w"}, R::Zero)
                   .Cases({"%clusterid.w", "%nclusterid.w"}, R::Zero)
                   .Cases({"%cluster_ctaid.w", "%cluster_nctaid.w"}, R::Zero)
                   .Cases({"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z"}, R::One)
                   .Case("%cluster_nctarank", R::One)
                   .Case("%dynamic_smem_size", R::DynamicSharedSize)
                   .Case("%total_smem_size", R::TotalSharedSize)
                   .Case("%aggr_smem_size", R::AggregateSharedSize)
                   .Cases({"%reserved_smem_offset_begin", "%reserved_smem_offset_end"}, R::Zero)
                   .Cases({"%reserved_smem_offset_cap", "%reserved_smem_offset_0"}, R::Zero)
                   .Case("%reserved_smem_offset_1", R::Zero)
                   .Case("%clock", R::Clock)
                   .Case("%clock64", R::Clock64)
                   .Case("%globaltimer", R::GlobalTimer)
                   .Case("%globaltimer_lo", R::Clock)
                   .Cases({"%clock_hi", "%globaltimer_hi"}, R::ClockHigh)
                   .Cases({"%pm0", "%pm1", "%pm2", "%pm3", "%pm4", "%pm5", "%pm6", "%pm7"}, R::Zero)
                   .Default(std::nullopt);
  // %envreg0 to %envreg31: what the driver puts there, if it does.
  unsigned number;
  if (!found && name.consume_front("%envreg") && !name.getAsInteger(10, number) && number < 32)
    found = R::Zero;
  if (!found)
    return std::nullopt;
  bool wide = *found == R::Clock64 || *found == R::GlobalTimer;
  return std::make_pair(*found, wide);
}

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

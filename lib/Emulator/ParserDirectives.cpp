// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Directives: PTX ISA 11, and declarations: PTX ISA 5.

#include "Parser.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

/// Limits that keep a malformed file from asking for all memory.
static constexpr uint64_t maxVariableBytes = uint64_t(1) << 31;
static constexpr unsigned maxRegisters = 1u << 20;

/// PTX ISA 11.1: .version, .target and, before anything else, .address_size.
Error Parser::parseHeader() {
  if (!token.isModifier(".version"))
    return unexpected("the directive '.version'");
  // "8.0" reads as a decimal floating-point literal.
  if (Error error = advance())
    return error;
  auto [majorText, minorText] = token.text.split('.');
  if (token.kind != Token::Float64 || majorText.getAsInteger(10, module.versionMajor) ||
      minorText.getAsInteger(10, module.versionMinor))
    return fail("expected a version such as 8.0");
  if (module.versionMajor < 6 || module.versionMajor > 9)
    return fail("PTX version " + token.text + " is not supported: 7.0 to 9.x are");
  if (Error error = advance())
    return error;
  if (!token.isModifier(".target"))
    return unexpected("the directive '.target'");
  do {
    if (Error error = advance())
      return error;
    if (token.kind != Token::Identifier)
      return unexpected("a target such as sm_80");
    if (module.target.empty()) {
      StringRef number = token.text;
      unsigned version;
      if (!number.consume_front("sm_") || number.rtrim("af").getAsInteger(10, version))
        return fail("'" + token.text + "' is not a target such as sm_80");
      module.target = token.text.str();
    }
    if (Error error = advance())
      return error;
  } while (token.is(","));
  if (token.isModifier(".address_size")) {
    if (Error error = advance())
      return error;
    if (token.kind != Token::Integer || token.value != 64)
      return fail("only 64-bit addresses are supported");
    return advance();
  }
  return Error::success();
}

Error Parser::skipDirective() {
  while (!token.is(";")) {
    if (token.kind == Token::End)
      return unexpected("';'");
    if (Error error = advance())
      return error;
  }
  return advance();
}

/// `.section .debug_info { … }`: DWARF, of no meaning here.
Error Parser::skipSection() {
  while (!token.is("{")) {
    if (token.kind == Token::End)
      return unexpected("'{'");
    if (Error error = advance())
      return error;
  }
  while (!token.is("}")) {
    if (token.kind == Token::End)
      return unexpected("'}'");
    if (Error error = advance())
      return error;
  }
  return advance();
}

Error Parser::parseModuleItem() {
  Linkage linkage;
  for (;;) {
    if (token.kind != Token::Modifier)
      return unexpected("a directive");
    if (token.isModifier(".extern"))
      linkage.isExtern = true;
    else if (token.isModifier(".visible"))
      linkage.isVisible = true;
    else if (token.isModifier(".weak"))
      linkage.isWeak = true;
    else if (token.isModifier(".common"))
      linkage.isCommon = true;
    else
      break;
    if (Error error = advance())
      return error;
  }
  StringRef directive = token.text;
  if (directive == ".file") {
    lexer.skipLine();
    return advance();
  }
  if (directive == ".section")
    return skipSection();
  if (directive == ".pragma" || directive == ".alias")
    return skipDirective();
  if (directive == ".entry" || directive == ".func") {
    if (Error error = advance())
      return error;
    return parseFunction(linkage, directive == ".entry");
  }
  std::optional<Space> space;
  if (directive == ".global")
    space = Space::Global;
  else if (directive == ".const")
    space = Space::Const;
  else if (directive == ".shared")
    space = Space::Shared;
  if (!space)
    return fail("directive '" + directive + "' is not supported here");
  if (Error error = advance())
    return error;
  return parseVariables(*space, linkage, false);
}

Error Parser::parseCount(uint64_t &count, uint64_t limit, StringRef what) {
  SourceLocation location = token.location;
  if (Error error = parseConstantExpression(count, 0, 0))
    return error;
  if (count > limit)
    return failAt(location, what + " is out of range");
  return Error::success();
}

Error Parser::parseAlignment(uint64_t &alignment) {
  if (Error error = advance())
    return error;
  SourceLocation location = token.location;
  if (Error error = parseCount(alignment, 1 << 20, "the alignment"))
    return error;
  if (!llvm::isPowerOf2_64(alignment))
    return failAt(location, "an alignment is a power of two");
  return Error::success();
}

/// `.v2` or `.v4`, if it is there.
Error Parser::parseVectorLanes(unsigned &lanes) {
  if (!token.isModifier(".v2") && !token.isModifier(".v4"))
    return Error::success();
  lanes = token.text[2] - '0';
  return advance();
}

unsigned Parser::addRegister(Function &owner, StringRef name, Type type, unsigned lanes) {
  unsigned result = owner.registers.size();
  owner.registers.push_back({name.str(), type, lanes});
  for (unsigned lane = 0; lanes > 1 && lane != lanes; ++lane)
    owner.registers.push_back({(name + "." + llvm::Twine("xyzw"[lane])).str(), type, 1});
  return result;
}

/// `.reg .b32 %r<10>, x;`
Error Parser::parseRegisters() {
  unsigned lanes = 1;
  if (Error error = parseVectorLanes(lanes))
    return error;
  auto type = token.kind == Token::Modifier ? parseType(token.text) : std::nullopt;
  if (!type || !isRegisterType(*type))
    return fail("'" + token.text + "' is not a type of registers");
  if (lanes > 1 && (*type == Type::Pred || typeBits(*type) * lanes > 128))
    return fail("there are no vectors of " + llvm::Twine(lanes) + " of '" + token.text + "'");
  unsigned stride = lanes > 1 ? 1 + lanes : 1;
  do {
    if (Error error = advance())
      return error;
    if (token.kind != Token::Identifier)
      return unexpected("a register's name");
    StringRef name = token.text;
    SourceLocation location = token.location;
    if (Error error = advance())
      return error;
    unsigned first = function->registers.size();
    if (token.is("<")) {
      if (Error error = advance())
        return error;
      uint64_t count;
      if (Error error = parseCount(count, maxRegisters, "the number of registers"))
        return error;
      if (Error error = expect(">"))
        return error;
      if (first + count * stride > maxRegisters)
        return failAt(location, "too many registers");
      for (uint64_t index = 0; index != count; ++index)
        addRegister(*function, (name + llvm::Twine(index)).str(), *type, lanes);
      scopes.back().ranges.push_back({name, first, static_cast<unsigned>(count), stride});
    } else {
      if (first >= maxRegisters)
        return failAt(location, "too many registers");
      Symbol symbol{Symbol::Register};
      symbol.reg = addRegister(*function, name, *type, lanes);
      if (Error error = declare(name, symbol, location))
        return error;
    }
  } while (token.is(","));
  return expect(";");
}

/// `.align 4 .b8 name[4][2] = {…}, …;` after the state space.
Error Parser::parseVariables(Space space, Linkage linkage, bool inFunction) {
  uint64_t alignment = 0;
  unsigned lanes = 1;
  std::optional<Type> type;
  while (token.kind == Token::Modifier) {
    if (token.isModifier(".align")) {
      if (Error error = parseAlignment(alignment))
        return error;
      continue;
    }
    if (token.isModifier(".attribute")) {
      if (Error error = advance())
        return error;
      while (!token.is(")")) {
        if (token.kind == Token::End || token.is(";"))
          return unexpected("')'");
        if (Error error = advance())
          return error;
      }
    } else if (token.isModifier(".v2") || token.isModifier(".v4")) {
      lanes = token.text[2] - '0';
    } else if ((type = parseType(token.text))) {
      if (!isRegisterType(*type) || *type == Type::Pred)
        return fail("'" + token.text + "' is not a type of variables");
    } else {
      return fail("'" + token.text + "' is not known in a declaration");
    }
    if (Error error = advance())
      return error;
  }
  if (!type)
    return unexpected("a type");
  for (;;) {
    if (token.kind != Token::Identifier)
      return unexpected("a variable's name");
    auto variable = std::make_unique<Variable>();
    variable->name = token.text.str();
    variable->location = token.location;
    variable->space = space;
    variable->type = *type;
    variable->isExtern = linkage.isExtern;
    uint64_t element = typeBytes(*type) * lanes;
    variable->alignment = alignment ? alignment : element;
    variable->elementBytes = element;
    StringRef name = token.text;
    if (Error error = advance())
      return error;
    // `.param .b32 x<4>` and the like exist for registers only.
    uint64_t count = 1;
    bool unsized = false;
    while (token.is("[")) {
      variable->isArray = true;
      if (Error error = advance())
        return error;
      if (token.is("]")) {
        unsized = true;
      } else {
        uint64_t extent;
        if (Error error = parseCount(extent, maxVariableBytes, "the array's size"))
          return error;
        count *= extent;
        if (count > maxVariableBytes)
          return fail("the array is too large");
      }
      if (Error error = expect("]"))
        return error;
    }
    variable->bytes = unsized ? 0 : count * element;
    if (variable->bytes > maxVariableBytes)
      return fail("the variable is too large");
    if (token.is("=")) {
      if (space != Space::Global && space != Space::Const)
        return fail("only .global and .const variables have initialisers");
      if (Error error = advance())
        return error;
      if (Error error = parseInitializer(*variable))
        return error;
    } else if (unsized && !linkage.isExtern) {
      return fail("an array without a size needs .extern or an initialiser");
    }
    Symbol symbol{Symbol::Variable};
    symbol.variable = variable.get();
    // A later definition of an extern variable takes its place.
    if (!inFunction && scopes.back().symbols.count(name)) {
      Symbol old = scopes.back().symbols[name];
      if (old.kind != Symbol::Variable || !old.variable->isExtern)
        return failAt(variable->location, "'" + name + "' is declared twice");
      if (!linkage.isExtern) {
        // Earlier uses refer to the declaration: define it in place.
        for (auto &existing : module.variables)
          if (existing.get() == old.variable)
            *existing = std::move(*variable);
      }
    } else {
      if (Error error = declare(name, symbol, variable->location))
        return error;
      (inFunction ? function->variables : module.variables).push_back(std::move(variable));
    }
    if (!token.is(","))
      break;
    if (Error error = advance())
      return error;
  }
  return expect(";");
}

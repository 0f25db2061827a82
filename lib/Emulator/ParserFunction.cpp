// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions: .entry and .func, their parameters and performance-tuning directives (PTX
// ISA 11.2, 11.4).

#include "Parser.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

/// `(.param .align 8 .b8 name[16], .reg .b32 %r)`.
Error Parser::parseParameters(Function &target, bool results) {
  if (Error error = expect("("))
    return error;
  auto &list = results ? target.results : target.parameters;
  auto &registers = results ? target.resultRegisters : target.parameterRegisters;
  while (!token.is(")")) {
    bool isRegister = token.isModifier(".reg");
    if (!isRegister && !token.isModifier(".param"))
      return unexpected("'.param'");
    if (isRegister && target.isEntry)
      return fail("a kernel's parameters are .param");
    if (Error error = advance())
      return error;
    auto variable = std::make_unique<Variable>();
    variable->space = Space::Param;
    std::optional<Type> type;
    uint64_t alignment = 0;
    unsigned lanes = 1;
    while (token.kind == Token::Modifier) {
      if (isRegister && lanes == 1 && (token.isModifier(".v2") || token.isModifier(".v4"))) {
        if (Error error = parseVectorLanes(lanes))
          return error;
        continue;
      }
      if (token.isModifier(".align")) {
        if (Error error = parseAlignment(alignment))
          return error;
        continue;
      }
      // `.ptr .global .align 16` says what a pointer points to.
      if (token.isModifier(".ptr")) {
        if (Error error = advance())
          return error;
        while (token.kind == Token::Modifier) {
          uint64_t ignored;
          if (token.isModifier(".align")) {
            if (Error error = parseAlignment(ignored))
              return error;
            continue;
          }
          if (Error error = advance())
            return error;
        }
        continue;
      }
      type = parseType(token.text);
      if (!type || !isRegisterType(*type))
        return fail("'" + token.text + "' is not known in a parameter");
      if (Error error = advance())
        return error;
    }
    if (!type)
      return unexpected("a type");
    if (lanes > 1 && (*type == Type::Pred || typeBits(*type) * lanes > 128))
      return fail("there are no vectors of " + llvm::Twine(lanes) + " of '" + typeName(*type) +
                  "'");
    if (token.kind != Token::Identifier)
      return unexpected("a parameter's name");
    variable->name = token.text.str();
    variable->location = token.location;
    variable->type = *type;
    variable->bytes = typeBytes(*type);
    variable->alignment = alignment ? alignment : variable->bytes;
    StringRef name = token.text;
    if (Error error = advance())
      return error;
    if (token.is("[")) {
      variable->isArray = true;
      if (Error error = advance())
        return error;
      uint64_t count = 0;
      if (!token.is("]"))
        if (Error error = parseCount(count, 1 << 20, "the parameter's size"))
          return error;
      variable->bytes *= count;
      if (Error error = expect("]"))
        return error;
    }
    Symbol symbol{isRegister ? Symbol::Register : Symbol::Variable};
    registers.push_back(-1);
    if (isRegister) {
      symbol.reg = addRegister(target, variable->name, *type, lanes);
      registers.back() = symbol.reg;
    }
    symbol.variable = variable.get();
    if (name != "_")
      if (Error error = declare(name, symbol, variable->location))
        return error;
    list.push_back(variable.get());
    target.variables.push_back(std::move(variable));
    if (token.is(",")) {
      if (Error error = advance())
        return error;
      if (token.is(")"))
        return unexpected("a parameter");
    } else if (!token.is(")")) {
      return unexpected("',' or ')'");
    }
  }
  return expect(")");
}

/// What stands between the parameters and the body.
Error Parser::parsePerformanceDirectives(Function &target) {
  while (token.kind == Token::Modifier) {
    StringRef name = token.text;
    unsigned most = llvm::StringSwitch<unsigned>(name)
                        .Cases({".maxntid", ".reqntid", ".reqnctapercluster"}, 3)
                        .Cases({".minnctapersm", ".maxnctapersm", ".maxnreg", ".maxclusterrank"}, 1)
                        .Cases({".noreturn", ".explicitcluster", ".blocksareclusters"}, 0)
                        .Cases({".abi_preserve", ".abi_preserve_control"}, 1)
                        .Case(".pragma", 8)
                        .Default(99);
    if (most == 99)
      return fail("directive '" + name + "' is not supported here");
    if (Error error = advance())
      return error;
    if (name == ".pragma") {
      if (Error error = skipDirective())
        return error;
      continue;
    }
    for (unsigned index = 0; index != most; ++index) {
      uint64_t value;
      if (Error error = parseCount(value, 1u << 31, "the number"))
        return error;
      if (name == ".maxntid" || name == ".reqntid")
        (name == ".maxntid" ? target.maximumThreads : target.requiredThreads)[index] = value;
      if (!token.is(","))
        break;
      if (Error error = advance())
        return error;
    }
  }
  return Error::success();
}

Error Parser::parseFunction(Linkage linkage, bool isEntry) {
  auto owned = std::make_unique<Function>();
  Function &target = *owned;
  target.isEntry = isEntry;
  function = &target;
  pushScope();
  if (token.isModifier(".attribute"))
    return fail("function attributes are not supported");
  if (!isEntry && token.is("("))
    if (Error error = parseParameters(target, true))
      return error;
  if (token.kind != Token::Identifier)
    return unexpected("a function's name");
  StringRef name = token.text;
  target.name = name.str();
  target.location = token.location;
  if (Error error = advance())
    return error;
  if (token.is("("))
    if (Error error = parseParameters(target, false))
      return error;
  if (Error error = parsePerformanceDirectives(target))
    return error;

  // A definition takes the place of its declaration, which calls may already refer to.
  Function *declared = nullptr;
  auto found = scopes.front().symbols.find(name);
  if (found != scopes.front().symbols.end()) {
    declared = found->second.function;
    if (!declared || declared->hasBody)
      return failAt(target.location, "'" + name + "' is declared twice");
    if (declared->isEntry != isEntry || declared->parameters.size() != target.parameters.size() ||
        declared->results.size() != target.results.size())
      return failAt(target.location, "'" + name + "' differs from its declaration");
  } else {
    Symbol symbol{Symbol::Function};
    symbol.function = &target;
    scopes.front().symbols[name] = symbol;
    declared = &target;
    target.address = functionWindow + (module.functions.size() + 1) * functionStride;
    module.functions.push_back(std::move(owned));
  }
  target.address = declared->address;
  if (token.is("{")) {
    if (linkage.isExtern)
      return fail("an .extern function has no body");
    target.hasBody = true;
    if (Error error = parseBody())
      return error;
    if (declared != &target)
      *declared = std::move(target);
  } else if (Error error = expect(";")) {
    return error;
  }
  popScope();
  function = nullptr;
  return Error::success();
}

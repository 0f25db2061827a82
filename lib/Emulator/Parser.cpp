// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Parser.h"

#include "llvm/ADT/StringExtras.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;
using llvm::Twine;

StringRef ptq::emulator::spaceName(Space space) {
  switch (space) {
  case Space::Generic:
    return "generic";
  case Space::Register:
    return "register";
  case Space::Param:
    return "param";
  case Space::Global:
    return "global";
  case Space::Const:
    return "const";
  case Space::Shared:
    return "shared";
  case Space::Local:
    return "local";
  }
  return "";
}

const Function *ParsedModule::findFunction(StringRef name) const {
  for (const auto &function : functions)
    if (function->name == name)
      return function.get();
  return nullptr;
}

const Label *Function::findLabel(StringRef name, unsigned scope) const {
  for (;; scope = scopeParents[scope]) {
    for (const Label &label : labels)
      if (label.scope == scope && label.name == name)
        return &label;
    if (scope == 0)
      return nullptr;
  }
}

llvm::Expected<std::unique_ptr<ParsedModule>> ptq::emulator::parseModule(StringRef text,
                                                                         StringRef file) {
  auto module = std::make_unique<ParsedModule>();
  module->file = file.str();
  module->text = text.str();
  if (Error error = Parser(*module).parse())
    return std::move(error);
  return std::move(module);
}

Error Parser::advance() {
  token = lexer.next();
  if (token.kind == Token::Invalid)
    return fail(lexer.error());
  return Error::success();
}

Error Parser::unexpected(StringRef wanted) {
  if (token.kind == Token::End)
    return fail("expected " + wanted + ", but the file ends");
  return fail("expected " + wanted + ", not '" + token.text + "'");
}

Error Parser::expect(StringRef punctuation) {
  if (!token.is(punctuation))
    return unexpected(("'" + punctuation + "'").str());
  return advance();
}

llvm::Expected<bool> Parser::consume(StringRef punctuation) {
  if (!token.is(punctuation))
    return false;
  if (Error error = advance())
    return std::move(error);
  return true;
}

void Parser::pushScope() {
  unsigned index = function ? function->scopeParents.size() : 0;
  if (function)
    function->scopeParents.push_back(scopes.size() > 1 ? scopes.back().index : 0);
  scopes.emplace_back();
  scopes.back().index = index;
}

void Parser::popScope() { scopes.pop_back(); }

std::optional<Parser::Symbol> Parser::lookup(StringRef name) const {
  for (size_t level = scopes.size(); level-- > 0;) {
    const Scope &scope = scopes[level];
    auto found = scope.symbols.find(name);
    if (found != scope.symbols.end())
      return found->second;
    for (const Scope::Range &range : scope.ranges) {
      StringRef digits = name;
      unsigned index;
      if (digits.consume_front(range.prefix) && !digits.empty() && llvm::isDigit(digits[0]) &&
          (digits[0] != '0' || digits.size() == 1) && !digits.getAsInteger(10, index) &&
          index < range.count) {
        Symbol symbol{Symbol::Register};
        symbol.reg = range.first + index * range.stride;
        return symbol;
      }
    }
  }
  return std::nullopt;
}

Error Parser::declare(StringRef name, Symbol symbol, SourceLocation location) {
  if (!scopes.back().symbols.try_emplace(name, symbol).second)
    return failAt(location, "'" + name + "' is declared twice");
  return Error::success();
}

Error Parser::parse() {
  scopes.emplace_back();
  if (Error error = advance())
    return error;
  if (Error error = parseHeader())
    return error;
  while (token.kind != Token::End)
    if (Error error = parseModuleItem())
      return error;
  return Error::success();
}

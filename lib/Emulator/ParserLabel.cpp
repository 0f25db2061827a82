// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Labels: places in the code, and what stands at a label for brx.idx and for calls through a
// pointer: .branchtargets, .calltargets, .callprototype (PTX ISA 11.3).

#include "Parser.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

/// After the label's name, at the colon.
Error Parser::parseLabel(const Token &name) {
  unsigned scope = scopes.back().index;
  for (const Label &label : function->labels)
    if (label.scope == scope && label.name == name.text)
      return failAt(name.location, "label '" + name.text + "' is declared twice");
  Label label;
  label.name = name.text;
  label.location = name.location;
  label.scope = scope;
  label.statement = function->statements.size();
  if (Error error = advance())
    return error;
  if (token.isModifier(".branchtargets")) {
    label.kind = Label::BranchTargets;
    if (Error error = parseTargets(label, "a label"))
      return error;
  } else if (token.isModifier(".calltargets")) {
    label.kind = Label::CallTargets;
    if (Error error = parseTargets(label, "a function"))
      return error;
  } else if (token.isModifier(".callprototype")) {
    label.kind = Label::CallPrototype;
    if (Error error = parsePrototype(label))
      return error;
  }
  function->labels.push_back(std::move(label));
  return Error::success();
}

Error Parser::parseTargets(Label &label, StringRef what) {
  do {
    if (Error error = advance())
      return error;
    if (token.kind != Token::Identifier)
      return unexpected(what);
    label.targets.push_back(token.text);
    if (Error error = advance())
      return error;
  } while (token.is(","));
  return expect(";");
}

/// `.callprototype (.param .b32 _) _ (.param .b64 _);` with either list absent.
Error Parser::parsePrototype(Label &label) {
  label.prototype = std::make_unique<Function>();
  Function &prototype = *label.prototype;
  prototype.location = token.location;
  // Its parameters' names, where it has any, are its own.
  pushScope();
  if (Error error = advance())
    return error;
  if (token.is("("))
    if (Error error = parseParameters(prototype, true))
      return error;
  if (token.kind != Token::Identifier || token.text != "_")
    return unexpected("'_'");
  if (Error error = advance())
    return error;
  if (token.is("("))
    if (Error error = parseParameters(prototype, false))
      return error;
  if (Error error = parsePerformanceDirectives(prototype))
    return error;
  popScope();
  return expect(";");
}

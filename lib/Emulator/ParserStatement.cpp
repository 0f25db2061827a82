// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bodies: statements, instructions, operands (PTX ISA 4.3, 6).

#include "Parser.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

static constexpr unsigned maxNesting = 64;

Error Parser::parseBody() {
  if (Error error = expect("{"))
    return error;
  if (++depth > maxNesting)
    return fail("scopes are nested too deeply");
  while (!token.is("}"))
    if (Error error = parseStatement())
      return error;
  --depth;
  return advance();
}

Error Parser::parseStatement() {
  if (token.is("{")) {
    pushScope();
    if (Error error = parseBody())
      return error;
    popScope();
    return Error::success();
  }
  if (token.is(";"))
    return advance();
  if (token.kind == Token::Modifier) {
    StringRef directive = token.text;
    SourceLocation location = token.location;
    if (directive == ".loc" || directive == ".file") {
      lexer.skipLine();
      return advance();
    }
    if (directive == ".section")
      return skipSection();
    if (directive == ".pragma")
      return skipDirective();
    if (Error error = advance())
      return error;
    if (directive == ".reg")
      return parseRegisters();
    if (directive == ".shared" || directive == ".local" || directive == ".param" ||
        directive == ".global" || directive == ".const") {
      Space space = directive == ".shared"   ? Space::Shared
                    : directive == ".local"  ? Space::Local
                    : directive == ".param"  ? Space::Param
                    : directive == ".global" ? Space::Global
                                             : Space::Const;
      return parseVariables(space, {}, true);
    }
    if (directive == ".extern" && token.isModifier(".shared")) {
      if (Error error = advance())
        return error;
      Linkage linkage;
      linkage.isExtern = true;
      return parseVariables(Space::Shared, linkage, true);
    }
    return failAt(location, "directive '" + directive + "' is not supported here");
  }
  if (token.kind == Token::Identifier) {
    Lexer::Mark mark = lexer.mark();
    Token name = token;
    if (Error error = advance())
      return error;
    if (token.is(":"))
      return parseLabel(name);
    lexer.reset(mark);
    token = name;
    return parseInstruction();
  }
  if (token.is("@"))
    return parseInstruction();
  return unexpected("a statement");
}

Error Parser::parseInstruction() {
  Statement statement;
  statement.scope = scopes.back().index;
  if (token.is("@")) {
    if (Error error = advance())
      return error;
    if (token.is("!")) {
      statement.guardNegated = true;
      if (Error error = advance())
        return error;
    }
    auto symbol = token.kind == Token::Identifier ? lookup(token.text) : std::nullopt;
    if (!symbol || symbol->kind != Symbol::Register)
      return fail("'" + token.text + "' is not a declared predicate");
    if (function->registers[symbol->reg].type != Type::Pred)
      return fail("the guard '" + token.text + "' is not a .pred register");
    statement.guard = symbol->reg;
    if (Error error = advance())
      return error;
  }
  if (token.kind != Token::Identifier)
    return unexpected("an instruction");
  statement.location = token.location;
  statement.opcode = token.text;
  if (Error error = advance())
    return error;
  while (token.kind == Token::Modifier) {
    statement.modifiers.push_back({token.text, token.location});
    if (Error error = advance())
      return error;
  }
  while (!token.is(";")) {
    Operand operand;
    // What is in parentheses is the list of a call's arguments, or a constant.
    if (statement.opcode == "call" && token.is("(")) {
      operand.kind = Operand::List;
      operand.location = token.location;
      if (Error error = parseElements(operand, ")"))
        return error;
    } else if (Error error = parseOperand(operand)) {
      return error;
    }
    if (operand.kind == Operand::Register && token.is("+"))
      if (Error error = parseSum(operand, statement))
        return error;
    statement.operands.push_back(std::move(operand));
    if (token.is(",")) {
      if (Error error = advance())
        return error;
      if (token.is(";"))
        return unexpected("an operand");
    } else if (!token.is(";")) {
      return unexpected("',' or ';'");
    }
  }
  if (Error error = advance())
    return error;
  if (function->statements.size() >= (1u << 22))
    return failAt(statement.location, "the function is too long");
  function->statements.push_back(std::move(statement));
  return Error::success();
}

/// `r + 8` as an operand: an addition in front of the instruction, to a register of its own.
Error Parser::parseSum(Operand &operand, const Statement &statement) {
  Type type = function->registers[operand.reg].type;
  StringRef name = typeBits(type) == 64   ? ".u64"
                   : typeBits(type) == 32 ? ".u32"
                   : typeBits(type) == 16 ? ".u16"
                                          : "";
  if (isFloat(type) || name.empty() || operand.selector || operand.hasSecond || operand.negated)
    return fail("a constant can only be added to an integer register");
  Statement sum;
  sum.location = operand.location;
  sum.scope = statement.scope;
  sum.opcode = "add";
  sum.modifiers.push_back({name, operand.location});
  Operand constant;
  constant.kind = Operand::Integer;
  constant.location = token.location;
  if (Error error = parseConstantExpression(constant.value, 0, 0))
    return error;
  Operand result = operand;
  result.reg = addRegister(*function, operand.name, type, 1);
  sum.operands = {result, operand, constant};
  function->statements.push_back(std::move(sum));
  operand = std::move(result);
  return Error::success();
}

Error Parser::parseElements(Operand &operand, StringRef close) {
  if (++depth > maxNesting)
    return fail("operands are nested too deeply");
  if (Error error = advance())
    return error;
  while (!token.is(close)) {
    Operand element;
    if (Error error = parseOperand(element))
      return error;
    operand.elements.push_back(std::move(element));
    if (token.is(",")) {
      if (Error error = advance())
        return error;
    } else if (!token.is(close)) {
      return unexpected(close == "}" ? "',' or '}'" : "',' or ')'");
    }
  }
  --depth;
  return advance();
}

Error Parser::parseOperand(Operand &operand) {
  operand.location = token.location;
  if (token.is("[")) {
    operand.kind = Operand::Address;
    return parseAddress(operand);
  }
  if (token.is("{")) {
    operand.kind = Operand::Vector;
    return parseElements(operand, "}");
  }
  if (token.is("!")) {
    operand.negated = true;
    if (Error error = advance())
      return error;
    if (token.kind != Token::Identifier)
      return unexpected("a predicate");
  }
  if (token.kind == Token::Identifier && token.text != "WARP_SZ")
    return parseName(operand);
  if (token.kind == Token::Float32 || token.kind == Token::Float64) {
    operand.kind = token.kind == Token::Float32 ? Operand::Float32 : Operand::Float64;
    operand.value = token.value;
    return advance();
  }
  return parseConstant(operand);
}

/// `|q` of `p|q`.
Error Parser::parseSecond(Operand &operand) {
  if (Error error = advance())
    return error;
  operand.hasSecond = true;
  if (token.kind == Token::Identifier && token.text != "_") {
    auto second = lookup(token.text);
    if (!second || second->kind != Symbol::Register)
      return fail("'" + token.text + "' is not a declared register");
    operand.second = second->reg;
  } else if (token.kind != Token::Identifier) {
    return unexpected("a predicate");
  }
  return advance();
}

/// `array[3]`: a constant number of elements from its start.
Error Parser::parseSubscript(Operand &operand) {
  if (!operand.variable->isArray)
    return fail("'" + operand.name + "' is not an array");
  if (Error error = advance())
    return error;
  if (token.kind == Token::Identifier && lookup(token.text))
    return fail("an array's index in a register is not supported: compute the address");
  uint64_t index;
  if (Error error = parseConstantExpression(index, 0, 0))
    return error;
  operand.isElement = true;
  operand.value = index * operand.variable->elementBytes;
  return expect("]");
}

/// A scalar register, an element of a vector (`v.x`), or a vector: all its elements.
Error Parser::parseRegister(Operand &operand, unsigned index) {
  unsigned lanes = function->registers[index].vectorLanes;
  operand.kind = Operand::Register;
  operand.reg = index;
  if (token.kind == Token::Modifier) {
    operand.selector = lanes == 1 ? llvm::StringSwitch<uint8_t>(token.text)
                                        .Case(".b0", 1)
                                        .Case(".b1", 2)
                                        .Case(".b2", 3)
                                        .Case(".b3", 4)
                                        .Case(".h0", 5)
                                        .Case(".h1", 6)
                                        .Default(0)
                                  : 0;
    if (operand.selector)
      return advance();
    size_t at = StringRef(".x.y.z.w.r.g.b.a").find(token.text);
    unsigned lane = at / 2 % 4;
    if (token.text.size() != 2 || at == StringRef::npos || at % 2 || lanes == 1 || lane >= lanes)
      return fail("'" + operand.name + "' has no element '" + token.text + "'");
    operand.reg = index + 1 + lane;
    return advance();
  }
  if (lanes == 1)
    return Error::success();
  operand.kind = Operand::Vector;
  for (unsigned lane = 0; lane != lanes; ++lane) {
    Operand element;
    element.kind = Operand::Register;
    element.location = operand.location;
    element.name = operand.name;
    element.reg = index + 1 + lane;
    operand.elements.push_back(std::move(element));
  }
  return Error::success();
}

/// A name: a register, a special register, a variable, a function, or a label.
Error Parser::parseName(Operand &operand) {
  operand.name = token.text;
  if (token.text == "_") {
    operand.kind = Operand::Sink;
    if (Error error = advance())
      return error;
    return token.is("|") ? parseSecond(operand) : Error::success();
  }
  auto symbol = lookup(token.text);
  if (Error error = advance())
    return error;
  if (symbol && symbol->kind == Symbol::Register) {
    if (Error error = parseRegister(operand, symbol->reg))
      return error;
    return token.is("|") ? parseSecond(operand) : Error::success();
  }
  if (symbol && symbol->kind == Symbol::Function) {
    operand.kind = Operand::Function;
    operand.function = symbol->function;
    return Error::success();
  }
  if (symbol) {
    operand.kind = Operand::Variable;
    operand.variable = symbol->variable;
    if (token.is("["))
      return parseSubscript(operand);
    if (token.is("+") || token.is("-"))
      return parseConstantExpression(operand.value, 0, 0);
    return Error::success();
  }
  if (operand.name.starts_with("%")) {
    operand.kind = Operand::Special;
    if (token.kind == Token::Modifier) {
      if (token.text.data() != operand.name.end())
        return fail("an element of a special register follows its name directly");
      operand.name = StringRef(operand.name.data(), operand.name.size() + token.text.size());
      return advance();
    }
    return Error::success();
  }
  operand.kind = Operand::Label;
  return Error::success();
}

/// `[reg]`, `[reg+imm]`, `[variable+imm]`, `[imm]`, `[reg, {coordinates}]`.
Error Parser::parseAddress(Operand &operand) {
  if (Error error = advance())
    return error;
  if (token.kind == Token::Identifier) {
    Operand base;
    base.location = token.location;
    auto symbol = lookup(token.text);
    base.name = token.text;
    if (!symbol || symbol->kind == Symbol::Function)
      return fail("'" + token.text + "' is not a declared register or variable");
    if (symbol->kind == Symbol::Register) {
      base.kind = Operand::Register;
      base.reg = symbol->reg;
    } else {
      base.kind = Operand::Variable;
      base.variable = symbol->variable;
    }
    operand.elements.push_back(std::move(base));
    if (Error error = advance())
      return error;
    if (token.is("+") || token.is("-")) {
      bool plus = token.is("+");
      if (plus)
        if (Error error = advance())
          return error;
      if (Error error = parseConstantExpression(operand.value, 0, 0))
        return error;
    } else if (token.is(",")) {
      if (Error error = advance())
        return error;
      if (!token.is("{"))
        return unexpected("'{'");
      Operand coordinates;
      if (Error error = parseOperand(coordinates))
        return error;
      operand.elements.push_back(std::move(coordinates));
    }
  } else if (Error error = parseConstantExpression(operand.value, 0, 0)) {
    return error;
  }
  return expect("]");
}

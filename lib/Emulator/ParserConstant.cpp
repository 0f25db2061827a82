// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constant expressions (PTX ISA 4.5).

#include "Parser.h"

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

static constexpr unsigned maxNesting = 64;

Error Parser::parseConstant(Operand &operand) {
  bool negative = token.is("-");
  Lexer::Mark mark = lexer.mark();
  Token first = token;
  if (negative) {
    if (Error error = advance())
      return error;
    if (token.kind == Token::Float32 || token.kind == Token::Float64) {
      bool single = token.kind == Token::Float32;
      operand.kind = single ? Operand::Float32 : Operand::Float64;
      operand.value = token.value ^ (single ? uint64_t(1) << 31 : uint64_t(1) << 63);
      return advance();
    }
    lexer.reset(mark);
    token = first;
  }
  operand.kind = Operand::Integer;
  operand.isUnsigned = token.kind == Token::Integer && token.isUnsigned;
  return parseConstantExpression(operand.value, 0, 0);
}

static unsigned precedence(const Token &token) {
  if (token.kind != Token::Punctuation)
    return 0;
  if (token.text == "*" || token.text == "/" || token.text == "%")
    return 6;
  if (token.text == "+" || token.text == "-")
    return 5;
  if (token.text == "<<" || token.text == ">>")
    return 4;
  if (token.text == "&")
    return 3;
  if (token.text == "^")
    return 2;
  return 0;
}

Error Parser::parseConstantPrimary(uint64_t &value, unsigned nesting) {
  if (nesting > maxNesting)
    return fail("the expression is nested too deeply");
  if (token.is("-") || token.is("~") || token.is("+") || token.is("!")) {
    char op = token.text[0];
    if (Error error = advance())
      return error;
    if (Error error = parseConstantPrimary(value, nesting + 1))
      return error;
    value = op == '-' ? 0 - value : op == '~' ? ~value : op == '!' ? value == 0 : value;
    return Error::success();
  }
  if (token.is("(")) {
    if (Error error = advance())
      return error;
    if (Error error = parseConstantExpression(value, 0, nesting + 1))
      return error;
    return expect(")");
  }
  if (token.kind == Token::Identifier && token.text == "WARP_SZ")
    value = 32;
  else if (token.kind == Token::Integer)
    value = token.value;
  else
    return unexpected("an operand");
  return advance();
}

Error Parser::parseConstantExpression(uint64_t &value, unsigned minimum, unsigned nesting) {
  if (Error error = parseConstantPrimary(value, nesting))
    return error;
  for (unsigned level; (level = precedence(token)) > minimum;) {
    StringRef op = token.text;
    SourceLocation location = token.location;
    if (Error error = advance())
      return error;
    uint64_t right;
    if (Error error = parseConstantExpression(right, level, nesting + 1))
      return error;
    if ((op == "/" || op == "%") && right == 0)
      return failAt(location, "division by zero");
    value = op == "*"    ? value * right
            : op == "/"  ? value / right
            : op == "%"  ? value % right
            : op == "+"  ? value + right
            : op == "-"  ? value - right
            : op == "<<" ? (right < 64 ? value << right : 0)
            : op == ">>" ? (right < 64 ? value >> right : 0)
            : op == "&"  ? value & right
                         : value ^ right;
  }
  return Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Initial values of variables (PTX ISA 5.4.4, 5.4.5).

#include "Parser.h"

#include <cstring>

using namespace ptq::emulator;
using llvm::Error;
using llvm::StringRef;

/// Keeps a malformed file from asking for all memory.
static constexpr uint64_t maxVariableBytes = uint64_t(1) << 31;

Error Parser::parseInitializer(Variable &variable) {
  uint64_t offset = 0;
  if (token.is("{")) {
    // Braces of inner dimensions start no new row that is not full: nvcc and LLVM write flat lists.
    unsigned open = 0;
    do {
      if (token.is("{")) {
        ++open;
        if (Error error = advance())
          return error;
        continue;
      }
      if (token.is("}")) {
        --open;
        if (Error error = advance())
          return error;
        continue;
      }
      if (token.is(",")) {
        if (Error error = advance())
          return error;
        continue;
      }
      if (token.kind == Token::End)
        return unexpected("'}'");
      if (Error error = parseInitializerValue(variable, offset))
        return error;
    } while (open);
  } else if (Error error = parseInitializerValue(variable, offset)) {
    return error;
  }
  if (variable.bytes == 0)
    variable.bytes = variable.initializer.size();
  if (variable.initializer.size() > variable.bytes)
    return failAt(variable.location,
                  "'" + llvm::Twine(variable.name) + "' has more initial values than elements");
  variable.initializer.resize(variable.bytes);
  return Error::success();
}

Error Parser::parseInitializerValue(Variable &variable, uint64_t &offset) {
  unsigned bytes = typeBytes(variable.type);
  if (offset + bytes > maxVariableBytes)
    return fail("the initialiser is too large");
  variable.initializer.resize(offset + bytes);
  uint64_t value = 0;
  // mask(symbol): `0xFF(symbol)`, `0xFF00(symbol)`: one byte of an address (PTX ISA 5.4.5).
  bool negative = token.is("-");
  Lexer::Mark mark = lexer.mark();
  Token first = token;
  if (negative)
    if (Error error = advance())
      return error;
  if (token.kind == Token::Float32 || token.kind == Token::Float64) {
    if (!isFloat(variable.type) && !isUntyped(variable.type))
      return fail("a floating-point value for an integer variable");
    value = token.value;
    double number;
    std::memcpy(&number, &value, 8);
    if (token.kind == Token::Float64 && bytes == 4) {
      float single = static_cast<float>(number);
      uint32_t bits;
      std::memcpy(&bits, &single, 4);
      value = bits;
    }
    if (negative)
      value ^= uint64_t(1) << (bytes * 8 - 1);
    if (Error error = advance())
      return error;
  } else if (token.kind == Token::Identifier && token.text != "WARP_SZ") {
    bool generic = token.text == "generic";
    if (generic) {
      if (Error error = advance())
        return error;
      if (Error error = expect("("))
        return error;
    }
    auto symbol = token.kind == Token::Identifier ? lookup(token.text) : std::nullopt;
    if (!symbol)
      return fail("'" + token.text + "' is not declared");
    if (symbol->kind == Symbol::Register)
      return fail("an initialiser cannot be a register");
    if (Error error = advance())
      return error;
    uint64_t addend = 0;
    if (token.is("+") || token.is("-"))
      if (Error error = parseConstantExpression(addend, 0, 0))
        return error;
    if (generic)
      if (Error error = expect(")"))
        return error;
    variable.relocations.push_back({offset, bytes, symbol->variable, symbol->function,
                                    static_cast<int64_t>(addend), generic});
  } else {
    lexer.reset(mark);
    token = first;
    if (Error error = parseConstantExpression(value, 0, 0))
      return error;
    if (token.is("("))
      return fail("byte masks of addresses are not supported");
    if (isFloat(variable.type))
      return fail("an integer value for a floating-point variable");
  }
  std::memcpy(variable.initializer.data() + offset, &value, std::min(bytes, 8u));
  offset += bytes;
  return Error::success();
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Lexer.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdlib>
#include <cstring>

using namespace ptq::emulator;
using llvm::StringRef;

llvm::Error ptq::emulator::errorAt(StringRef file, SourceLocation location,
                                   const llvm::Twine &message) {
  return llvm::createStringError(file + ":" + llvm::Twine(location.line) + ":" +
                                 llvm::Twine(location.column) + ": " + message);
}

static bool isIdentifierStart(char c) {
  return llvm::isAlpha(c) || c == '_' || c == '$' || c == '%';
}
static bool isIdentifierBody(char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; }

void Lexer::skipLine() {
  while (position < text.size() && text[position] != '\n')
    ++position;
}

void Lexer::skipBlank() {
  while (position < text.size()) {
    char c = text[position];
    if (c == '\n') {
      ++line;
      lineStart = ++position;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++position;
    } else if (c == '/' && peek(1) == '/') {
      skipLine();
    } else if (c == '/' && peek(1) == '*') {
      size_t end = text.find("*/", position + 2);
      if (end == StringRef::npos)
        end = text.size();
      else
        end += 2;
      for (; position < end; ++position)
        if (text[position] == '\n') {
          ++line;
          lineStart = position + 1;
        }
    } else if (c == '#' || (c == '\0' && position + 1 == text.size())) {
      skipLine();
    } else {
      break;
    }
  }
}

Token Lexer::invalid(Token token, StringRef reason) {
  token.kind = Token::Invalid;
  message = reason;
  return token;
}

/// PTX ISA 4.5: decimal, 0x, 0b and octal integers with an optional U; 0f and 0d with the bits in
/// hex; decimal floats.
Token Lexer::number(Token token) {
  size_t begin = position;
  auto hexDigits = [&](unsigned count, Token::Kind kind) {
    position += 2;
    StringRef digits = text.substr(position, count);
    if (digits.size() != count || !llvm::all_of(digits, llvm::isHexDigit) ||
        llvm::isHexDigit(peek(count)))
      return invalid(token, kind == Token::Float32 ? "0f needs 8 hexadecimal digits"
                                                   : "0d needs 16 hexadecimal digits");
    position += count;
    digits.getAsInteger(16, token.value);
    token.kind = kind;
    token.text = text.slice(begin, position);
    return token;
  };
  char second = llvm::toLower(peek(1));
  if (peek() == '0' && second == 'f')
    return hexDigits(8, Token::Float32);
  if (peek() == '0' && second == 'd')
    return hexDigits(16, Token::Float64);
  unsigned radix = 10;
  if (peek() == '0' && (second == 'x' || second == 'b')) {
    radix = second == 'x' ? 16 : 2;
    position += 2;
  }
  size_t digitsBegin = position;
  while (radix == 16 ? llvm::isHexDigit(peek()) : llvm::isDigit(peek()))
    ++position;
  bool isFloat = false;
  if (radix == 10) {
    if (peek() == '.' && llvm::isDigit(peek(1))) {
      isFloat = true;
      ++position;
      while (llvm::isDigit(peek()))
        ++position;
    } else if (peek() == '.' && !isIdentifierStart(peek(1))) {
      isFloat = true;
      ++position;
    }
    bool exponent =
        (peek() == 'e' || peek() == 'E') &&
        (llvm::isDigit(peek(1)) || ((peek(1) == '+' || peek(1) == '-') && llvm::isDigit(peek(2))));
    if (exponent) {
      isFloat = true;
      position += 2;
      while (llvm::isDigit(peek()))
        ++position;
    }
  }
  StringRef digits = text.slice(digitsBegin, position);
  if (isFloat) {
    token.kind = Token::Float64;
    double value = std::strtod(digits.str().c_str(), nullptr);
    std::memcpy(&token.value, &value, sizeof(value));
  } else {
    if (radix == 10 && digits.size() > 1 && digits[0] == '0')
      radix = 8;
    if (digits.empty() || digits.getAsInteger(radix, token.value))
      return invalid(token, "not a number, or an integer of more than 64 bits");
    token.kind = Token::Integer;
    if (peek() == 'U' || peek() == 'u') {
      token.isUnsigned = true;
      ++position;
    }
  }
  if (isIdentifierBody(peek()))
    return invalid(token, "a number is followed by a letter");
  token.text = text.slice(begin, position);
  return token;
}

Token Lexer::next() {
  skipBlank();
  Token token;
  token.location = {line, static_cast<unsigned>(position - lineStart + 1)};
  if (position >= text.size())
    return token;
  size_t begin = position;
  char c = text[position];
  if (llvm::isDigit(c))
    return number(token);
  if (isIdentifierStart(c)) {
    ++position;
    while (isIdentifierBody(peek()))
      ++position;
    token.kind = Token::Identifier;
  } else if (c == '.' && (isIdentifierBody(peek(1)))) {
    ++position;
    while (isIdentifierBody(peek()) ||
           (peek() == ':' && peek(1) == ':' && isIdentifierBody(peek(2)))) {
      position += peek() == ':' ? 2 : 1;
    }
    token.kind = Token::Modifier;
  } else if (c == '"') {
    size_t end = position + 1;
    while (end < text.size() && text[end] != '"' && text[end] != '\n')
      end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size() || text[end] != '"')
      return invalid(token, "a string without its closing quote");
    position = end + 1;
    token.kind = Token::String;
  } else if (StringRef("{}()[]<>,;:@!|+-*/%=&^~?.").contains(c)) {
    position += (c == '<' && peek(1) == '<') || (c == '>' && peek(1) == '>') ? 2 : 1;
    token.kind = Token::Punctuation;
  } else {
    ++position;
    return invalid(token, "a character that PTX does not have");
  }
  token.text = text.slice(begin, position);
  return token;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX text to tokens (PTX ISA 4.1 to 4.5).
//
#ifndef PTQ_LIB_EMULATOR_LEXER_H
#define PTQ_LIB_EMULATOR_LEXER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace ptq::emulator {

struct SourceLocation {
  unsigned line = 0, column = 0;
};

/// "name:line:column: message".
llvm::Error errorAt(llvm::StringRef file, SourceLocation location, const llvm::Twine &message);

struct Token {
  enum Kind { End, Identifier, Modifier, Integer, Float32, Float64, String, Punctuation, Invalid };
  Kind kind = End;
  /// As written. A Modifier (".u32", ".L2::128B") keeps its dot.
  llvm::StringRef text;
  SourceLocation location;
  /// Integer: the value modulo 2^64. Float32, Float64: the bits.
  uint64_t value = 0;
  /// Integer: written with the suffix U.
  bool isUnsigned = false;

  bool is(llvm::StringRef punctuation) const { return kind == Punctuation && text == punctuation; }
  bool isModifier(llvm::StringRef name) const { return kind == Modifier && text == name; }
};

/// Lexes on demand. A malformed token is Invalid, with the reason in error().
class Lexer {
public:
  explicit Lexer(llvm::StringRef text) : text(text) {}
  Token next();
  llvm::StringRef error() const { return message; }
  /// A point that the lexer can return to.
  struct Mark {
    size_t position;
    unsigned line;
    size_t lineStart;
  };
  Mark mark() const { return {position, line, lineStart}; }
  void reset(Mark mark) {
    position = mark.position;
    line = mark.line;
    lineStart = mark.lineStart;
  }
  /// Skips the rest of the line (for #line markers and .loc, whose operands vary).
  void skipLine();

private:
  void skipBlank();
  Token number(Token token);
  Token invalid(Token token, llvm::StringRef reason);
  char peek(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }

  llvm::StringRef text;
  size_t position = 0;
  unsigned line = 1;
  size_t lineStart = 0;
  llvm::StringRef message;
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_LEXER_H

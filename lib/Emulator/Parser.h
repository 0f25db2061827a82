// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recursive-descent parser for PTX modules. An `Error` of a method is final: the parser stops.
//
#ifndef PTQ_LIB_EMULATOR_PARSER_H
#define PTQ_LIB_EMULATOR_PARSER_H

#include "Syntax.h"

#include "llvm/ADT/StringMap.h"

namespace ptq::emulator {

class Parser {
public:
  Parser(ParsedModule &module) : module(module), lexer(module.text) {}
  llvm::Error parse();

private:
  using Error = llvm::Error;
  /// What a name means in a scope.
  struct Symbol {
    enum Kind { Register, Variable, Function } kind;
    unsigned reg = 0;
    const emulator::Variable *variable = nullptr;
    emulator::Function *function = nullptr;
  };
  struct Scope {
    llvm::StringMap<Symbol> symbols;
    /// `%r<10>`: names are not entered one by one.
    struct Range {
      llvm::StringRef prefix;
      unsigned first, count, stride;
    };
    std::vector<Range> ranges;
    unsigned index;
  };
  struct Linkage {
    bool isExtern = false, isWeak = false, isVisible = false, isCommon = false;
  };

  // Tokens.
  Error advance();
  Error fail(const llvm::Twine &message) { return errorAt(module.file, token.location, message); }
  Error failAt(SourceLocation location, const llvm::Twine &message) {
    return errorAt(module.file, location, message);
  }
  Error expect(llvm::StringRef punctuation);
  llvm::Expected<bool> consume(llvm::StringRef punctuation);
  Error unexpected(llvm::StringRef wanted);

  // Directives (ParserDirectives.cpp).
  Error parseHeader();
  Error parseModuleItem();
  Error skipDirective();
  Error skipSection();
  Error parseFunction(Linkage linkage, bool isEntry);
  Error parseParameters(Function &function, bool results);
  Error parsePerformanceDirectives(Function &function);
  Error parseRegisters();
  /// Adds a register, with its elements if it is a vector.
  unsigned addRegister(Function &function, llvm::StringRef name, Type type, unsigned lanes);
  Error parseVectorLanes(unsigned &lanes);
  Error parseVariables(Space space, Linkage linkage, bool inFunction);
  Error parseInitializer(Variable &variable);
  Error parseInitializerValue(Variable &variable, uint64_t &offset);
  Error parseAlignment(uint64_t &alignment);
  Error parseCount(uint64_t &count, uint64_t limit, llvm::StringRef what);

  // Bodies (ParserStatement.cpp).
  Error parseBody();
  Error parseStatement();
  Error parseLabel(const Token &name);
  Error parseTargets(Label &label, llvm::StringRef what);
  Error parsePrototype(Label &label);
  Error parseInstruction();
  Error parseOperand(Operand &operand);
  Error parseSum(Operand &operand, const Statement &statement);
  Error parseAddress(Operand &operand);
  Error parseElements(Operand &operand, llvm::StringRef close);
  Error parseName(Operand &operand);
  Error parseSubscript(Operand &operand);
  Error parseRegister(Operand &operand, unsigned reg);
  Error parseSecond(Operand &operand);

  // Constants (ParserConstant.cpp).
  Error parseConstant(Operand &operand);
  Error parseConstantExpression(uint64_t &value, unsigned minimum, unsigned depth);
  Error parseConstantPrimary(uint64_t &value, unsigned depth);

  // Names.
  std::optional<Symbol> lookup(llvm::StringRef name) const;
  Error declare(llvm::StringRef name, Symbol symbol, SourceLocation location);
  void pushScope();
  void popScope();

  ParsedModule &module;
  Lexer lexer;
  Token token;
  /// The module's scope, then the function's, nested ones last.
  std::vector<Scope> scopes;
  Function *function = nullptr;
  unsigned depth = 0;
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_PARSER_H

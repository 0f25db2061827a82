// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A PTX module as it is written: directives, functions and instructions, names resolved, nothing
// decoded.
//
#ifndef PTQ_LIB_EMULATOR_SYNTAX_H
#define PTQ_LIB_EMULATOR_SYNTAX_H

#include "Lexer.h"
#include "ptq/Emulator/Type.h"

#include <memory>
#include <string>
#include <vector>

namespace ptq::emulator {

enum class Space : uint8_t { Generic, Register, Param, Global, Const, Shared, Local };
llvm::StringRef spaceName(Space space);

struct Function;
struct Variable;

/// A value in an initialiser that is an address: `bytes` bytes at `offset` become the address of
/// `variable`, or of `function`, plus `addend`.
struct Relocation {
  uint64_t offset;
  unsigned bytes;
  const Variable *variable;
  const Function *function;
  int64_t addend;
  bool generic;
};

/// A variable in memory: module scope, function scope, or a parameter.
struct Variable {
  std::string name;
  SourceLocation location;
  Space space = Space::Global;
  Type type = Type::B8;
  uint64_t alignment = 1;
  uint64_t elementBytes = 1;
  /// Bytes in all, 0 for an extern array of unknown length.
  uint64_t bytes = 0;
  bool isExtern = false;
  /// An array (`x[4]`) or a scalar: how parameters are passed.
  bool isArray = false;
  /// Empty: zero (global, const) or undefined (shared, local).
  std::vector<uint8_t> initializer;
  std::vector<Relocation> relocations;
};

/// A declared register. One of .v2 or .v4 is a name for its elements: that many scalar registers,
/// which follow it.
struct Register {
  std::string name;
  Type type;
  unsigned vectorLanes = 1;
};

struct Operand {
  enum Kind {
    Register,
    Special,  // %tid.x and the like: `name`
    Integer,  // `value`
    Float32,  // `value`: bits
    Float64,  // `value`: bits; a decimal literal is one too
    Variable, // the address of a variable, + `value`
    Function, // a callee
    Label,    // `name`
    Address,  // [base + value]; base: elements[0] if any (a Register or a Variable)
    Vector,   // {a, b, …}, or a vector register, with a `name` then
    List,     // (a, b, …) of a call
    Sink,     // _
  };
  Kind kind = Sink;
  SourceLocation location;
  unsigned reg = 0;
  /// `p|q`: q's register, or -1 for the sink; only with hasSecond.
  bool hasSecond = false;
  int second = -1;
  /// `r.b0` to `r.b3`: 1 to 4; `r.h0`, `r.h1`: 5, 6.
  uint8_t selector = 0;
  /// `!p`.
  bool negated = false;
  /// Variable: `array[2]`, which is what lies there in ld and st, and its address elsewhere.
  bool isElement = false;
  /// Integer written with U, or above the signed range.
  bool isUnsigned = false;
  uint64_t value = 0;
  const emulator::Variable *variable = nullptr;
  const emulator::Function *function = nullptr;
  llvm::StringRef name;
  std::vector<Operand> elements;
};

struct Modifier {
  llvm::StringRef text;
  SourceLocation location;
};

struct Statement {
  SourceLocation location;
  int guard = -1;
  bool guardNegated = false;
  llvm::StringRef opcode;
  std::vector<Modifier> modifiers;
  std::vector<Operand> operands;
  /// The scope that its labels are looked up in.
  unsigned scope = 0;
};

/// A place, or a list or a prototype that branches and calls refer to.
struct Label {
  enum Kind {
    Place,
    BranchTargets, // `targets` are labels
    CallTargets,   // `targets` are functions
    CallPrototype, // `prototype`
  };
  llvm::StringRef name;
  SourceLocation location;
  unsigned scope;
  /// The index of the statement that it stands before.
  unsigned statement;
  Kind kind = Place;
  std::vector<llvm::StringRef> targets;
  /// Has parameters and results, no name and no body.
  std::unique_ptr<Function> prototype;
};

struct Function {
  std::string name;
  SourceLocation location;
  bool isEntry = false;
  bool hasBody = false;
  /// What a pointer to it holds.
  uint64_t address = 0;
  std::vector<const Variable *> parameters, results;
  /// Parameters and results that are registers (`.func (.reg .b32 r) f(.reg .b32 a)`): register
  /// index for each, or -1.
  std::vector<int> parameterRegisters, resultRegisters;
  std::vector<Register> registers;
  /// Everything declared in its body.
  std::vector<std::unique_ptr<Variable>> variables;
  std::vector<Statement> statements;
  std::vector<Label> labels;
  /// The enclosing scope of each scope; scope 0 is the body.
  std::vector<unsigned> scopeParents;
  /// .reqntid and .maxntid, 0 where not given.
  unsigned requiredThreads[3] = {0, 0, 0}, maximumThreads[3] = {0, 0, 0};

  const Label *findLabel(llvm::StringRef name, unsigned scope) const;
};

/// Addresses of functions: a window of their own, in which there is no memory.
constexpr uint64_t functionWindow = 0x7c0000000000, functionStride = 16;

struct ParsedModule {
  std::string file;
  std::string text;
  unsigned versionMajor = 0, versionMinor = 0;
  std::string target;
  unsigned addressBits = 64;
  std::vector<std::unique_ptr<Variable>> variables;
  std::vector<std::unique_ptr<Function>> functions;

  const Function *findFunction(llvm::StringRef name) const;
};

/// Parses a whole module. Errors have line and column.
llvm::Expected<std::unique_ptr<ParsedModule>> parseModule(llvm::StringRef text,
                                                          llvm::StringRef file);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_SYNTAX_H

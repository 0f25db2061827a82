// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table of all supported instruction forms: opcode × modifiers × types → operands and
// semantics.
//
// A form's `pattern` is the opcode and its modifiers in their order: ".u32|.s32" is one of them,
// "?.sat" may be missing. Modifiers that are types are numbered from 0. `operands` names each
// operand's type:
//   0, 1, …  the numbered type           w0   that of twice its width
//   ~0       at least as wide (cvt)      u32  that type
//   v0       a scalar, or a vector under .v2, .v4     v4:b32  a vector of four
//   at:S     one of several addresses, in the space S; at:tensor: with coordinates
//   mem      an address                  imm  a constant (const: as a register)
//   lbl      a label                     any  whatever mov takes
//   part:0  a register with a selector (r.b0, r.h1) or a word       reg:0  no constant
//   list, fn, … of call                  sink  `_` only
//   wd       D of wgmma                  size16  u32, a constant a multiple of 16
// "=" marks a destination, "=0|p" one that a predicate may follow ("d|p"); "!pred" may be negated;
// "?" may be missing.
//
#ifndef PTQ_LIB_EMULATOR_INSTRUCTIONTABLE_H
#define PTQ_LIB_EMULATOR_INSTRUCTIONTABLE_H

#include "Program.h"

#include "llvm/ADT/SmallVector.h"

namespace ptq::emulator {

struct Form;

/// A statement matched with a form; what `bind` reads to set the instruction's handler.
struct Match {
  const Form *form = nullptr;
  llvm::SmallVector<llvm::StringRef, 8> modifiers;
  llvm::SmallVector<Type, 4> types;
  Instruction *instruction = nullptr;
  const Statement *statement = nullptr;

  bool has(llvm::StringRef modifier) const { return llvm::is_contained(modifiers, modifier); }
  Type type(unsigned index) const { return types[index]; }
  unsigned numModifiers() const { return modifiers.size(); }
  /// 1, or what .v2, .v4, .x2 … say.
  unsigned vectorLanes() const;
  void set(Handler handler, Type type = Type::None) {
    instruction->run = handler;
    instruction->type = type;
  }
};

struct Form {
  const char *pattern;
  const char *operands;
  /// Of the PTX ISA, by name: numbers differ between versions.
  const char *section;
  /// Sets the handler, from the modifiers.
  void (*bind)(Match &match);
};

/// A group of forms: its title in the documentation.
struct FormGroup {
  const char *title;
  llvm::ArrayRef<Form> forms;
};

llvm::ArrayRef<FormGroup> instructionTable();

/// Finds the statement's form. Errors name what the opcode does not have.
llvm::Expected<Match> matchForm(const ParsedModule &module, const Statement &statement);

/// Says how undefined bits flow through the instruction.
void setBitFlow(const Match &match);

// The groups, one file each.
llvm::ArrayRef<Form> integerForms();
llvm::ArrayRef<Form> logicForms();
llvm::ArrayRef<Form> floatForms();
llvm::ArrayRef<Form> halfForms();
llvm::ArrayRef<Form> comparisonForms();
llvm::ArrayRef<Form> selectionForms();
llvm::ArrayRef<Form> conversionForms();
llvm::ArrayRef<Form> packedConversionForms();
llvm::ArrayRef<Form> memoryForms();
llvm::ArrayRef<Form> moveForms();
llvm::ArrayRef<Form> atomicForms();
llvm::ArrayRef<Form> asyncForms();
llvm::ArrayRef<Form> bulkForms();
llvm::ArrayRef<Form> warpForms();
llvm::ArrayRef<Form> barrierForms();
llvm::ArrayRef<Form> mbarrierForms();
llvm::ArrayRef<Form> clusterForms();
llvm::ArrayRef<Form> matrixForms();
llvm::ArrayRef<Form> generalMatrixForms();
llvm::ArrayRef<Form> matrixMoveForms();
llvm::ArrayRef<Form> wgmmaForms();
llvm::ArrayRef<Form> controlForms();
llvm::ArrayRef<Form> stackForms();
llvm::ArrayRef<Form> videoForms();

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_INSTRUCTIONTABLE_H

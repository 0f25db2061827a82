// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "InstructionTable.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"

using namespace ptq::emulator;
using llvm::ArrayRef;
using llvm::StringRef;

ArrayRef<FormGroup> ptq::emulator::instructionTable() {
  static const FormGroup groups[] = {
      {"Integer arithmetic", integerForms()},
      {"Logic, shifts and bit fields", logicForms()},
      {"Floating point", floatForms()},
      {"Half precision", halfForms()},
      {"Comparison and selection", comparisonForms()},
      {"Conversion", conversionForms()},
      {"Conversion of packed formats", packedConversionForms()},
      {"Memory", memoryForms()},
      {"Moves and addresses", moveForms()},
      {"Atomics and reductions", atomicForms()},
      {"Asynchronous copies", asyncForms()},
      {"Warp-level", warpForms()},
      {"Barriers and fences", barrierForms()},
      {"Matrices", matrixForms()},
      {"Matrices, other types", generalMatrixForms()},
      {"Matrices, moved", matrixMoveForms()},
      {"Control flow", controlForms()},
  };
  return groups;
}

unsigned Match::vectorLanes() const {
  for (StringRef modifier : modifiers) {
    unsigned lanes =
        llvm::StringSwitch<unsigned>(modifier).Case(".v2", 2).Case(".v4", 4).Case(".v8", 8).Default(
            0);
    if (lanes)
      return lanes;
  }
  return 1;
}

namespace {
/// A pattern taken apart.
struct Pattern {
  struct Step {
    llvm::SmallVector<StringRef, 4> choices;
    bool optional;
  };
  const Form *form;
  std::vector<Step> steps;
};

class Table {
public:
  Table() {
    for (const FormGroup &group : instructionTable())
      for (const Form &form : group.forms) {
        llvm::SmallVector<StringRef, 12> words;
        StringRef(form.pattern).split(words, ' ', -1, false);
        Pattern pattern{&form, {}};
        for (StringRef word : llvm::drop_begin(words)) {
          Pattern::Step step;
          step.optional = word.consume_front("?");
          word.split(step.choices, '|');
          pattern.steps.push_back(std::move(step));
        }
        patterns[words[0]].push_back(std::move(pattern));
      }
  }
  ArrayRef<Pattern> find(StringRef opcode) const {
    auto found = patterns.find(opcode);
    return found == patterns.end() ? ArrayRef<Pattern>() : ArrayRef<Pattern>(found->second);
  }

private:
  llvm::StringMap<std::vector<Pattern>> patterns;
};
} // namespace

/// Matches modifiers from `at` with steps from `step`; `farthest` is the first modifier that no
/// form had a place for.
static bool matchSteps(const Pattern &pattern, ArrayRef<Modifier> modifiers, size_t step, size_t at,
                       size_t &farthest) {
  farthest = std::max(farthest, at);
  if (step == pattern.steps.size())
    return at == modifiers.size();
  const Pattern::Step &current = pattern.steps[step];
  if (at != modifiers.size() && llvm::is_contained(current.choices, modifiers[at].text) &&
      matchSteps(pattern, modifiers, step + 1, at + 1, farthest))
    return true;
  return current.optional && matchSteps(pattern, modifiers, step + 1, at, farthest);
}

llvm::Expected<Match> ptq::emulator::matchForm(const ParsedModule &module,
                                               const Statement &statement) {
  static const Table table;
  ArrayRef<Pattern> patterns = table.find(statement.opcode);
  if (patterns.empty())
    return errorAt(module.file, statement.location,
                   "unknown instruction '" + statement.opcode + "'");
  size_t farthest = 0;
  for (const Pattern &pattern : patterns) {
    if (!matchSteps(pattern, statement.modifiers, 0, 0, farthest))
      continue;
    Match match;
    match.form = pattern.form;
    match.statement = &statement;
    for (const Modifier &modifier : statement.modifiers) {
      match.modifiers.push_back(modifier.text);
      if (auto type = parseType(modifier.text))
        match.types.push_back(*type);
    }
    return match;
  }
  if (farthest == statement.modifiers.size())
    return errorAt(module.file, statement.location,
                   "'" + statement.opcode + "' lacks a modifier or a type");
  return errorAt(module.file, statement.modifiers[farthest].location,
                 "modifier '" + statement.modifiers[farthest].text +
                     "' is not supported here by '" + statement.opcode + "'");
}

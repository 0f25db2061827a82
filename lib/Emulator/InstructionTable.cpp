// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "InstructionTable.h"

#include "llvm/ADT/StringExtras.h"
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
      {"Comparison", comparisonForms()},
      {"Selection", selectionForms()},
      {"Conversion", conversionForms()},
      {"Conversion of packed formats", packedConversionForms()},
      {"Memory", memoryForms()},
      {"Moves and addresses", moveForms()},
      {"Atomics and reductions", atomicForms()},
      {"Asynchronous copies", asyncForms()},
      {"Bulk copies", bulkForms()},
      {"Warp-level", warpForms()},
      {"Barriers and fences", barrierForms()},
      {"mbarrier", mbarrierForms()},
      {"Clusters", clusterForms()},
      {"Matrices", matrixForms()},
      {"Matrices, other types", generalMatrixForms()},
      {"Matrices, moved", matrixMoveForms()},
      {"Warpgroup matrices", wgmmaForms()},
      {"Control flow", controlForms()},
      {"Stack", stackForms()},
      {"Scalar video", videoForms()},
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

/// ".f16x2", ".e4m3x2", ".s4", …
static bool isTypeName(StringRef word) {
  if (word == ".f4e" || word == ".b4e") // modes of prmt
    return false;
  word = word.drop_front();
  StringRef letters = word.take_while([](char c) { return c >= 'a' && c <= 'z'; });
  return llvm::is_contained({"b", "s", "u", "f", "bf", "tf", "e", "ue"}, letters) &&
         word.size() > letters.size() && llvm::isDigit(word[letters.size()]);
}
static bool isLayout(StringRef word) { return word == ".row" || word == ".col"; }
static bool isSpace(StringRef word) {
  return word == ".global" || word == ".shared" || word.starts_with(".shared::");
}
static bool isPriority(StringRef word) { return word.starts_with(".L2::evict"); }

/// Whether a modifier is part of the instruction's name: it stays at its place.
static bool isOfName(StringRef opcode, StringRef word) {
  if (opcode == "fence")
    return word == ".proxy";
  if ((opcode == "div" && word == ".full") || (opcode == "createpolicy" && word == ".cvt") ||
      (opcode == "cp" && word == ".tensor"))
    return true;
  if (opcode == "shf" ||
      llvm::is_contained({".to", ".pack", ".async", ".bulk", ".fractional", ".range"}, word))
    return true;
  if (opcode == "mbarrier")
    return llvm::is_contained({".init", ".inval", ".arrive", ".arrive_drop", ".expect_tx",
                               ".complete_tx", ".test_wait", ".try_wait", ".pending_count",
                               ".parity"},
                              word);
  if (opcode == "wgmma")
    return llvm::is_contained({".mma_async", ".fence", ".commit_group", ".wait_group"}, word);
  if (opcode == "cp" && (word == ".mbarrier" || word == ".arrive"))
    return true;
  if (opcode == "setmaxnreg")
    return word == ".inc" || word == ".dec";
  if (opcode == "bar" || opcode == "barrier")
    return llvm::is_contained({".cta", ".red", ".arrive", ".wait", ".warp", ".cluster"}, word);
  return llvm::is_contained({".lo", ".hi", ".wide"}, word) &&
         llvm::is_contained({"mul", "mad", "mul24", "mad24", "madc", "dp2a"}, opcode);
}

/// Matches modifiers that do not stand where the PTX ISA's syntax has them: assemblers take them
/// all the same, as long as those of a kind (types, layouts) are in their order. Code that is
/// published makes use of it. Returns the modifiers in the pattern's order.
static std::optional<llvm::SmallVector<StringRef, 8>>
matchUnordered(StringRef opcode, const Pattern &pattern, ArrayRef<Modifier> modifiers) {
  llvm::SmallVector<StringRef, 8> ordered;
  llvm::SmallVector<bool, 8> used(modifiers.size(), false);
  for (const Pattern::Step &step : pattern.steps) {
    size_t at = 0;
    while (at != modifiers.size() &&
           (used[at] || !llvm::is_contained(step.choices, modifiers[at].text) ||
            (isOfName(opcode, modifiers[at].text) && at != ordered.size())))
      ++at;
    if (at != modifiers.size()) {
      used[at] = true;
      ordered.push_back(modifiers[at].text);
    } else if (!step.optional) {
      return std::nullopt;
    }
  }
  if (ordered.size() != modifiers.size())
    return std::nullopt;
  for (bool (*isOfAKind)(StringRef) : {isTypeName, isLayout, isSpace, isPriority}) {
    llvm::SmallVector<StringRef, 8> given;
    for (const Modifier &modifier : modifiers)
      if (isOfAKind(modifier.text))
        given.push_back(modifier.text);
    if (!llvm::equal(given, llvm::make_filter_range(ordered, isOfAKind)))
      return std::nullopt;
  }
  return ordered;
}

static Match makeMatch(const Pattern &pattern, const Statement &statement,
                       llvm::SmallVector<StringRef, 8> modifiers) {
  Match match;
  match.form = pattern.form;
  match.statement = &statement;
  match.modifiers = std::move(modifiers);
  for (StringRef modifier : match.modifiers)
    if (auto type = parseType(modifier))
      match.types.push_back(*type);
  return match;
}

llvm::Expected<Match> ptq::emulator::matchForm(const ParsedModule &module,
                                               const Statement &statement) {
  static const Table table;
  ArrayRef<Pattern> patterns = table.find(statement.opcode);
  if (patterns.empty())
    return errorAt(module.file, statement.location,
                   "unknown instruction '" + statement.opcode + "'");
  size_t farthest = 0;
  for (const Pattern &pattern : patterns)
    if (matchSteps(pattern, statement.modifiers, 0, 0, farthest)) {
      llvm::SmallVector<StringRef, 8> modifiers;
      for (const Modifier &modifier : statement.modifiers)
        modifiers.push_back(modifier.text);
      return makeMatch(pattern, statement, std::move(modifiers));
    }
  for (const Pattern &pattern : patterns)
    if (auto modifiers = matchUnordered(statement.opcode, pattern, statement.modifiers))
      return makeMatch(pattern, statement, std::move(*modifiers));
  if (farthest == statement.modifiers.size())
    return errorAt(module.file, statement.location,
                   "'" + statement.opcode + "' lacks a modifier or a type");
  return errorAt(module.file, statement.modifiers[farthest].location,
                 "modifier '" + statement.modifiers[farthest].text +
                     "' is not supported here by '" + statement.opcode + "'");
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The forms that load are those that NVIDIA's assembler takes: all combinations of modifiers of
// Inputs/forms.txt are given to both. Where there is no ptxas the test is skipped.

#include "Forms.h"
#include "Run.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <random>
#include <set>

using namespace ptq::emulator;
using llvm::StringRef;

namespace {
std::optional<std::string> findAssembler() {
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (auto found = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return std::nullopt;
}

/// Assembles a file with all the statements, again without those it names as errors, until it is
/// satisfied. The statements that are left.
std::vector<std::string> assemble(const std::string &ptxas, const std::string &target,
                                  std::vector<std::string> statements) {
  llvm::SmallString<128> input, log;
  llvm::sys::fs::createTemporaryFile("forms", "ptx", input);
  llvm::sys::fs::createTemporaryFile("forms", "log", log);
  llvm::FileRemover removeInput(input), removeLog(log);
  while (!statements.empty()) {
    {
      std::error_code code;
      llvm::raw_fd_ostream file(input, code);
      file << withDeclarations(llvm::join(statements, "\n"), target);
    }
    std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
    if (llvm::sys::ExecuteAndWait(ptxas,
                                  {ptxas, "-arch=" + target, "-O0", input, "-o", "/dev/null"},
                                  std::nullopt, redirects) == 0)
      break;
    std::set<size_t> wrong;
    auto messages = llvm::MemoryBuffer::getFile(log);
    llvm::SmallVector<StringRef> lines;
    if (messages)
      (*messages)->getBuffer().split(lines, '\n');
    for (StringRef line : lines) {
      unsigned number;
      StringRef rest = line.split(", line ").second;
      if (!rest.consumeInteger(10, number) &&
          (rest.starts_with("; error") || rest.starts_with("; fatal")) && number >= firstBodyLine &&
          number < firstBodyLine + statements.size())
        wrong.insert(number - firstBodyLine);
    }
    if (wrong.empty()) {
      // An error of no line: it is in one half or the other.
      if (statements.size() == 1)
        return {};
      auto middle = statements.begin() + statements.size() / 2;
      std::vector<std::string> first = assemble(ptxas, target, {statements.begin(), middle});
      std::vector<std::string> second = assemble(ptxas, target, {middle, statements.end()});
      first.insert(first.end(), second.begin(), second.end());
      return first;
    }
    for (auto index = wrong.rbegin(); index != wrong.rend(); ++index)
      statements.erase(statements.begin() + *index);
  }
  return statements;
}
} // namespace

TEST(PtxasAgreement, EveryForm) {
  auto ptxas = findAssembler();
  if (!ptxas)
    GTEST_SKIP() << "there is no ptxas";
  std::vector<std::string> all = expandForms(readInput("forms.txt")), unsure;
  llvm::StringSet<> accepted;
  auto take = [&](const std::vector<std::string> &statements, const std::string &target) {
    const size_t portion = 1000;
    for (size_t begin = 0; begin < statements.size(); begin += portion)
      for (const std::string &statement :
           assemble(*ptxas, target,
                    {statements.begin() + begin,
                     statements.begin() + std::min(begin + portion, statements.size())}))
        accepted.insert(statement);
  };
  take(all, "sm_90a");
  EXPECT_GT(accepted.size(), 10000u);
  unsigned missing = 0, extra = 0;
  for (const std::string &statement : all) {
    std::string error = loadError(withDeclarations(statement));
    if (accepted.contains(statement)) {
      if (!error.empty() && ++missing <= 50)
        ADD_FAILURE() << "ptxas takes " << statement << "  " << error;
    } else if (error.empty()) {
      unsure.push_back(statement);
    }
  }
  // What loads here may also be of a later architecture.
  take(unsure, "sm_100a");
  for (const std::string &statement : unsure)
    if (!accepted.contains(statement) && ++extra <= 50)
      ADD_FAILURE() << "ptxas refuses " << statement;
  EXPECT_EQ(missing, 0u);
  EXPECT_EQ(extra, 0u);
  RecordProperty("accepted", static_cast<int>(accepted.size()));
}

/// The statement with its modifiers in another order.
static std::string shuffleModifiers(StringRef statement, std::mt19937 &random) {
  // An address's or a vector's "." is not one of a modifier.
  StringRef head = statement.take_until([](char c) { return c == ' ' || c == ';'; });
  StringRef tail = statement.drop_front(head.size());
  llvm::SmallVector<StringRef> words;
  head.split(words, '.');
  for (size_t left = words.size() - 1; left > 1; --left)
    std::swap(words[left], words[1 + random() % left]);
  return llvm::join(words, ".") + tail.str();
}

/// Assemblers take most modifiers in any order.
TEST(PtxasAgreement, OrderOfModifiers) {
  auto ptxas = findAssembler();
  if (!ptxas)
    GTEST_SKIP() << "there is no ptxas";
  std::mt19937 random(1);
  std::vector<std::string> statements;
  unsigned number = 0;
  for (const std::string &statement : expandForms(readInput("forms.txt")))
    if (loadError(withDeclarations(statement)).empty() && number++ % 4 == 0 &&
        !StringRef(statement).starts_with("testp") && // its .nan has one place only
        // Alone it is taken; among others that depends on what they are.
        !StringRef(statement).starts_with("setmaxnreg"))
      for (int times = 0; times != 2; ++times)
        if (std::string shuffled = shuffleModifiers(statement, random); shuffled != statement)
          statements.push_back(shuffled);
  llvm::StringSet<> accepted;
  for (const char *target : {"sm_90a", "sm_100a"})
    for (const std::string &statement : assemble(*ptxas, target, statements))
      accepted.insert(statement);
  unsigned missing = 0, extra = 0;
  for (const std::string &statement : statements) {
    std::string error = loadError(withDeclarations(statement));
    if (accepted.contains(statement) && !error.empty() && ++missing <= 50)
      ADD_FAILURE() << "ptxas takes " << statement << "  " << error;
    if (!accepted.contains(statement) && error.empty() && ++extra <= 50)
      ADD_FAILURE() << "ptxas refuses " << statement;
  }
  EXPECT_GT(accepted.size(), statements.size() / 4);
  EXPECT_EQ(missing, 0u);
  EXPECT_EQ(extra, 0u);
  RecordProperty("accepted", static_cast<int>(accepted.size()));
}

/// Where there is no ptxas: as many forms load as when the test above last agreed.
TEST(Forms, NoneIsLost) {
  unsigned loaded = 0;
  for (const std::string &statement : expandForms(readInput("forms.txt")))
    loaded += loadError(withDeclarations(statement)).empty();
  EXPECT_EQ(loaded, 17906u);
}

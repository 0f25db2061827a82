// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Forms.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

#include <map>

using namespace ptq::emulator;
using llvm::StringRef;
using Words = std::vector<std::string>;

/// Bits of a type, 0 for what is none.
static unsigned widthOf(StringRef modifier) {
  return llvm::StringSwitch<unsigned>(modifier)
      .Case(".pred", 1)
      .Case(".b1", 1)
      .Cases({".u4", ".s4", ".u2", ".s2"}, 4)
      .Cases({".b8", ".u8", ".s8", ".e4m3", ".e5m2"}, 8)
      .Cases({".b16", ".u16", ".s16", ".f16", ".bf16", ".e4m3x2", ".e5m2x2"}, 16)
      .Cases({".b32", ".u32", ".s32", ".f32", ".f16x2", ".bf16x2", ".u16x2", ".s16x2"}, 32)
      .Case(".tf32", 32)
      .Cases({".b64", ".u64", ".s64", ".f64"}, 64)
      .Case(".b128", 128)
      .Default(0);
}

namespace {
/// Writes the operands of one statement.
class Operands {
public:
  explicit Operands(const Words &modifiers) : modifiers(modifiers) {
    for (StringRef modifier : modifiers)
      if (unsigned bits = widthOf(modifier))
        widths.push_back(bits);
  }

  /// The texts that an operand may have; empty for one that these modifiers cannot have.
  Words expand(StringRef spec);

private:
  std::string next(unsigned bits) {
    const char *name = bits == 1     ? "%p"
                       : bits <= 16  ? "%h"
                       : bits == 32  ? "%r"
                       : bits == 128 ? "%q"
                                     : "%d";
    return name + std::to_string(counters[bits <= 16 && bits > 1 ? 16 : bits]++ % 16);
  }
  std::string vector(unsigned count, unsigned bits) {
    std::string text = "{";
    for (unsigned index = 0; index != count; ++index)
      text += (index ? ", " : "") + next(bits);
    return text + "}";
  }
  bool has(StringRef modifier) const { return llvm::is_contained(modifiers, modifier.str()); }
  std::string matrices();

  const Words &modifiers;
  std::vector<unsigned> widths;
  std::map<unsigned, unsigned> counters;
};
} // namespace

/// d, a, b, c of mma: the elements of each matrix over 32 lanes.
std::string Operands::matrices() {
  unsigned m = 0, n = 0, k = 0;
  for (StringRef modifier : modifiers)
    if (modifier.consume_front(".m") && !modifier.consumeInteger(10, m) &&
        modifier.consume_front("n") && !modifier.consumeInteger(10, n) &&
        modifier.consume_front("k") && !modifier.consumeInteger(10, k))
      break;
  auto one = [&](unsigned elements, unsigned bits) {
    unsigned registerBits = bits == 64 ? 64 : 32;
    // m8n8k4 of f16 is of quads of lanes: each quad pair has its own matrices.
    unsigned lanes = m == 8 && n == 8 && k == 4 && bits != 64 ? 8 : 32;
    return vector(std::max(1u, elements * bits / (lanes * registerBits)), registerBits);
  };
  std::string text = one(m * n, widths[0]) + ", " + one(m * k, widths[1]);
  text += ", " + one(k * n, widths[2]);
  return text + ", " + one(m * n, widths[3]);
}

Words Operands::expand(StringRef spec) {
  if (spec == "mma")
    return {widths.size() < 4 ? "" : matrices()};
  if (spec.consume_front("["))
    return {spec.drop_back().str()};
  if (spec.consume_front("#"))
    return {spec.str()};
  if (spec == "mem")
    return {has(".param") || has(".param::entry") ? "[parameter]" : "[" + next(64) + "]"};
  if (spec.consume_front("{")) {
    auto [type, count] = spec.drop_back().split('*');
    return {vector(std::stoul(count.str()), widthOf(("." + type).str()))};
  }
  if (spec == "v") {
    unsigned count = has(".v2") ? 2 : has(".v4") ? 4 : has(".v8") ? 8 : 1;
    return {count == 1 ? next(widths.back()) : vector(count, widths.back())};
  }
  bool negatable = spec.consume_front("!"), second = spec.consume_back("|p");
  bool wide = spec.consume_front("w");
  unsigned index, bits;
  if (spec.getAsInteger(10, index))
    bits = widthOf(("." + spec).str());
  else
    bits = index < widths.size() ? widths[index] : 32;
  if (wide)
    bits *= 2;
  std::string text = next(bits);
  if (negatable)
    return {text, "!" + text};
  if (second)
    return {text, text + "|" + next(1)};
  return {text};
}

/// "a|b", "?a|b": what it may be, "" for nothing.
static Words choices(StringRef group) {
  Words result;
  if (group.consume_front("?"))
    result.push_back("");
  while (!group.empty()) {
    auto [first, rest] = group.split('|');
    result.push_back(first.str());
    group = rest;
  }
  return result;
}

/// All ways to choose one word of each group.
static std::vector<Words> product(const std::vector<Words> &groups) {
  std::vector<Words> result = {{}};
  for (const Words &group : groups) {
    std::vector<Words> longer;
    for (const Words &prefix : result)
      for (const std::string &choice : group) {
        longer.push_back(prefix);
        longer.back().push_back(choice);
      }
    result = std::move(longer);
  }
  return result;
}

std::vector<std::string> ptq::emulator::expandForms(StringRef text) {
  std::vector<std::string> result;
  llvm::StringSet<> known;
  llvm::SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines) {
    if (line.trim().empty() || line.starts_with("#"))
      continue;
    auto [left, right] = line.split(" =");
    llvm::SmallVector<StringRef> groups, operands;
    left.split(groups, ' ', -1, false);
    right.split(operands, ' ', -1, false);
    std::vector<Words> heads, tails;
    for (StringRef group : groups)
      heads.push_back(choices(group));
    for (StringRef operand : operands)
      tails.push_back(operand.starts_with("?") ? Words{"", operand.drop_front().str()}
                                               : Words{operand.str()});
    for (const Words &head : product(heads))
      for (const Words &tail : product(tails)) {
        Operands writer(head);
        std::vector<Words> texts;
        for (StringRef operand : tail)
          if (!operand.empty())
            texts.push_back(writer.expand(operand));
        for (const Words &chosen : product(texts)) {
          std::string statement = llvm::join(head, "");
          if (!chosen.empty())
            statement += " " + llvm::join(chosen, ", ");
          statement += ";";
          if (known.insert(statement).second)
            result.push_back(statement);
        }
      }
  }
  return result;
}

std::string ptq::emulator::withDeclarations(StringRef body, StringRef target) {
  return (llvm::Twine(".version 8.8\n.target ") + target +
          "\n.address_size 64\n"
          ".visible .entry kernel(.param .align 64 .b8 parameter[256])\n"
          ".maxnreg 128\n"
          "{\n"
          ".reg .pred %p<16>;\n"
          ".reg .b16 %h<16>;\n"
          ".reg .b32 %r<16>;\n"
          ".reg .b64 %d<16>;\n"
          "\n"
          "// This is what the statements below may name.\n"
          "\n\n\n" +
          body + "\nL:\nret;\n}\n")
      .str();
}

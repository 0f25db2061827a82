// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Emulator/SupportedInstructions.h"
#include "InstructionTable.h"

#include "llvm/ADT/SmallVector.h"

using namespace ptq::emulator;
using llvm::StringRef;

/// "ld ?.weak .u32|.s32" as "ld{.weak}.(u32|s32)".
static std::string describePattern(StringRef pattern) {
  llvm::SmallVector<StringRef, 12> words;
  pattern.split(words, ' ', -1, false);
  std::string result = words.front().str();
  for (StringRef word : llvm::drop_begin(words)) {
    bool optional = word.consume_front("?");
    llvm::SmallVector<StringRef, 8> choices;
    word.split(choices, '|');
    std::string text;
    for (StringRef choice : choices)
      text += (text.empty() ? "" : " \\| ") + choice.str();
    if (optional)
      result += "{" + text + "}";
    else
      result += choices.size() > 1 ? "(" + text + ")" : text;
  }
  return result;
}

static std::string describeOperand(StringRef spec, unsigned index) {
  bool optional = spec.consume_front("?");
  spec.consume_front("=");
  std::string name(1, static_cast<char>(index ? 'a' + index - 1 : 'd'));
  bool second = spec.consume_back("|p"), both = spec.consume_back("|P");
  if (spec == "at:tensor")
    name = "[" + name + ", {…}]";
  else if (spec == "mem" || spec == "amem" || spec.starts_with("at:"))
    name = "[" + name + "]";
  else if (spec == "imm" || spec == "const" || spec == "bytes")
    name = "constant";
  else if (spec == "lbl")
    name = "label";
  else if (spec == "fn")
    name = "function";
  else if (spec == "list")
    name = "(…)";
  else if (spec.consume_front("!"))
    name = "{!}" + name;
  if (second || both)
    name += both ? "\\|p" : "{\\|p}";
  return optional ? "{" + name + "}" : name;
}

std::string ptq::emulator::describeSupportedInstructions() {
  std::string text = "# PTX that the emulator runs\n\n"
                     "Generated from the table that decodes instructions; a form that is not here "
                     "is an error when a module is "
                     "loaded.\n`{…}` may be missing, `(a | b)` is one of them. The section is that "
                     "of the PTX ISA.\n";
  for (const FormGroup &group : instructionTable()) {
    text += "\n## " + std::string(group.title) +
            "\n\n| instruction | operands | section |\n|---|---|---|\n";
    for (const Form &form : group.forms) {
      llvm::SmallVector<StringRef, 8> specs;
      StringRef(form.operands).split(specs, ' ', -1, false);
      std::string operands;
      unsigned index = !specs.empty() && StringRef(specs[0]).contains('=') ? 0 : 1;
      for (StringRef spec : specs)
        operands += (operands.empty() ? "" : ", ") + describeOperand(spec, index++);
      text +=
          "| " + describePattern(form.pattern) + " | " + operands + " | " + form.section + " |\n";
    }
  }
  return text;
}

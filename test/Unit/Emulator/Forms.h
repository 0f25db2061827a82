// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs/forms.txt expanded: every combination of modifiers with operands that fit, as statements.
// What an assembler takes of them is for the tests to say.
//
#ifndef PTQ_TEST_UNIT_EMULATOR_FORMS_H
#define PTQ_TEST_UNIT_EMULATOR_FORMS_H

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace ptq::emulator {

/// Everything in the file's text, each once, in its order.
std::vector<std::string> expandForms(llvm::StringRef text);

/// A kernel that declares what the statements use, with `body` in its line `firstBodyLine`.
std::string withDeclarations(llvm::StringRef body, llvm::StringRef target = "sm_90a");
constexpr unsigned firstBodyLine = 16;

} // namespace ptq::emulator

#endif // PTQ_TEST_UNIT_EMULATOR_FORMS_H

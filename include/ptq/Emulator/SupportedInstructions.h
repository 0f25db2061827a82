// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What PTX the emulator supports, as text.
//
#ifndef PTQ_EMULATOR_SUPPORTEDINSTRUCTIONS_H
#define PTQ_EMULATOR_SUPPORTEDINSTRUCTIONS_H

#include <string>

namespace ptq::emulator {

/// Markdown: a table of all instruction forms, generated from the table that decodes them.
std::string describeSupportedInstructions();

} // namespace ptq::emulator

#endif // PTQ_EMULATOR_SUPPORTEDINSTRUCTIONS_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Handlers that change which instruction comes next.
//
#ifndef PTQ_LIB_EMULATOR_CONTROLFLOW_H
#define PTQ_LIB_EMULATOR_CONTROLFLOW_H

#include "Program.h"

namespace ptq::emulator {

/// The pseudo-instruction at the start of each block: reconverges and counts.
Handler enterBlockHandler();
/// The end of a kernel, or of a function.
Handler exitHandler(bool ofKernel);
Handler trapHandler();
Handler indirectCallHandler();
bool isBranch(const Instruction &instruction);
bool isTableBranch(const Instruction &instruction);
bool isCall(const Instruction &instruction);
bool isIndirectCall(const Instruction &instruction);
/// ret, exit and trap: no lane goes on behind it if it has no guard.
bool isExit(const Instruction &instruction);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_CONTROLFLOW_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What several groups of forms share when they read a match's modifiers.
//
#ifndef PTQ_LIB_EMULATOR_BINDINGS_H
#define PTQ_LIB_EMULATOR_BINDINGS_H

#include "Access.h"
#include "InstructionTable.h"

namespace ptq::emulator {

/// The state space among the modifiers; generic if none.
Space spaceOfMatch(const Match &match);
Ordering orderingOf(const Match &match);

/// Passes knowledge between warps through the locations of an atomic access.
void synchronizeAtomic(Warp &warp, const Instruction &instruction, uint32_t mask,
                       const uint64_t *addresses);

/// A .sync instruction: each lane of `mask` names its members; all of them that have not exited
/// have to execute it now; it is a finding if some do not. False if those that are here wait for the
/// others: the instruction has not happened, and is executed again.
[[nodiscard]] bool checkMembers(Warp &warp, const Instruction &instruction, uint32_t mask, uint32_t memberSlot);
/// An .aligned instruction: every lane that has not exited executes it. As checkMembers().
[[nodiscard]] bool checkAligned(Warp &warp, const Instruction &instruction, uint32_t mask);

/// The mbarrier object at a generic address; null, and a finding, where there is none.
/// `instruction` has a strong ordering.
Mbarrier *findMbarrier(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address);
/// Takes `count` from the arrivals that the phase waits for.
void arriveOn(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
              Mbarrier &barrier, uint32_t count);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_BINDINGS_H

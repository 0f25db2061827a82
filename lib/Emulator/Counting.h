// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counting while a kernel runs: per instruction and per block, one set for each host thread.
//
#ifndef PTQ_LIB_EMULATOR_COUNTING_H
#define PTQ_LIB_EMULATOR_COUNTING_H

#include "Program.h"
#include "ptq/Emulator/Report.h"

namespace ptq::emulator {

struct Tally {
  explicit Tally(const Program &program)
      : memory(program.numInstructions), blocks(program.numBlocks), lanes(program.numBlocks),
        skipped(program.numInstructions) {}

  struct PerInstruction {
    MemoryCounters global, shared;
  };
  std::vector<PerInstruction> memory;
  /// Executions of blocks, and lanes in them.
  std::vector<uint64_t> blocks, lanes;
  /// Lanes that a guard kept from an instruction.
  std::vector<uint64_t> skipped;
  uint64_t barriers = 0, branches = 0, divergentBranches = 0;

  void operator+=(const Tally &other);
  KernelCounters summarize(const Program &program) const;
};

/// A request of a warp for `bytes` at the address of each lane in `mask`, to global memory.
void countGlobal(MemoryCounters &counters, const uint64_t *addresses, uint32_t mask,
                 unsigned bytes);
/// To shared memory: 32 banks of 4 bytes. Up to 4 bytes a lane the warp goes at once, with 8
/// half-warps, with 16 quarters.
void countShared(MemoryCounters &counters, const uint64_t *addresses, uint32_t mask,
                 unsigned bytes);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_COUNTING_H

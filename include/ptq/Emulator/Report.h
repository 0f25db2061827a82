// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a run of a kernel in the emulator tells: findings of its checkers, and counters.
//
#ifndef PTQ_EMULATOR_REPORT_H
#define PTQ_EMULATOR_REPORT_H

#include "ptq/Emulator/Type.h"

#include "llvm/Support/JSON.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ptq::emulator {

/// A checker. All are on unless an option turns one off.
enum class Check : uint8_t {
  Races,  ///< two accesses, one a write, that nothing orders; use of cp.async data before its wait
  Bounds, ///< an access outside every buffer
  Misalignment,      ///< an address that is no multiple of the access's size
  Uninitialised,     ///< an undefined value that reaches an address, a branch or global memory
  DivergentBarriers, ///< an .aligned or .sync instruction that not all its lanes reach together
  Deadlock,          ///< no warp can go on, or the watchdog ran out
  Trap,              ///< trap, or a device-side assertion; cannot be turned off
};
constexpr unsigned numChecks = 7;

/// "races", "bounds", "misalignment", "uninitialised", "divergent-barriers", "deadlock", "trap".
llvm::StringRef checkName(Check check);
std::optional<Check> parseCheck(llvm::StringRef name);

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Finding {
  Check check;
  std::string kernel;
  /// In the PTX file, 1 for the first line. The instruction that made the undefined value, for
  /// Uninitialised.
  unsigned line;
  Dim3 block, thread;
  /// The offending address, as the instruction names it; 0 where there is none.
  uint64_t address;
  std::string message;
  /// How often it was found at this line.
  uint64_t count = 1;
};

/// Requests to memory by whole warps.
struct MemoryCounters {
  uint64_t requests = 0;
  /// Global: distinct 32-byte sectors that requests touch, and the least that would hold their
  /// bytes.
  uint64_t sectors = 0, idealSectors = 0;
  /// Shared: wavefronts (passes over the 32 banks), and the least possible.
  uint64_t wavefronts = 0, idealWavefronts = 0;
  /// Distinct bytes that lanes asked for, loads and stores.
  uint64_t bytes = 0;

  void operator+=(const MemoryCounters &other);
};

/// Counters of instructions: of a basic block, an opcode, or a whole kernel.
struct InstructionCounters {
  /// Executed by warps, and by threads of them.
  uint64_t instructions = 0, threadInstructions = 0;
  MemoryCounters global, shared;

  void operator+=(const InstructionCounters &other);
};

struct BlockCounters {
  std::string function, label;
  unsigned line = 0;
  uint64_t executions = 0;
  InstructionCounters counters;
};

struct KernelCounters {
  std::string kernel;
  InstructionCounters total;
  uint64_t barriers = 0, branches = 0, divergentBranches = 0;
  /// Basic blocks in the order of the text, and opcodes with all their modifiers.
  std::vector<BlockCounters> blocks;
  std::map<std::string, InstructionCounters> opcodes;

  llvm::json::Value toJSON() const;
};

/// Writes {"kind", "kernel", "line", "block", "thread", "address", "message", "count"}.
llvm::json::Value toJSON(const Finding &finding);
/// One line for a terminal.
std::string describe(const Finding &finding);

} // namespace ptq::emulator

#endif // PTQ_EMULATOR_REPORT_H

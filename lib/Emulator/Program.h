// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel decoded for execution: each instruction a handler for all 32 lanes, operands as slots of
// the register file, branches with their points of reconvergence.
//
#ifndef PTQ_LIB_EMULATOR_PROGRAM_H
#define PTQ_LIB_EMULATOR_PROGRAM_H

#include "Syntax.h"

#include "llvm/ADT/DenseMap.h"

#include <map>
#include <string>

namespace ptq::emulator {

class Warp;
struct Instruction;
/// Executes an instruction for the lanes of `mask`.
using Handler = void (*)(Warp &warp, const Instruction &instruction, uint32_t mask);

/// No instruction: where lanes never meet again before they exit.
constexpr uint32_t noReconvergence = ~0u;

/// Accesses that other threads' accesses may meet without a race (PTX ISA 8.4): volatile, relaxed,
/// acquire, release, atomic.
enum class Ordering : uint8_t { Weak, Relaxed, Acquire, Release, AcquireRelease };

/// How undefined bits of the sources make bits of the result undefined.
enum class BitFlow : uint8_t {
  Whole,      ///< any makes all of them undefined
  Upward,     ///< all bits from the lowest one up: sums and products
  Move,       ///< bit by bit
  Logic,      ///< bit by bit, where they decide: by a truth table of up to three sources
  Halves,     ///< each half by itself: packed arithmetic
  Join,       ///< the first source makes the upper half, the second the lower one
  ShiftLeft,  ///< moved by the second source
  ShiftRight, ///< moved by the second source, with the sign if the type has one
  Field,      ///< bfe: moved and cut
  Permute,    ///< prmt: bytes chosen by the third source
  Extend,     ///< cvt between integers
};

struct Instruction {
  Handler run = nullptr;
  /// The handler that `run` calls in its turn, where it only watches.
  Handler inner = nullptr;
  int32_t guard = -1;
  bool guardNegated = false;
  uint8_t numDestinations = 0, numOperands = 0;
  /// Slots: destinations first, then sources, in the order of the text, vectors flattened. The base
  /// of an address is one of them.
  uint32_t operands[20] = {};
  /// A bit for each operand: `!p`; a missing second destination is the sink's slot.
  uint32_t negated = 0;
  /// The address's offset, or an immediate.
  int64_t immediate = 0;
  /// The address's base register has 64 bits.
  bool wideAddress = true;
  /// Of instructions with several addresses, in the order of the text.
  struct {
    int64_t offset = 0;
    Space space = Space::Generic;
    bool wide = true;
    uint8_t operand = 0;
  } addresses[3];
  uint8_t numAddresses = 0;
  /// Memory: bytes of an element, elements.
  uint8_t elementBytes = 4, elements = 1;
  /// Bytes of the registers that may be wider than the type: ld, st, cvt.
  uint8_t registerBytes = 4, sourceBytes = 4;
  Space space = Space::Generic;
  Ordering ordering = Ordering::Weak;
  /// Type of the value or the operation, where a handler needs it at run time.
  Type type = Type::None;
  BitFlow bitFlow = BitFlow::Whole;
  /// Logic: the truth table, as lop3 has it. Extend: bits of the source's type.
  uint8_t bitFlowOption = 0;
  /// Of the value whose bits flow.
  Type bitFlowType = Type::None;
  /// Meaning is the handler's.
  uint32_t option = 0;
  /// Branches: where to, and where the lanes meet again. In instructions, not statements.
  uint32_t target = 0, reconvergence = noReconvergence;
  /// brx.idx: index into Code::tables. call: into Code::calls, through a pointer into
  /// Code::indirectCalls. wgmma: into Code::lists.
  uint32_t index = 0;
  uint32_t line = 0;
  uint32_t block = 0;
  /// Of a load whose values no instruction of its block uses (LoadedValues.cpp): the numbers of
  /// those that get to the block's end.
  uint8_t numValues = 0;
  uint32_t firstValue = 0;
  /// A race of it matters once such a value is used.
  bool isDeferred() const { return numValues != 0; }
  /// Index into the program's opcodes, and the number of this instruction in the whole program.
  uint32_t opcode = 0, id = 0;
};

/// A value that a slot has from the start of a frame.
struct Constant {
  enum Kind { Value, Special, LocalAddress };
  Kind kind;
  uint32_t slot;
  uint64_t value; // Special: a SpecialRegister
  bool wide;
};

enum class SpecialRegister : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NwarpId,
  SmId,
  NsmId,
  GridId,
  LanemaskEq,
  LanemaskLt,
  LanemaskLe,
  LanemaskGt,
  LanemaskGe,
  Zero,
  One,
  DynamicSharedSize,
  AggregateSharedSize,
  TotalSharedSize,
  Clock,
  Clock64,
  GlobalTimer,
  ClockHigh,
};

struct BasicBlock {
  /// Index of its first instruction (the pseudo-instruction that enters it), and one past its last.
  uint32_t begin, end;
  std::string label;
  unsigned line;
  uint32_t id = 0;
  /// Of deferred loads: values that it uses before it replaces them, and values that it replaces.
  std::vector<uint32_t> usedValues, replacedValues;
};

struct Code;

struct Call {
  const Code *callee = nullptr;
  /// Bytes copied from the caller's frame to the callee's: parameters; and back: results.
  struct Copy {
    uint32_t from, to, bytes;
  };
  std::vector<Copy> parameters, results;
  /// The same for parameters in registers: slots, and whether they have 64 bits.
  struct Move {
    uint32_t from, to;
    bool wide, predicate;
  };
  std::vector<Move> registerParameters, registerResults;
};

/// A call through a pointer.
struct IndirectCall {
  static constexpr uint32_t mismatch = ~0u;
  /// By a function's address: its index in Code::calls, or `mismatch` for one of another prototype.
  std::map<uint64_t, uint32_t> targets;
};

/// A function.
struct Code {
  const Function *function = nullptr;
  std::vector<Instruction> instructions;
  std::vector<BasicBlock> blocks;
  std::vector<Constant> constants;
  std::vector<Call> calls;
  std::vector<IndirectCall> indirectCalls;
  std::vector<std::vector<uint32_t>> tables;
  /// Slots of more registers than an instruction has operands.
  std::vector<std::vector<uint32_t>> lists;
  uint32_t numSlots = 0;
  /// Bytes of .local and .param variables in a frame, per lane.
  uint32_t frameBytes = 0;
  /// Behind them. Nothing lies at 0.
  uint32_t stackOffset() const { return frameBytes ? frameBytes : 16; }
  llvm::DenseMap<const Variable *, uint32_t> frameOffsets;
};

/// A kernel with all it calls.
struct Program {
  std::string kernel;
  std::vector<std::unique_ptr<Code>> functions; // the kernel first
  /// Opcodes with their modifiers.
  std::vector<std::string> opcodes;
  uint32_t numInstructions = 0, numBlocks = 0, numLoadedValues = 0;
  /// Parameters: offset of each, and bytes in all.
  std::vector<uint32_t> parameterOffsets;
  uint32_t parameterBytes = 0;
  /// Shared memory: where each static variable lies, [begin, end), and where dynamic memory begins.
  struct SharedVariable {
    const Variable *variable;
    uint32_t begin, end;
  };
  std::vector<SharedVariable> sharedVariables;
  uint32_t staticSharedEnd = 0, dynamicSharedBegin = 0;
  bool usesDynamicShared = false;
  /// It can wait for, or pass data to, another CTA: global atomics, fences, volatile or ordered
  /// accesses. Such CTAs run on one host thread, interleaved.
  bool synchronizesAcrossCtas = false;
  /// It has operations of the async proxy: bulk copies, wgmma.
  bool usesAsyncProxy = false;
};

/// Where the device put the module's .global and .const variables.
using AddressMap = llvm::DenseMap<const Variable *, uint64_t>;

/// Decodes the kernel `entry` (or, for checking only, a device function) and all functions it
/// calls.
llvm::Expected<std::unique_ptr<Program>> decode(const ParsedModule &module, const Function &entry,
                                                const AddressMap &addresses);

/// Splits code into basic blocks and finds each branch's point of reconvergence: the immediate
/// post-dominator. Called by decode, with branch targets as indices of instructions.
void buildControlFlow(Code &code, llvm::ArrayRef<std::pair<uint32_t, std::string>> labels);

/// Puts a watch on instructions that use registers of wgmma.
void watchMatrixRegisters(Code &code);

/// Finds loads whose races matter only if their value is used later.
void trackLoadedValues(Program &program, Code &code);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_PROGRAM_H

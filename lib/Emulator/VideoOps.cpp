// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalar video instructions: the operation on bytes or halves of the sources, extended to words by
// their types, clamped under .sat to the destination's type (or the part of it that is written),
// and then either put into a part of c or combined with c. PTX ISA: Scalar Video Instructions.

#include "InstructionTable.h"
#include "Warp.h"

#include "llvm/ADT/StringSwitch.h"

#include <algorithm>

using namespace ptq::emulator;

namespace {
enum class Operation : uint8_t { Add, Sub, AbsDiff, Min, Max, Shl, Shr, Compare };
enum class Relation : uint8_t { Eq, Ne, Lt, Le, Gt, Ge };
/// What happens to the result and c.
enum class Secondary : uint8_t { Merge, Add, Min, Max };

/// In Instruction::target.
struct Encoding {
  Operation operation;
  Relation relation;
  Secondary secondary;
  bool saturates : 1, wraps : 1, signedResult : 1, signedA : 1, signedB : 1;
};
static_assert(sizeof(Encoding) == sizeof(uint32_t));

/// A byte, a half or all of a word.
struct Part {
  unsigned shift, bits;
};
} // namespace

/// By Operand::Selector.
static Part partOf(unsigned selector) {
  static constexpr Part parts[] = {{0, 32}, {0, 8}, {8, 8}, {16, 8}, {24, 8}, {0, 16}, {16, 16}};
  return parts[selector];
}

static int64_t extend(uint64_t value, unsigned bits, bool isSigned) {
  uint64_t raw = value << (64 - bits);
  return isSigned ? static_cast<int64_t>(raw) >> (64 - bits)
                  : static_cast<int64_t>(raw >> (64 - bits));
}
static int64_t select(uint32_t value, Part part, bool isSigned) {
  return extend(value >> part.shift, part.bits, isSigned);
}

/// Wide enough for a word shifted left by 32.
using Value = __int128;

static Value operate(Encoding encoding, int64_t a, int64_t b) {
  unsigned count = encoding.wraps ? b & 31 : std::min<int64_t>(b, 32);
  switch (encoding.operation) {
  case Operation::Add:
    return a + b;
  case Operation::Sub:
    return a - b;
  case Operation::AbsDiff:
    return a < b ? b - a : a - b;
  case Operation::Min:
    return std::min(a, b);
  case Operation::Max:
    return std::max(a, b);
  case Operation::Shl:
    return Value(a) * (Value(1) << count);
  case Operation::Shr:
    return a >> count;
  case Operation::Compare:
    break;
  }
  switch (encoding.relation) {
  case Relation::Eq:
    return a == b;
  case Relation::Ne:
    return a != b;
  case Relation::Lt:
    return a < b;
  case Relation::Le:
    return a <= b;
  case Relation::Gt:
    return a > b;
  case Relation::Ge:
    return a >= b;
  }
  return 0;
}

static uint32_t combine(Encoding encoding, Value value, Part destination, uint32_t c) {
  unsigned bits = destination.bits;
  bool isSigned = encoding.signedResult;
  if (encoding.saturates) {
    Value least = isSigned ? -(Value(1) << (bits - 1)) : 0;
    Value most = (Value(1) << (isSigned ? bits - 1 : bits)) - 1;
    value = std::clamp(value, least, most);
  }
  uint32_t result = static_cast<uint32_t>(value);
  int64_t left = extend(result, 32, isSigned), right = extend(c, 32, isSigned);
  switch (encoding.secondary) {
  case Secondary::Add:
    return result + c;
  case Secondary::Min:
    return static_cast<uint32_t>(std::min(left, right));
  case Secondary::Max:
    return static_cast<uint32_t>(std::max(left, right));
  case Secondary::Merge:
    break;
  }
  if (bits == 32)
    return result;
  uint32_t mask = ((1u << bits) - 1) << destination.shift;
  return (c & ~mask) | ((result << destination.shift) & mask);
}

/// Operands d, a, b and c if there is one; `option` has the selectors of d, a and b, four bits
/// each.
static void video(Warp &warp, const Instruction &instruction, uint32_t mask) {
  Encoding encoding;
  std::memcpy(&encoding, &instruction.target, sizeof(encoding));
  bool ternary = instruction.numOperands == 4;
  Part destination = partOf(instruction.option & 15), partA = partOf(instruction.option >> 4 & 15),
       partB = partOf(instruction.option >> 8 & 15);
  uint32_t *result = warp.slot(instruction.operands[0]);
  const uint32_t *a = warp.slot(instruction.operands[1]), *b = warp.slot(instruction.operands[2]);
  const uint32_t *c = ternary ? warp.slot(instruction.operands[3]) : nullptr;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    Value value = operate(encoding, select(a[lane], partA, encoding.signedA),
                          select(b[lane], partB, encoding.signedB));
    result[lane] = combine(encoding, value, destination, c ? c[lane] : 0);
  }
  if (ternary)
    warp.flow<3>(instruction, mask);
  else
    warp.flow<2>(instruction, mask);
}

static void bindVideo(Match &match) {
  const auto &operands = match.statement->operands;
  bool isSet = match.statement->opcode == "vset";
  bool selects = !operands.empty() && operands[0].selector != 0, ternary = operands.size() == 4;
  Encoding encoding{};
  encoding.operation = llvm::StringSwitch<Operation>(match.statement->opcode)
                           .Case("vadd", Operation::Add)
                           .Case("vsub", Operation::Sub)
                           .Case("vabsdiff", Operation::AbsDiff)
                           .Case("vmin", Operation::Min)
                           .Case("vmax", Operation::Max)
                           .Case("vshl", Operation::Shl)
                           .Case("vshr", Operation::Shr)
                           .Default(Operation::Compare);
  static constexpr std::pair<llvm::StringLiteral, Relation> relations[] = {
      {".eq", Relation::Eq}, {".ne", Relation::Ne}, {".lt", Relation::Lt},
      {".le", Relation::Le}, {".gt", Relation::Gt}, {".ge", Relation::Ge}};
  for (const auto &[name, relation] : relations)
    if (match.has(name))
      encoding.relation = relation;
  encoding.secondary = match.has(".add")   ? Secondary::Add
                       : match.has(".min") ? Secondary::Min
                       : match.has(".max") ? Secondary::Max
                                           : Secondary::Merge;
  encoding.saturates = match.has(".sat");
  encoding.wraps = match.has(".wrap");
  encoding.signedResult = !isSet && match.type(0) == Type::S32;
  encoding.signedA = match.type(isSet ? 0 : 1) == Type::S32;
  encoding.signedB = match.type(isSet ? 1 : 2) == Type::S32;
  // c is what the result is put into or combined with.
  bool combines = encoding.secondary != Secondary::Merge;
  if ((selects && (combines || !ternary)) || (combines && !ternary))
    return;
  std::memcpy(&match.instruction->target, &encoding, sizeof(encoding));
  match.set(video, match.type(0));
}

#define WORD ".u32|.s32"
#define SECONDARY "?.add|.min|.max"
llvm::ArrayRef<Form> ptq::emulator::videoForms() {
  static const Form forms[] = {
      {"vadd " WORD " " WORD " " WORD " ?.sat " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vadd", bindVideo},
      {"vsub " WORD " " WORD " " WORD " ?.sat " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vsub", bindVideo},
      {"vabsdiff " WORD " " WORD " " WORD " ?.sat " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vabsdiff", bindVideo},
      {"vmin " WORD " " WORD " " WORD " ?.sat " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vmin", bindVideo},
      {"vmax " WORD " " WORD " " WORD " ?.sat " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vmax", bindVideo},
      {"vshl " WORD " " WORD " .u32 ?.sat .clamp|.wrap " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vshl", bindVideo},
      {"vshr " WORD " " WORD " .u32 ?.sat .clamp|.wrap " SECONDARY, "=part:0 part:1 part:2 ?b32",
       "Scalar Video Instructions: vshr", bindVideo},
      {"vset " WORD " " WORD " .eq|.ne|.lt|.le|.gt|.ge " SECONDARY, "=part:0 part:0 part:1 ?b32",
       "Scalar Video Instructions: vset", bindVideo},
  };
  return forms;
}

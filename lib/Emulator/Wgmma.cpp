// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma (PTX ISA, Asynchronous Warpgroup Level Matrix Instructions): D = A·B + D, m64nNkK with 32
// bytes of K. Each warp of the warpgroup computes its 16 rows when it issues the operation; a wait
// lasts until all four warps have issued what is waited for. Shared memory is read by an agent of
// the race checker: writing it before the wait is a race.
//
// The accumulator, g = lane / 4, t = lane % 4: D(i): row 16·warp + g + 8·((i>>1)&1), column
// 8·(i>>2) + 2t + (i&1). Operands: WgmmaTiles.h.
//
// Integers are exact. Floats: products exact, groups of eight summed in double, each group added to
// the accumulator with one rounding, as mma does here.

#include "Bindings.h"
#include "OperandDecoder.h"
#include "SoftFloat.h"
#include "WgmmaTiles.h"

#include <cstring>

using namespace ptq::emulator;

namespace {
enum : uint32_t {
  saturateBit = 1,
  signedABit = 2,
  signedBBit = 4,
  halfDBit = 8,
  bfloatBit = 16,
  floatBit = 32,
  transposeABit = 64,
  transposeBBit = 128,
  negateBit = 256,
  registersBit = 512,
};
constexpr uint8_t inFlight = 1, inputInFlight = 2, fenced = 4;

} // namespace

static double elementOf(const uint8_t *at, bool bfloat) {
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return bfloat ? static_cast<double>(toFloat(BFloat{bits}))
                : static_cast<double>(toFloat(Half{bits}));
}

/// The states of the function's registers, see Frame.
static std::vector<uint8_t> &statesOf(Warp &warp) {
  auto &states = warp.frame().matrixStates;
  if (states.empty())
    states.resize(warp.frame().code->numSlots);
  return states;
}

static void reportUnfenced(Warp &warp, const Instruction &instruction, const char *what) {
  warp.report(Check::Races, instruction, allLanes, 0,
              llvm::Twine(what) + " of wgmma.mma_async was accessed since the last wgmma.fence");
}

/// Operands: A's descriptor or registers, B's descriptor, whether to add D. D's registers are a
/// list of the function.
static void multiply(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  if (warp.index / 4 * 4 + 4 > warp.cta.warps.size())
    warp.report(Check::DivergentBarriers, instruction, mask, 0,
                "wgmma needs the four warps of a warpgroup");
  const uint32_t *ops = instruction.operands;
  const std::vector<uint32_t> &results = warp.frame().code->lists[instruction.index];
  bool inRegisters = instruction.option & registersBit;
  unsigned nextOperand = inRegisters ? 4 : 1, columns = instruction.target;
  uint32_t addSlot = ops[nextOperand + 1];
  warp.requireDefined(instruction, ops[nextOperand], mask, "is a matrix descriptor");
  warp.requireDefined(instruction, addSlot, mask, "says whether wgmma adds");
  uint32_t add = warp.predicate(addSlot);
  if (instruction.negated & (1u << (nextOperand + 1)))
    add = ~add;

  auto &states = statesOf(warp);
  bool unfencedD = false, unfencedA = false;
  for (uint32_t slot : results) {
    unfencedD |= !(states[slot] & (fenced | inFlight));
    states[slot] |= inFlight;
  }
  for (unsigned index = 0; inRegisters && index != 4; ++index) {
    unfencedA |= !(states[ops[index]] & fenced);
    states[ops[index]] |= inputInFlight;
  }
  if (unfencedD)
    reportUnfenced(warp, instruction, "the accumulator");
  else if (unfencedA)
    reportUnfenced(warp, instruction, "a fragment");

  warp.cta.clocks.advance(matrixAgentOf(warp));
  static thread_local WgmmaTile a, b;
  unsigned lane0 = __builtin_ctz(mask);
  if (inRegisters) {
    readFragment(warp, instruction, ops, a);
  } else {
    warp.requireDefined(instruction, ops[0], mask, "is a matrix descriptor");
    readTile(warp, instruction, warp.wideSlot(ops[0])[lane0], 16 * (warp.index % 4), 16,
             instruction.option & transposeABit, a);
  }
  readTile(warp, instruction, warp.wideSlot(ops[nextOperand])[lane0], 0, columns,
           instruction.option & transposeBBit, b);

  bool isFloat = instruction.option & floatBit, half = instruction.option & halfDBit,
       bfloat = instruction.option & bfloatBit;
  static thread_local double fa[16][16], fb[256][16];
  static thread_local int16_t ia[16][32], ib[256][32];
  for (unsigned row = 0; row != 16 + columns; ++row) {
    bool ofA = row < 16;
    unsigned at = ofA ? row : row - 16;
    const uint8_t *bytes = ofA ? a.data[at] : b.data[at];
    if (isFloat) {
      double *to = ofA ? fa[at] : fb[at];
      for (unsigned k = 0; k != 16; ++k)
        to[k] = elementOf(bytes + 2 * k, bfloat) *
                (ofA && (instruction.option & negateBit) ? -1.0 : 1.0);
      continue;
    }
    bool isSigned = instruction.option & (ofA ? signedABit : signedBBit);
    int16_t *to = ofA ? ia[at] : ib[at];
    for (unsigned k = 0; k != 32; ++k)
      to[k] = isSigned ? int16_t(static_cast<int8_t>(bytes[k])) : int16_t(bytes[k]);
  }

  unsigned perRegister = half ? 2 : 1;
  for (size_t reg = 0; reg != results.size(); ++reg) {
    uint32_t *values = warp.slot(results[reg]);
    uint32_t bad = warp.undefinedLanes(results[reg]) & add;
    for (unsigned lane = 0; lane != warpSize; ++lane) {
      uint32_t old = (add >> lane) & 1 ? values[lane] : 0, fresh = 0;
      for (unsigned part = 0; part != perRegister; ++part) {
        unsigned i = reg * perRegister + part;
        unsigned row = (lane >> 2) + 8 * ((i >> 1) & 1),
                 column = 8 * (i >> 2) + 2 * (lane & 3) + (i & 1);
        bad |= uint32_t(a.undefined[row] | b.undefined[column]) << lane;
        if (isFloat) {
          float sum;
          if (half)
            sum = toFloat(Half{static_cast<uint16_t>(old >> (16 * part))});
          else
            std::memcpy(&sum, &old, 4);
          for (unsigned k = 0; k != 16; k += 8) {
            double group = 0;
            for (unsigned index = k; index != k + 8; ++index)
              group += fa[row][index] * fb[column][index];
            sum = static_cast<float>(sum + group);
          }
          uint32_t bits;
          if (half)
            bits = uint32_t(toHalf(sum).bits) << (16 * part);
          else
            std::memcpy(&bits, &sum, 4);
          fresh |= bits;
          continue;
        }
        int32_t sum = 0;
        for (unsigned k = 0; k != 32; ++k)
          sum += int32_t(ia[row][k]) * ib[column][k];
        int64_t total = int64_t(static_cast<int32_t>(old)) + sum;
        if (instruction.option & saturateBit)
          total = std::clamp<int64_t>(total, INT32_MIN, INT32_MAX);
        fresh = static_cast<uint32_t>(total);
      }
      values[lane] = fresh;
    }
    warp.define(results[reg], allLanes);
    if (bad)
      warp.taint(results[reg], bad, instruction);
  }
  warp.matrixOps.push_back({&instruction, &warp.frame(), ~0u});
}

static void fence(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  for (uint8_t &state : statesOf(warp))
    state |= fenced;
}

static void commitGroup(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  uint32_t group = warp.matrixGroupTimes.size();
  for (Warp::MatrixOp &op : warp.matrixOps)
    op.group = std::min(op.group, group);
  warp.matrixGroupTimes.push_back(warp.cta.clocks.advance(matrixAgentOf(warp)));
  warp.cta.noteProgress();
}

static void mark(const Warp::MatrixOp &op, bool flying) {
  auto &states = op.frame->matrixStates;
  auto change = [&](uint32_t slot, uint8_t bit) {
    states[slot] = flying ? states[slot] | bit : states[slot] & ~bit;
  };
  for (uint32_t slot : op.frame->code->lists[op.instruction->index])
    change(slot, inFlight);
  for (unsigned index = 0; (op.instruction->option & registersBit) && index != 4; ++index)
    change(op.instruction->operands[index], inputInFlight);
}

static void waitGroup(Warp &warp, const Instruction &instruction, uint32_t mask) {
  if (!checkAligned(warp, instruction, mask))
    return;
  size_t pending = static_cast<uint32_t>(instruction.immediate);
  size_t groups = warp.matrixGroupTimes.size();
  size_t done = groups > pending ? groups - pending : 0;
  unsigned first = warp.index / 4 * 4;
  uint32_t time = 0;
  for (unsigned index = first; index != std::min<size_t>(first + 4, warp.cta.warps.size());
       ++index) {
    const Warp &other = *warp.cta.warps[index];
    if (other.matrixGroupTimes.size() < done)
      return warp.retry(instruction, "other warps of its warpgroup to issue their wgmma");
    if (done)
      time = std::max(time, other.matrixGroupTimes[done - 1]);
  }
  if (!done)
    return;
  warp.cta.clocks.learn(warp.index, matrixAgentOf(warp), time);
  auto isDone = [&](const Warp::MatrixOp &op) { return op.group < done; };
  for (const Warp::MatrixOp &op : warp.matrixOps)
    if (isDone(op))
      mark(op, false);
  llvm::erase_if(warp.matrixOps, isDone);
  for (const Warp::MatrixOp &op : warp.matrixOps)
    mark(op, true);
}

/// In front of an instruction that has registers of wgmma among its operands.
static void accessRegisters(Warp &warp, const Instruction &instruction, uint32_t mask) {
  auto &states = statesOf(warp);
  for (unsigned index = 0; index != instruction.numOperands; ++index) {
    uint8_t &state = states[instruction.operands[index]];
    if (state & inFlight)
      warp.report(Check::Races, instruction, mask, 0,
                  "a register of the accumulator of wgmma.mma_async before wgmma.wait_group");
    else if ((state & inputInFlight) && index < instruction.numDestinations)
      warp.report(Check::Races, instruction, mask, 0,
                  "a fragment of wgmma.mma_async is overwritten before wgmma.wait_group");
    state &= ~fenced;
  }
  instruction.inner(warp, instruction, mask);
}

void ptq::emulator::watchMatrixRegisters(Code &code) {
  std::vector<bool> watched(code.numSlots);
  bool any = false;
  for (const Instruction &instruction : code.instructions) {
    if (instruction.run != multiply)
      continue;
    any = true;
    for (uint32_t slot : code.lists[instruction.index])
      watched[slot] = true;
    for (unsigned index = 0; (instruction.option & registersBit) && index != 4; ++index)
      watched[instruction.operands[index]] = true;
  }
  if (!any)
    return;
  for (Instruction &instruction : code.instructions) {
    if (instruction.run == multiply)
      continue;
    for (unsigned index = 0; index != instruction.numOperands; ++index)
      if (watched[instruction.operands[index]]) {
        instruction.inner = instruction.run;
        instruction.run = accessRegisters;
        break;
      }
  }
}

/// Checks what the modifiers cannot say: scales of 1 and -1, and the transpositions.
static void bindMultiply(Match &match) {
  Instruction &instruction = *match.instruction;
  llvm::StringRef shape = match.modifiers[3];
  for (llvm::StringRef modifier : match.modifiers)
    if (modifier.starts_with(".m64n"))
      shape = modifier;
  unsigned columns = 0;
  shape.drop_front(5).consumeInteger(10, columns);
  instruction.target = columns;
  const auto &operands = match.statement->operands;
  bool inRegisters = operands.size() > 1 && operands[1].kind == Operand::Vector;
  bool isFloat = match.type(1) == Type::F16 || match.type(1) == Type::BF16;
  uint32_t option = inRegisters ? registersBit : 0;
  static const Form forms[] = {{"", "=wd b64 b64 !pred", "", nullptr},
                               {"", "=wd v4:b32 b64 !pred", "", nullptr},
                               {"", "=wd b64 b64 !pred imm imm imm imm", "", nullptr},
                               {"", "=wd v4:b32 b64 !pred imm imm imm", "", nullptr}};
  match.form = &forms[2 * isFloat + inRegisters];
  if (isFloat) {
    if (match.type(1) != match.type(2) || operands.size() != (inRegisters ? 7u : 8u))
      return;
    auto value = [&](unsigned index) { return static_cast<int32_t>(operands[index].value); };
    for (unsigned index : {4, 5})
      if (value(index) != 1 && value(index) != -1)
        return;
    for (unsigned index = 6; index != operands.size(); ++index)
      if (value(index) != 0 && value(index) != 1)
        return;
    option |= floatBit | (match.type(0) == Type::F16 ? halfDBit : 0) |
              (match.type(1) == Type::BF16 ? bfloatBit : 0) |
              (value(4) * value(5) < 0 ? negateBit : 0) |
              (!inRegisters && value(6) ? transposeABit : 0) |
              (value(operands.size() - 1) ? transposeBBit : 0);
  } else {
    option |= (match.has(".satfinite") ? saturateBit : 0) |
              (match.type(1) == Type::S8 ? signedABit : 0) |
              (match.type(2) == Type::S8 ? signedBBit : 0);
  }
  instruction.option = option;
  match.set(multiply, match.type(0));
}

/// ".m64n8k16|.m64n16k16|…"
static std::string shapes(unsigned depth, bool integer) {
  std::string text;
  for (unsigned columns = 8; columns <= 256; columns += 8)
    if (!integer || columns <= 24 || columns % 16 == 0)
      text += (text.empty() ? ".m64n" : "|.m64n") + std::to_string(columns) + "k" +
              std::to_string(depth);
  return text;
}

#define WGMMA "Asynchronous Warpgroup Level Matrix: wgmma."
llvm::ArrayRef<Form> ptq::emulator::wgmmaForms() {
  static const std::string head = "wgmma .mma_async .sync .aligned ";
  static const std::string half = head + shapes(16, false) + " .f32|.f16 .f16 .f16",
                           bfloat = head + shapes(16, false) + " .f32 .bf16 .bf16",
                           integer = head + shapes(32, true) + " ?.satfinite .s32 .s8|.u8 .s8|.u8";
  static const Form forms[] = {
      {half.c_str(), "=wd b64 b64 !pred imm imm imm ?imm", WGMMA "mma_async", bindMultiply},
      {bfloat.c_str(), "=wd b64 b64 !pred imm imm imm ?imm", WGMMA "mma_async", bindMultiply},
      {integer.c_str(), "=wd b64 b64 !pred", WGMMA "mma_async", bindMultiply},
      {"wgmma .fence .sync ?.aligned", "", WGMMA "fence", [](Match &m) { m.set(fence); }},
      {"wgmma .commit_group .sync ?.aligned", "", WGMMA "commit_group",
       [](Match &m) { m.set(commitGroup); }},
      {"wgmma .wait_group .sync ?.aligned", "imm", WGMMA "wait_group",
       [](Match &m) { m.set(waitGroup); }},
  };
  return forms;
}

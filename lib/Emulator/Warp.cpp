// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Warp.h"
#include "ControlFlow.h"
#include "Machine.h"
#include "OperandDecoder.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace ptq::emulator;

/// Calls deeper than this are a runaway recursion.
static constexpr size_t maxDepth = 256;
/// Of shared memory, what the system keeps for itself in each CTA (compute capability 8.0 and
/// later).
static constexpr uint32_t reservedSharedBytes = 1024;

Frame::Frame(const Code &code, uint32_t localBase)
    : code(&code), undefined(code.numSlots, allLanes), origins(code.numSlots),
      localBase(localBase) {
  size_t bytes = (size_t(code.numSlots) + 1) * warpSize * sizeof(uint32_t);
  registers.reset(static_cast<uint32_t *>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  std::fill_n(registers.get(), bytes / sizeof(uint32_t), 0xcdcdcdcd);
}

Warp::Warp(Cta &cta, unsigned index, unsigned lanes)
    : cta(cta), index(index), live(lanes == warpSize ? allLanes : (1u << lanes) - 1) {
  pushFrame(*cta.machine.program.functions.front(), live, 0);
}

void Warp::growLocal(uint32_t bytes) {
  if (bytes <= localBytes)
    return;
  uint32_t larger = std::max(bytes, localBytes * 2);
  std::vector<uint8_t> data(size_t(larger) * warpSize), state(size_t(larger) * warpSize);
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    std::copy_n(localData.begin() + size_t(lane) * localBytes, localBytes,
                data.begin() + size_t(lane) * larger);
    std::copy_n(localState.begin() + size_t(lane) * localBytes, localBytes,
                state.begin() + size_t(lane) * larger);
  }
  localData = std::move(data);
  localState = std::move(state);
  localBytes = larger;
}

std::vector<uint32_t> &Warp::stackTops() {
  Frame &top = frame();
  if (top.stackTops.empty())
    top.stackTops.assign(warpSize, stackBegin());
  return top.stackTops;
}

static uint64_t specialValue(const Cta &cta, unsigned warp, unsigned lane, SpecialRegister reg) {
  const Machine &machine = cta.machine;
  Dim3 thread = cta.threadAt(warp * warpSize + lane);
  uint32_t below = (1u << lane) - 1;
  switch (reg) {
  case SpecialRegister::TidX:
    return thread.x;
  case SpecialRegister::TidY:
    return thread.y;
  case SpecialRegister::TidZ:
    return thread.z;
  case SpecialRegister::NtidX:
    return machine.block.x;
  case SpecialRegister::NtidY:
    return machine.block.y;
  case SpecialRegister::NtidZ:
    return machine.block.z;
  case SpecialRegister::CtaidX:
    return cta.id.x;
  case SpecialRegister::CtaidY:
    return cta.id.y;
  case SpecialRegister::CtaidZ:
    return cta.id.z;
  case SpecialRegister::NctaidX:
    return machine.grid.x;
  case SpecialRegister::NctaidY:
    return machine.grid.y;
  case SpecialRegister::NctaidZ:
    return machine.grid.z;
  case SpecialRegister::LaneId:
    return lane;
  case SpecialRegister::WarpId:
    return warp;
  case SpecialRegister::NwarpId:
    return (machine.block.count() + warpSize - 1) / warpSize;
  case SpecialRegister::SmId:
    return cta.index;
  case SpecialRegister::NsmId:
    return machine.numCtas();
  case SpecialRegister::GridId:
    return 1;
  case SpecialRegister::LanemaskEq:
    return 1u << lane;
  case SpecialRegister::LanemaskLt:
    return below;
  case SpecialRegister::LanemaskLe:
    return below | 1u << lane;
  case SpecialRegister::LanemaskGt:
    return ~(below | 1u << lane);
  case SpecialRegister::LanemaskGe:
    return ~below;
  case SpecialRegister::One:
    return 1;
  case SpecialRegister::DynamicSharedSize:
    return machine.dynamicShared;
  case SpecialRegister::TotalSharedSize:
    return machine.sharedBytes();
  case SpecialRegister::AggregateSharedSize:
    return machine.sharedBytes() + reservedSharedBytes;
  default:
    return 0;
  }
}

void Warp::fillConstants(Frame &frame) {
  for (const Constant &constant : frame.code->constants) {
    uint32_t *narrow = frame.registers.get() + size_t(constant.slot) * warpSize;
    auto *wide = reinterpret_cast<uint64_t *>(narrow);
    frame.undefined[constant.slot] = 0;
    for (unsigned lane = 0; lane != warpSize; ++lane) {
      uint64_t value = constant.value;
      if (constant.kind == Constant::Special)
        value = specialValue(cta, index, lane, static_cast<SpecialRegister>(constant.value));
      else if (constant.kind == Constant::LocalAddress)
        value += frame.localBase;
      if (constant.wide)
        wide[lane] = value;
      else
        narrow[lane] = static_cast<uint32_t>(value);
    }
  }
}

void Warp::pushFrame(const Code &code, uint32_t mask, uint32_t localBase) {
  if (!frames.empty())
    frames.back()->paths.back().pc = pc;
  frames.push_back(std::make_unique<Frame>(code, localBase));
  Frame &frame = *frames.back();
  fillConstants(frame);
  growLocal(localBase + code.frameBytes);
  // What an earlier call left there is not defined for this one.
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if (code.frameBytes && ((mask >> lane) & 1))
      std::fill_n(localState.begin() + size_t(lane) * localBytes + localBase, code.frameBytes, 0);
  frame.paths.push_back({mask, 0, noReconvergence});
  registers = frame.registers.get();
  undefined = frame.undefined.data();
  instructions = code.instructions.data();
  selectTop();
}

void Warp::selectTop() {
  Path &top = frames.back()->paths.back();
  top.parked = false;
  pc = top.pc;
  active = top.mask;
}

void Warp::popFrame() {
  llvm::erase_if(matrixOps, [&](const MatrixOp &op) { return op.frame == frames.back().get(); });
  frames.pop_back();
  Frame &frame = *frames.back();
  registers = frame.registers.get();
  undefined = frame.undefined.data();
  instructions = frame.code->instructions.data();
  selectTop();
}

uint64_t Warp::run(uint64_t budget) {
  remaining = static_cast<int64_t>(budget);
  uint64_t executed = 0;
  while (remaining > 0) {
    --remaining;
    ++executed;
    const Instruction &instruction = instructions[pc++];
    uint32_t mask = active;
    if (instruction.guard >= 0) {
      uint32_t guard = predicate(instruction.guard);
      requireDefined(instruction, instruction.guard, mask, "guards an instruction");
      mask &= instruction.guardNegated ? ~guard : guard;
      if (mask != active)
        cta.tally.skipped[instruction.id] += __builtin_popcount(active & ~mask);
      if (!mask)
        continue;
    }
    instruction.run(*this, instruction, mask);
  }
  return executed;
}

void Warp::call(const Instruction &instruction, const Call &call, uint32_t mask) {
  Frame &caller = frame();
  if (frames.size() >= maxDepth) {
    report(Check::Trap, instruction, mask, 0, "calls are nested too deeply");
    cta.machine.abort();
    return stop();
  }
  uint32_t callerBase = caller.localBase, base = callerBase + caller.code->frameBytes;
  for (uint32_t top : caller.stackTops)
    base = llvm::alignTo(std::max(base, top), 16);
  pushFrame(*call.callee, mask, base);
  Frame &callee = frame();
  callee.call = &call;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (const Call::Copy &copy : call.parameters) {
      if (!((mask >> lane) & 1))
        continue;
      size_t from = size_t(lane) * localBytes + callerBase + copy.from;
      size_t to = size_t(lane) * localBytes + base + copy.to;
      std::copy_n(localData.begin() + from, copy.bytes, localData.begin() + to);
      std::copy_n(localState.begin() + from, copy.bytes, localState.begin() + to);
    }
  for (const Call::Move &move : call.registerParameters) {
    std::copy_n(caller.registers.get() + size_t(move.from) * warpSize, warpSize << move.wide,
                callee.registers.get() + size_t(move.to) * warpSize);
    callee.undefined[move.to] = caller.undefined[move.from];
  }
}

void Warp::leave(const Instruction &instruction, uint32_t mask) {
  if (frames.size() == 1)
    return exit(mask);
  Frame &callee = frame(), &caller = *frames[frames.size() - 2];
  const Call &call = *callee.call;
  for (unsigned lane = 0; lane != warpSize; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    for (const Call::Copy &copy : call.results) {
      size_t from = size_t(lane) * localBytes + callee.localBase + copy.from;
      size_t to = size_t(lane) * localBytes + caller.localBase + copy.to;
      std::copy_n(localData.begin() + from, copy.bytes, localData.begin() + to);
      std::copy_n(localState.begin() + from, copy.bytes, localState.begin() + to);
    }
    for (const Call::Move &move : call.registerResults) {
      uint32_t *from = callee.registers.get() + size_t(move.from) * warpSize;
      uint32_t *to = caller.registers.get() + size_t(move.to) * warpSize;
      if (move.predicate)
        *to = (*to & ~(1u << lane)) | (*from & (1u << lane));
      else if (move.wide)
        reinterpret_cast<uint64_t *>(to)[lane] = reinterpret_cast<uint64_t *>(from)[lane];
      else
        to[lane] = from[lane];
      uint32_t bit = 1u << lane;
      caller.undefined[move.to] =
          (caller.undefined[move.to] & ~bit) | (callee.undefined[move.from] & bit);
    }
  }
  auto &paths = callee.paths;
  for (Path &path : paths)
    path.mask &= ~mask;
  while (!paths.empty() && !paths.back().mask)
    paths.pop_back();
  if (paths.empty())
    return popFrame();
  if (active & ~mask)
    active &= ~mask; // the guard kept some lanes, which go on
  else
    selectTop();
}

void Warp::exit(uint32_t mask) {
  live &= ~mask;
  if (!live)
    return cta.warpExited(*this);
  uint32_t before = active & ~mask;
  for (auto &frame : frames)
    for (Path &path : frame->paths)
      path.mask &= ~mask;
  if (before) {
    active = before;
    return;
  }
  // Callers wait at the top of their own paths; frames that no lane is left in are dropped.
  for (;;) {
    auto &paths = frame().paths;
    while (!paths.empty() && !paths.back().mask)
      paths.pop_back();
    if (!paths.empty())
      break;
    frames.pop_back();
  }
  Frame &top = frame();
  registers = top.registers.get();
  undefined = top.undefined.data();
  instructions = top.code->instructions.data();
  selectTop();
}

void Warp::report(Check check, const Instruction &instruction, uint32_t mask, uint64_t address,
                  const llvm::Twine &message) {
  cta.report(check, instruction, this, mask ? __builtin_ctz(mask) : 0, address, message);
}

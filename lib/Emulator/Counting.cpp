// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Counting.h"
#include "ControlFlow.h"

#include <algorithm>

using namespace ptq::emulator;

void Tally::operator+=(const Tally &other) {
  for (size_t index = 0; index != memory.size(); ++index) {
    memory[index].global += other.memory[index].global;
    memory[index].shared += other.memory[index].shared;
    skipped[index] += other.skipped[index];
  }
  for (size_t index = 0; index != blocks.size(); ++index) {
    blocks[index] += other.blocks[index];
    lanes[index] += other.lanes[index];
  }
  barriers += other.barriers;
  branches += other.branches;
  divergentBranches += other.divergentBranches;
}

KernelCounters Tally::summarize(const Program &program) const {
  KernelCounters result;
  result.kernel = program.kernel;
  result.barriers = barriers;
  result.branches = branches;
  result.divergentBranches = divergentBranches;
  for (const auto &code : program.functions)
    for (const BasicBlock &block : code->blocks) {
      BlockCounters counters;
      counters.function = code->function->name;
      counters.label = block.label;
      counters.line = block.line;
      counters.executions = blocks[block.id];
      for (uint32_t index = block.begin; index != block.end; ++index) {
        const Instruction &instruction = code->instructions[index];
        if (instruction.run == enterBlockHandler())
          continue;
        InstructionCounters one;
        one.instructions = blocks[block.id];
        one.threadInstructions = lanes[block.id] - skipped[instruction.id];
        one.global = memory[instruction.id].global;
        one.shared = memory[instruction.id].shared;
        counters.counters += one;
        if (one.instructions)
          result.opcodes[program.opcodes[instruction.opcode]] += one;
      }
      result.total += counters.counters;
      result.blocks.push_back(std::move(counters));
    }
  return result;
}

/// Active lanes' addresses; true if they follow each other without a gap.
static unsigned gather(const uint64_t *addresses, uint32_t mask, unsigned bytes, uint64_t *list,
                       bool &contiguous) {
  unsigned count = 0;
  contiguous = true;
  for (; mask; mask &= mask - 1) {
    uint64_t address = addresses[__builtin_ctz(mask)];
    if (count && address != list[count - 1] + bytes)
      contiguous = false;
    list[count++] = address;
  }
  return count;
}

static unsigned sortUnique(uint64_t *list, unsigned count) {
  std::sort(list, list + count);
  return std::unique(list, list + count) - list;
}

void ptq::emulator::countGlobal(MemoryCounters &counters, const uint64_t *addresses, uint32_t mask,
                                unsigned bytes) {
  uint64_t list[64];
  bool contiguous;
  unsigned count = gather(addresses, mask, bytes, list, contiguous);
  if (count == 0)
    return;
  ++counters.requests;
  if (contiguous) {
    uint64_t total = uint64_t(count) * bytes;
    counters.sectors += ((list[0] + total - 1) >> 5) - (list[0] >> 5) + 1;
    counters.idealSectors += (total + 31) / 32;
    counters.bytes += total;
    return;
  }
  count = sortUnique(list, count);
  uint64_t total = uint64_t(count) * bytes;
  counters.bytes += total;
  counters.idealSectors += (total + 31) / 32;
  uint64_t sectors[64];
  unsigned numSectors = 0;
  for (unsigned index = 0; index != count; ++index)
    for (uint64_t sector = list[index] >> 5; sector <= (list[index] + bytes - 1) >> 5; ++sector)
      if (numSectors == 0 || sectors[numSectors - 1] < sector)
        sectors[numSectors++] = sector;
  counters.sectors += numSectors;
}

void ptq::emulator::countShared(MemoryCounters &counters, const uint64_t *addresses, uint32_t mask,
                                unsigned bytes) {
  if (!mask)
    return;
  ++counters.requests;
  unsigned phases = bytes <= 4 ? 1 : bytes / 4, lanesPerPhase = 32 / phases;
  for (unsigned phase = 0; phase != phases; ++phase) {
    uint32_t lanes =
        phases == 1 ? mask : mask & (((1u << lanesPerPhase) - 1) << (phase * lanesPerPhase));
    uint64_t list[128];
    bool contiguous;
    unsigned count = gather(addresses, lanes, bytes, list, contiguous);
    if (count == 0)
      continue;
    if (contiguous) {
      counters.bytes += uint64_t(count) * bytes;
      ++counters.wavefronts;
      ++counters.idealWavefronts;
      continue;
    }
    uint64_t words[128];
    unsigned numWords = 0;
    for (unsigned index = 0; index != count; ++index)
      for (uint64_t word = list[index] >> 2; word <= (list[index] + bytes - 1) >> 2; ++word)
        words[numWords++] = word;
    counters.bytes += uint64_t(sortUnique(list, count)) * bytes;
    numWords = sortUnique(words, numWords);
    unsigned inBank[32] = {}, most = 0;
    for (unsigned index = 0; index != numWords; ++index)
      most = std::max(most, ++inBank[words[index] & 31]);
    counters.wavefronts += most;
    counters.idealWavefronts += (numWords + 31) / 32;
  }
}

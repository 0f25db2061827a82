// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Machine.h"

#include <algorithm>
#include <thread>

using namespace ptq::emulator;

/// Warp instructions that a CTA executes before another gets its turn, where CTAs are interleaved.
static constexpr uint64_t ctaSlice = 20000;
/// Findings kept; more at other lines are only counted with the launch's others.
static constexpr size_t maxFindings = 200;

Machine::Machine(const Program &program, GlobalMemory &memory, const MachineOptions &options,
                 Dim3 grid, Dim3 block, uint32_t dynamicShared, llvm::ArrayRef<uint8_t> parameters)
    : program(program), memory(memory), options(options), grid(grid), block(block),
      dynamicShared(dynamicShared), parameters(parameters), total(program) {}

const Instruction &Machine::instructionAt(uint32_t id) const {
  for (const auto &code : program.functions) {
    uint32_t first = code->instructions.front().id;
    if (id - first < code->instructions.size())
      return code->instructions[id - first];
  }
  return program.functions.front()->instructions.front();
}

static uint64_t linear(const Dim3 &block, const Dim3 &grid) {
  return (uint64_t(block.z) * grid.y + block.y) * grid.x + block.x;
}

void Machine::report(Finding finding) {
  std::lock_guard<std::mutex> guard(mutex);
  for (Finding &known : findings)
    if (known.check == finding.check && known.line == finding.line) {
      uint64_t count = known.count + 1;
      // The first CTA's, whichever host thread came first.
      if (linear(finding.block, grid) < linear(known.block, grid))
        known = std::move(finding);
      known.count = count;
      return;
    }
  if (findings.size() < maxFindings)
    findings.push_back(std::move(finding));
}

std::vector<Finding> Machine::takeFindings() {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding &a, const Finding &b) { return a.line < b.line; });
  return std::move(findings);
}

void Machine::spend(uint64_t instructions) {
  uint64_t spent = sinceProgress.fetch_add(instructions, std::memory_order_relaxed) + instructions;
  if (spent < options.watchdog || isAborted())
    return;
  if (checks(Check::Deadlock))
    report({Check::Deadlock,
            program.kernel,
            program.functions[0]->function->location.line,
            {0, 0, 0},
            {0, 0, 0},
            0,
            "the watchdog ran out: " + std::to_string(options.watchdog) +
                " warp instructions without a barrier or the end of a CTA"});
  abort();
}

void Machine::runIndependent(unsigned threads) {
  std::atomic<uint64_t> next{0};
  std::vector<Tally> tallies(threads, Tally(program));
  auto work = [&](unsigned thread) {
    for (;;) {
      uint64_t index = next.fetch_add(1);
      if (index >= numCtas())
        return;
      Cta cta(*this, index, tallies[thread]);
      while (!cta.isDone() && !isAborted())
        spend(cta.run(ctaSlice * 16));
      if (isAborted())
        return;
      noteProgress();
    }
  };
  std::vector<std::thread> others;
  for (unsigned thread = 1; thread < threads; ++thread)
    others.emplace_back(work, thread);
  work(0);
  for (std::thread &thread : others)
    thread.join();
  for (const Tally &tally : tallies)
    total += tally;
}

void Machine::runInterleaved() {
  std::vector<std::unique_ptr<Cta>> resident;
  std::mt19937_64 random(options.seed);
  uint64_t next = 0;
  while ((next != numCtas() || !resident.empty()) && !isAborted()) {
    while (next != numCtas() && resident.size() < options.residentCtas)
      resident.push_back(std::make_unique<Cta>(*this, next++, total));
    if (options.seed)
      std::shuffle(resident.begin(), resident.end(), random);
    for (auto &cta : resident) {
      spend(cta->run(ctaSlice));
      if (cta->isDone()) {
        cta.reset();
        noteProgress();
      }
      if (isAborted())
        break;
    }
    resident.erase(std::remove(resident.begin(), resident.end(), nullptr), resident.end());
  }
}

void Machine::run() {
  memory.resetShadows();
  if (checksRaces())
    memory.makeShadows();
  uint64_t threads = std::min<uint64_t>(std::max(1u, options.threads), numCtas());
  if (program.synchronizesAcrossCtas)
    return runInterleaved();
  if (threads > 1)
    locks = std::make_unique<ShadowLocks>();
  runIndependent(threads);
}

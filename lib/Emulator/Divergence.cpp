// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The paths of a warp whose lanes part at a branch: a stack of those of a frame, each until it gets
// to the branch's point of reconvergence.

#include "Machine.h"
#include "Warp.h"

#include <algorithm>

using namespace ptq::emulator;

void Warp::enterBlock(const Instruction &instruction) {
  auto &paths = frames.back()->paths;
  uint32_t here = pc - 1;
  // Lanes that get to their point of reconvergence wait there for those of the paths below.
  while (paths.back().reconvergence == here) {
    paths.pop_back();
    selectTop();
    if (pc != here)
      return;
  }
  pc = here + 1;
  const BasicBlock &entered = frames.back()->code->blocks[instruction.block];
  if (instruction.option)
    noteValues(entered);
  uint32_t block = entered.id;
  ++cta.tally.blocks[block];
  cta.tally.lanes[block] += __builtin_popcount(active);
}

void Warp::branch(const Instruction &instruction, uint32_t taken) {
  uint32_t rest = active & ~taken;
  ++cta.tally.branches;
  if (!rest) {
    pc = instruction.target;
    return;
  }
  ++cta.tally.divergentBranches;
  auto &paths = frames.back()->paths;
  uint32_t meet = instruction.reconvergence, next = pc;
  if (paths.back().reconvergence == meet)
    paths.pop_back(); // this path ends where the new ones do
  else
    paths.back().pc = meet;
  if (instruction.target != meet)
    paths.push_back({taken, instruction.target, meet});
  if (next != meet)
    paths.push_back({rest, next, meet});
  selectTop();
}

void Warp::branchTable(const Instruction &instruction, uint32_t mask, const uint32_t *targets) {
  ++cta.tally.branches;
  auto &paths = frames.back()->paths;
  uint32_t meet = instruction.reconvergence, next = pc, rest = active & ~mask;
  std::vector<Path> fresh;
  auto add = [&](uint32_t lanes, uint32_t target) {
    for (Path &path : fresh)
      if (path.pc == target) {
        path.mask |= lanes;
        return;
      }
    fresh.push_back({lanes, target, meet});
  };
  if (rest)
    add(rest, next);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    if ((mask >> lane) & 1)
      add(1u << lane, targets[lane]);
  if (fresh.size() == 1) {
    pc = fresh.front().pc;
    return;
  }
  ++cta.tally.divergentBranches;
  if (paths.back().reconvergence == meet)
    paths.pop_back();
  else
    paths.back().pc = meet;
  for (const Path &path : fresh)
    if (path.pc != meet)
      paths.push_back(path);
  selectTop();
}

void Warp::split(const Instruction &instruction, uint32_t first, uint32_t rest) {
  ++cta.tally.branches;
  ++cta.tally.divergentBranches;
  auto &paths = frames.back()->paths;
  uint32_t here = pc - 1, meet = instruction.reconvergence;
  paths.back().pc = meet;
  paths.push_back({rest, here, meet});
  paths.push_back({first, meet, meet});
  selectTop();
}

// The point of reconvergence may lie behind an instruction that all lanes execute together: where a
// compiler threads jumps, the two sides of a branch meet first at a barrier that neither dominates
// nor post-dominates the branch. Independent thread scheduling (Volta and later) lets the lanes
// that are there first wait for the others; here that is another order of the stack's paths.
//
// Of the paths, those that contain the lanes of another are where these go on in the end; a path is
// a leaf if no path above it has lanes of it. A lane goes on in its topmost path.
bool Warp::gather(uint32_t absent) {
  auto &paths = frames.back()->paths;
  uint32_t here = pc - 1, arriving = active;
  for (Path &meeting : paths) {
    if (!meeting.parked || meeting.pc != here)
      continue;
    // From now on these lanes go where those do that waited here.
    uint32_t waiting = meeting.mask;
    bool below = true;
    for (Path &path : paths) {
      if (&path == &meeting)
        below = false;
      bool contains = &path == &meeting || (below && (path.mask & waiting) == waiting);
      path.mask = contains ? path.mask | arriving : path.mask & ~arriving;
    }
    size_t at = &meeting - paths.data();
    std::rotate(paths.begin() + at, paths.begin() + at + 1, paths.end());
    llvm::erase_if(paths, [](const Path &path) { return !path.mask; });
    selectTop();
    return true;
  }
  uint32_t above = arriving;
  for (size_t index = paths.size() - 1; index-- != 0;) {
    const Path &path = paths[index];
    if (!path.parked && !(path.mask & above) && (path.mask & absent)) {
      paths.back().pc = here;
      paths.back().parked = true;
      std::rotate(paths.begin() + index, paths.begin() + index + 1, paths.end());
      selectTop();
      return true;
    }
    above |= path.mask;
  }
  return false;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Basic blocks and immediate post-dominators.
//
// Post-dominators are dominators of the reversed graph with a virtual exit, found by the iteration
// of Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001). A block from which no
// exit can be reached has none.

#include "ControlFlow.h"

#include "llvm/ADT/STLExtras.h"

using namespace ptq::emulator;

namespace {
struct Graph {
  std::vector<std::vector<uint32_t>> successors, predecessors;
  void connect(uint32_t from, uint32_t to) {
    if (llvm::is_contained(successors[from], to))
      return;
    successors[from].push_back(to);
    predecessors[to].push_back(from);
  }
};
} // namespace

/// The immediate post-dominator of each node; `exit` or a node itself where there is none.
static std::vector<uint32_t> postDominators(const Graph &graph, uint32_t exit) {
  uint32_t count = graph.successors.size();
  constexpr uint32_t unknown = ~0u;
  // Postorder of the reversed graph, from the exit.
  std::vector<uint32_t> order, number(count, unknown);
  std::vector<std::pair<uint32_t, size_t>> path{{exit, 0}};
  std::vector<bool> seen(count);
  seen[exit] = true;
  while (!path.empty()) {
    auto &[node, next] = path.back();
    if (next != graph.predecessors[node].size()) {
      uint32_t predecessor = graph.predecessors[node][next++];
      if (!seen[predecessor]) {
        seen[predecessor] = true;
        path.push_back({predecessor, 0});
      }
      continue;
    }
    number[node] = order.size();
    order.push_back(node);
    path.pop_back();
  }
  std::vector<uint32_t> result(count, unknown);
  result[exit] = exit;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t node : llvm::reverse(order)) {
      if (node == exit)
        continue;
      uint32_t best = unknown;
      for (uint32_t successor : graph.successors[node]) {
        if (result[successor] == unknown)
          continue;
        if (best == unknown) {
          best = successor;
          continue;
        }
        uint32_t other = successor;
        while (best != other) {
          while (number[best] < number[other])
            best = result[best];
          while (number[other] < number[best])
            other = result[other];
        }
      }
      if (best != result[node]) {
        result[node] = best;
        changed = true;
      }
    }
  }
  return result;
}

void ptq::emulator::buildControlFlow(Code &code,
                                     llvm::ArrayRef<std::pair<uint32_t, std::string>> labels) {
  std::vector<Instruction> plain = std::move(code.instructions);
  uint32_t count = plain.size();
  std::vector<bool> starts(count + 1);
  starts[0] = true;
  for (uint32_t index = 0; index != count; ++index) {
    const Instruction &instruction = plain[index];
    if (isBranch(instruction))
      starts[instruction.target] = true;
    if (isTableBranch(instruction))
      for (uint32_t target : code.tables[instruction.index])
        starts[target] = true;
    if (isBranch(instruction) || isTableBranch(instruction) || isExit(instruction) ||
        isIndirectCall(instruction))
      starts[index + 1] = true;
  }
  std::vector<uint32_t> blockOf(count), firstStatement;
  for (uint32_t index = 0; index != count; ++index) {
    if (starts[index])
      firstStatement.push_back(index);
    blockOf[index] = firstStatement.size() - 1;
  }
  uint32_t numBlocks = firstStatement.size();
  firstStatement.push_back(count);

  Graph graph;
  graph.successors.resize(numBlocks + 1);
  graph.predecessors.resize(numBlocks + 1);
  for (uint32_t block = 0; block != numBlocks; ++block) {
    const Instruction &last = plain[firstStatement[block + 1] - 1];
    bool branch = isBranch(last), table = isTableBranch(last), exit = isExit(last);
    if (branch)
      graph.connect(block, blockOf[last.target]);
    if (table)
      for (uint32_t target : code.tables[last.index])
        graph.connect(block, blockOf[target]);
    if (exit)
      graph.connect(block, numBlocks);
    if (((branch || table || exit) && last.guard < 0) || block + 1 == numBlocks)
      continue;
    graph.connect(block, block + 1);
  }
  std::vector<uint32_t> dominator = postDominators(graph, numBlocks);

  // Every block gets the pseudo-instruction in front of it; targets move accordingly.
  auto blockBegin = [&](uint32_t block) { return firstStatement[block] + block; };
  for (uint32_t block = 0; block != numBlocks; ++block) {
    BasicBlock result;
    result.begin = blockBegin(block);
    result.end = blockBegin(block + 1);
    result.line = plain[firstStatement[block]].line;
    for (const auto &[statement, name] : labels)
      if (statement == firstStatement[block])
        result.label = name;
    if (result.label.empty() && block == 0)
      result.label = "entry";
    Instruction enter;
    enter.run = enterBlockHandler();
    enter.line = result.line;
    enter.block = block;
    code.instructions.push_back(enter);
    for (uint32_t index = firstStatement[block]; index != firstStatement[block + 1]; ++index) {
      Instruction &instruction = plain[index];
      instruction.block = block;
      if (isBranch(instruction))
        instruction.target = blockBegin(blockOf[instruction.target]);
      // Lanes that called different functions meet behind the call.
      if (isIndirectCall(instruction))
        instruction.reconvergence = blockBegin(block + 1);
      if (isBranch(instruction) || isTableBranch(instruction)) {
        uint32_t meet = dominator[block];
        instruction.reconvergence = meet < numBlocks ? blockBegin(meet) : noReconvergence;
      }
      code.instructions.push_back(instruction);
    }
    code.blocks.push_back(std::move(result));
  }
  for (auto &table : code.tables)
    for (uint32_t &target : table)
      target = blockBegin(blockOf[target]);
}

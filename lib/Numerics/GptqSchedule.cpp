// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks and group scales. With live scales blocks follow the groups: a block holds whole groups,
// or is part of one group. In the reference implementation's way blocks are multiples of blockSize,
// and a group that starts inside a block takes its scale from values as of the block's start.

#include "GptqSchedule.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

constexpr int64_t defaultBlock = 128;
constexpr int64_t windowColumns = 512;

/// Whether every run of groupSize positions holds the columns of one group.
bool keepsGroupsTogether(const std::vector<int32_t> &permutation, int64_t groupSize) {
  for (size_t p = 0; p < permutation.size(); ++p)
    if (permutation[p] / groupSize != permutation[p / groupSize * groupSize] / groupSize)
      return false;
  return true;
}

/// Blocks of live scales: whole groups up to defaultBlock columns, or pieces of a larger group.
void addLiveBlocks(GptqSchedule &schedule, int64_t columns) {
  int64_t size = schedule.groupSize;
  int64_t stride = std::max<int64_t>(1, defaultBlock / size) * size;
  for (int64_t begin = 0; begin < columns; begin += stride) {
    int64_t end = std::min(columns, begin + stride);
    for (int64_t at = begin; at < end; at += defaultBlock) {
      Block block{};
      block.begin = at;
      block.end = block.reach = std::min(end, at + defaultBlock);
      for (int64_t group = at; at == begin && group < end; group += size) {
        block.steps.push_back({group, group + size, group / size, group / size + 1});
        block.reach = std::max(block.reach, group + size);
      }
      schedule.blocks.push_back(block);
    }
  }
}

/// Blocks at multiples of blockSize; with `live`, the scales of the groups that start in a block
/// are taken at its start.
void addFixedBlocks(GptqSchedule &schedule, int64_t columns, int64_t blockSize) {
  int64_t size = schedule.groupSize;
  for (int64_t begin = 0; begin < columns; begin += blockSize) {
    Block block{};
    block.begin = begin;
    block.end = block.reach = std::min(columns, begin + blockSize);
    int64_t firstGroup = (begin + size - 1) / size, lastGroup = (block.end + size - 1) / size;
    if (schedule.live && firstGroup < lastGroup) {
      block.steps.push_back({begin, lastGroup * size, firstGroup, lastGroup});
      block.reach = std::max(block.end, lastGroup * size);
    }
    schedule.blocks.push_back(block);
  }
}

/// Windows of up to windowColumns, or as wide as the reach of their first block.
void assignWindows(GptqSchedule &schedule) {
  int64_t windowBegin = 0, windowEnd = 0;
  for (size_t b = 0; b < schedule.blocks.size(); ++b) {
    Block &block = schedule.blocks[b];
    if (block.end > windowEnd || block.reach > block.end) {
      windowBegin = block.begin;
      windowEnd = block.reach;
      if (block.reach == block.end)
        for (size_t next = b + 1; next < schedule.blocks.size(); ++next) {
          const Block &member = schedule.blocks[next];
          if (member.reach > member.end || member.end > windowBegin + windowColumns)
            break;
          windowEnd = member.end;
        }
      schedule.maxWindow = std::max(schedule.maxWindow, windowEnd - windowBegin);
    }
    block.windowBegin = windowBegin;
    block.windowEnd = windowEnd;
  }
}

void packTriangles(GptqSchedule &schedule, const GramFactor &factor) {
  int64_t size = 0;
  for (Block &block : schedule.blocks) {
    block.triangleOffset = size;
    size += block.width() * block.width();
    for (const ScaleStep &step : block.steps)
      schedule.maxSolve = std::max(schedule.maxSolve, step.solveEnd - step.at);
  }
  schedule.triangles.resize(size);
  parallelFor(0, schedule.blocks.size(), 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const Block &block = schedule.blocks[b];
      float *triangle = schedule.triangles.data() + block.triangleOffset;
      for (int64_t i = 0; i < block.width(); ++i) {
        const float *row = factor.r.data() + (block.begin + i) * factor.columns + block.begin;
        for (int64_t c = i; c < block.width(); ++c)
          triangle[c * block.width() + i] = row[c];
      }
    }
  });
}

} // namespace

llvm::Expected<GptqSchedule> buildGptqSchedule(const GramFactor &factor, const WeightScheme &scheme,
                                               const GptqOptions &options) {
  GptqSchedule schedule;
  int64_t columns = factor.columns;
  bool perGroup = scheme.granularity == Granularity::PerGroup;
  schedule.live = perGroup && !options.staticGroups;
  schedule.groupSize = perGroup ? scheme.groupSize : columns;
  schedule.groupAt.resize(columns, 0);
  if (schedule.live) {
    schedule.scattered = !keepsGroupsTogether(factor.permutation, scheme.groupSize);
    if (schedule.scattered && factor.order != ColumnOrder::Activation)
      return llvm::createStringError("the Gram matrix was factored in group-aware order for groups "
                                     "of %lld, but the weight has "
                                     "groups of %lld: factor it for these, or use static groups",
                                     static_cast<long long>(factor.groupSize),
                                     static_cast<long long>(scheme.groupSize));
    for (int64_t p = 0; p < columns; ++p)
      schedule.groupAt[p] = static_cast<int32_t>(p / scheme.groupSize);
  } else if (perGroup) {
    for (int64_t p = 0; p < columns; ++p)
      schedule.groupAt[p] = static_cast<int32_t>(factor.permutation[p] / scheme.groupSize);
  }
  if (schedule.live && options.liveGroupScales)
    addLiveBlocks(schedule, columns);
  else
    addFixedBlocks(schedule, columns,
                   schedule.live ? std::max(1u, options.blockSize) : defaultBlock);
  assignWindows(schedule);
  packTriangles(schedule, factor);
  return schedule;
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What GPTQ does in which order, worked out once for all rows: the blocks of columns, when group
// scales are taken and from which columns, and the triangles of R that lie on the diagonal,
// repacked.

#ifndef PTQ_LIB_NUMERICS_GPTQSCHEDULE_H
#define PTQ_LIB_NUMERICS_GPTQSCHEDULE_H

#include "ptq/Numerics/Gptq.h"

namespace ptq::numerics {

/// "When column `at` is reached, solve for the live values of columns [at, solveEnd), and take from
/// them the parameters of the groups [firstGroup, lastGroup)". Columns and groups by position.
struct ScaleStep {
  int64_t at, solveEnd;
  int64_t firstGroup, lastGroup;
};

/// Columns [begin, end) are rounded between two GEMMs. Consecutive blocks form a window: before its
/// first block t = E[:, <begin] R[<begin, window] is computed for all of it, one GEMM of a good
/// shape; before the others, t of the block's columns takes in those of the window before them.
struct Block {
  int64_t begin, end;
  /// The last column (exclusive) that a step of the block solves for, or end; not before it. Where
  /// it is beyond end, the block is the first of its window.
  int64_t reach;
  int64_t windowBegin, windowEnd;
  /// triangle[c * width + i] = R[begin + i, begin + c] for i <= c, width = reach - begin.
  int64_t triangleOffset;
  std::vector<ScaleStep> steps;

  int64_t width() const { return reach - begin; }
  bool startsWindow() const { return windowBegin == begin; }
};

struct GptqSchedule {
  /// Group parameters are taken from live values. Otherwise they are known in advance.
  bool live = false;
  /// Live groups are not consecutive columns of the weight: a run-time group index is needed.
  bool scattered = false;
  /// Columns of a group by position, when live.
  int64_t groupSize = 0;
  /// [columns]: the group (row of the lane-wise scales) of the column at each position.
  std::vector<int32_t> groupAt;
  std::vector<Block> blocks;
  std::vector<float> triangles;
  int64_t maxWindow = 0; ///< The widest window, in columns.
  int64_t maxSolve = 0;  ///< The widest range a ScaleStep solves for.

  const float *triangle(const Block &block) const {
    return triangles.data() + block.triangleOffset;
  }
};

/// Builds the schedule for a factor, a verified scheme and options; an error if the factor's
/// group-aware order was made for another group size.
llvm::Expected<GptqSchedule> buildGptqSchedule(const GramFactor &factor, const WeightScheme &scheme,
                                               const GptqOptions &options);

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_GPTQSCHEDULE_H

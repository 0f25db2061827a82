// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With t = E[:, <j] R[<j, j] (E of all columns before j), column j is rounded from c = w + t / R[j,
// j]. Columns go in strips of stripColumns: t of a strip first takes in the block's columns before
// it, several columns of t at a time in registers; then come the strip's own columns one by one,
// each after those before it.
//
// A weight that stays in 16 bits is c in these 16 bits, which leaves next to no error; its code is
// that of 0. For the scale of its group it is 0, which every range holds and every scale has
// exactly.
//
// Live values of columns G: W[:, G] + Y, with Y R[G, G] = t. Y is found by forward substitution,
// column by column, in the same strips.

#include "GptqKernel.h"
#include "Rounders.h"
#include "TileParameters.h"
#include <algorithm>

namespace ptq::numerics {
namespace {

constexpr int64_t stripColumns = 16;

typedef float Vector __attribute__((vector_size(64)));
constexpr int64_t vectorLanes = 16;
static_assert(tileRows == 2 * vectorLanes, "kernels hold a tile's column in two vectors");

PTQ_ALWAYS_INLINE void load(Vector &to, const float *from) { std::memcpy(&to, from, sizeof(to)); }
PTQ_ALWAYS_INLINE void store(float *to, const Vector &from) {
  std::memcpy(to, &from, sizeof(from));
}

/// t[c] += sum over i in [first, last) of e[i] * R[i, c], for count columns c; triangle is at
/// column c.
template <int count>
PTQ_ALWAYS_INLINE void accumulateColumns(float *t, int64_t tStride, const float *e, int64_t eStride,
                                         const float *triangle, int64_t width, int64_t first,
                                         int64_t last) {
  Vector sum[count][2];
  for (int k = 0; k < count; ++k) {
    load(sum[k][0], t + k * tStride);
    load(sum[k][1], t + k * tStride + vectorLanes);
  }
  for (int64_t i = first; i < last; ++i) {
    Vector low, high;
    load(low, e + i * eStride);
    load(high, e + i * eStride + vectorLanes);
    for (int k = 0; k < count; ++k) {
      float r = triangle[k * width + i];
      sum[k][0] += low * r;
      sum[k][1] += high * r;
    }
  }
  for (int k = 0; k < count; ++k) {
    store(t + k * tStride, sum[k][0]);
    store(t + k * tStride + vectorLanes, sum[k][1]);
  }
}

/// The same for all columns c in [begin, end), t and triangle being at column 0.
PTQ_ALWAYS_INLINE void accumulateStrip(float *t, int64_t tStride, const float *e, int64_t eStride,
                                       const float *triangle, int64_t width, int64_t begin,
                                       int64_t end, int64_t first, int64_t last) {
  if (first >= last)
    return;
  int64_t c = begin;
  for (; c + 4 <= end; c += 4)
    accumulateColumns<4>(t + c * tStride, tStride, e, eStride, triangle + c * width, width, first,
                         last);
  for (; c < end; ++c)
    accumulateColumns<1>(t + c * tStride, tStride, e, eStride, triangle + c * width, width, first,
                         last);
}

PTQ_SIMD_CLONES
void accumulate(float *t, int64_t tStride, const float *e, int64_t eStride, const float *triangle,
                int64_t width, int64_t begin, int64_t end, int64_t first, int64_t last) {
  accumulateStrip(t, tStride, e, eStride, triangle, width, begin, end, first, last);
}

/// A weight of one column that stays in 16 bits.
struct KeptLane {
  int64_t lane;
  float weight, kept, loss;
};

/// The column's outliers, before it is rounded; returns how many there are.
int64_t keepOutliers(const GptqTile &tile, int64_t j, float inverse, float diagonal,
                     KeptLane *lanes) {
  const uint8_t *outliers = tile.outliers + j * tile.stride;
  int64_t count = 0;
  for (int64_t l = 0; l < tileRows; ++l) {
    if (!outliers[l])
      continue;
    float weight = tile.values[j * tile.stride + l], t = tile.t[j * tile.stride + l];
    float kept = roundToShort(weight + t * inverse, tile.keptType);
    float loss = t + (weight - kept) * diagonal;
    lanes[count++] = {l, weight, kept, tile.losses[l] + loss * loss};
  }
  return count;
}

/// Puts them in the place of what rounding has made of these lanes.
void putOutliers(const GptqTile &tile, int64_t j, int8_t zeroCode, const float *zeroPoints,
                 const KeptLane *lanes, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    const KeptLane &lane = lanes[k];
    int64_t at = j * tile.stride + lane.lane;
    tile.kept[at] = lane.kept;
    tile.values[at] = lane.weight - lane.kept;
    tile.codes[at] = static_cast<int8_t>(zeroCode + static_cast<int32_t>(zeroPoints[lane.lane]));
    tile.losses[lane.lane] = lane.loss;
  }
}

/// Rounds the columns [begin, end) of a block, whose t lacks only these columns themselves.
template <typename Rounder>
PTQ_ALWAYS_INLINE void roundStripWith(Rounder rounder, const GptqTile &tile, const float *triangle,
                                      int64_t width, const int32_t *groupAt, int64_t begin,
                                      int64_t end) {
  const int64_t stride = tile.stride;
  for (int64_t j = begin; j < end; ++j) {
    const float *column = triangle + j * width;
    float *t = tile.t + j * stride;
    accumulateColumns<1>(t, stride, tile.values, stride, column, width, begin, j);
    const float diagonal = column[j], inverse = 1.0f / diagonal;
    const float *scales = tile.scales + groupAt[j] * stride;
    const float *zeroPoints = tile.zeroPoints + groupAt[j] * stride;
    float *__restrict values = tile.values + j * stride;
    float *__restrict losses = tile.losses;
    int8_t *__restrict codes = tile.codes + j * stride;
    KeptLane keptLanes[tileRows];
    int64_t keptCount = tile.outliers ? keepOutliers(tile, j, inverse, diagonal, keptLanes) : 0;
    for (int64_t l = 0; l < tileRows; ++l) {
      int32_t code;
      float step = rounder.round(values[l] + t[l] * inverse, scales[l], zeroPoints[l], code);
      codes[l] = static_cast<int8_t>(code);
      float e = values[l] - step * scales[l];
      values[l] = e;
      float loss = t[l] + e * diagonal; // (E R)[:, j]
      losses[l] += loss * loss;
    }
    if (keptCount)
      putOutliers(tile, j, rounder.zeroCode, zeroPoints, keptLanes, keptCount);
  }
}

PTQ_SIMD_CLONES
void roundStrip(const UniformRounder &rounder, const GptqTile &tile, const float *triangle,
                int64_t width, const int32_t *groupAt, int64_t begin, int64_t end) {
  roundStripWith(rounder, tile, triangle, width, groupAt, begin, end);
}

PTQ_SIMD_CLONES
void roundStripByTable(const CodebookRounder &rounder, const GptqTile &tile, const float *triangle,
                       int64_t width, const int32_t *groupAt, int64_t begin, int64_t end) {
  roundStripWith(rounder, tile, triangle, width, groupAt, begin, end);
}

/// One strip of forward substitution, on y = -Y: column c of y is t + y R of the columns before it,
/// over -R[c, c].
PTQ_SIMD_CLONES
void solveStrip(float *y, const float *triangle, int64_t width, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c) {
    float *column = y + c * tileRows;
    accumulateColumns<1>(column, tileRows, y, tileRows, triangle + c * width, width, begin, c);
    const float inverse = -1.0f / triangle[c * width + c];
    for (int64_t l = 0; l < tileRows; ++l)
      column[l] *= inverse;
  }
}

/// live = w + Y, over y = -Y.
PTQ_SIMD_CLONES
void addLive(float *__restrict y, const float *__restrict w, int64_t stride, int64_t count) {
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < tileRows; ++l)
      y[c * tileRows + l] = w[c * stride + l] - y[c * tileRows + l];
}

void takeScales(const GptqSchedule &schedule, const ScaleStep &step, int64_t at,
                const WeightScheme &scheme, const GptqTile &tile, const float *triangle,
                int64_t width) {
  int64_t count = step.solveEnd - step.at;
  float *live = tile.scratch;
  for (int64_t c = 0; c < count; ++c)
    std::copy_n(tile.t + (at + c) * tile.stride, tileRows, live + c * tileRows);
  // R[G, G] within the block's triangle.
  const float *corner = triangle + at * width + at;
  for (int64_t begin = 0; begin < count; begin += stripColumns) {
    int64_t end = std::min(count, begin + stripColumns);
    accumulate(live, tileRows, live, tileRows, corner, width, begin, end, 0, begin);
    solveStrip(live, corner, width, begin, end);
  }
  addLive(live, tile.values + at * tile.stride, tile.stride, count);
  if (tile.outliers)
    for (int64_t c = 0; c < count; ++c)
      for (int64_t l = 0; l < tileRows; ++l)
        if (tile.outliers[(at + c) * tile.stride + l])
          live[c * tileRows + l] = 0;
  for (int64_t group = step.firstGroup; group < step.lastGroup; ++group)
    computeTileParameters(live + (group * schedule.groupSize - step.at) * tileRows,
                          schedule.groupSize, tileRows, scheme, tile.scales + group * tile.stride,
                          tile.zeroPoints + group * tile.stride,
                          tile.clip ? tile.clip + group * tile.stride : nullptr,
                          tile.channelScales);
}

/// Rounds the columns of a block, a strip at a time by roundColumns(begin, end).
template <typename RoundColumns>
void roundColumnsOf(const GptqSchedule &schedule, const Block &block, const WeightScheme &scheme,
                    const GptqTile &tile, RoundColumns roundColumns) {
  const float *triangle = schedule.triangle(block);
  const int64_t width = block.width(), columns = block.end - block.begin, stride = tile.stride;

  // t of columns before `ready` has taken in the block's columns [0, taken).
  int64_t ready = 0, taken = 0;
  auto step = block.steps.begin();
  for (int64_t begin = 0, end; begin < columns; begin = end) {
    if (step != block.steps.end() && step->at - block.begin == begin) {
      ready = std::min(columns, step->solveEnd - block.begin);
      taken = begin;
      accumulate(tile.t, stride, tile.values, stride, triangle, width, begin, ready, 0, taken);
      takeScales(schedule, *step++, begin, scheme, tile, triangle, width);
    }
    end = std::min(columns, begin + stripColumns);
    if (step != block.steps.end())
      end = std::min(end, step->at - block.begin);
    accumulate(tile.t, stride, tile.values, stride, triangle, width, begin, end,
               begin < ready ? taken : 0, begin);
    roundColumns(begin, end);
  }
}

} // namespace

void roundBlock(const GptqSchedule &schedule, const Block &block, const WeightScheme &scheme,
                const GptqTile &tile) {
  const float *triangle = schedule.triangle(block);
  const int32_t *groupAt = schedule.groupAt.data() + block.begin;
  if (scheme.codebook == Codebook::Uniform) {
    UniformRounder rounder(scheme);
    roundColumnsOf(schedule, block, scheme, tile, [&](int64_t begin, int64_t end) {
      roundStrip(rounder, tile, triangle, block.width(), groupAt, begin, end);
    });
    return;
  }
  CodebookRounder rounder(scheme);
  roundColumnsOf(schedule, block, scheme, tile, [&](int64_t begin, int64_t end) {
    roundStripByTable(rounder, tile, triangle, block.width(), groupAt, begin, end);
  });
}

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ over chunks of rows. Rows are independent given R, so each chunk goes through all blocks of
// columns on one thread: one GEMM per block, then the block's own columns (GptqKernel.h). A chunk
// is stored as [columns][rows]: GEMM takes E^T as it takes E, and the kernel needs rows in lanes.

#include "ptq/Numerics/Gptq.h"
#include "GptqKernel.h"
#include "GptqSchedule.h"
#include "LargePages.h"
#include "OutputError.h"
#include "RoundLanes.h"
#include "RowExchange.h"
#include "RowTile.h"
#include "SparseOutliers.h"
#include "TensorParameters.h"
#include "TileParameters.h"
#include "ptq/Numerics/Rtn.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <cblas.h>
#include <memory>
#include <mutex>

namespace ptq::numerics {
namespace {

/// Enough rows for GEMM to run at full rate, few enough for E to stay in the cache.
constexpr int64_t maxChunkRows = 512;
constexpr int64_t minChunkRows = 128;
/// So many chunks that threads and processes have some each.
constexpr int64_t wantedChunks = 16;

/// Equal chunks. They depend on the weight alone, since a GEMM's last bits may depend on its shape.
int64_t chunkRowsOf(int64_t rows) {
  int64_t most = std::clamp(rows / wantedChunks, minChunkRows, maxChunkRows);
  int64_t chunks = (rows + most - 1) / most;
  return roundUpToTile((rows + chunks - 1) / chunks);
}

/// The buffers of one chunk, [columns][lanes] each.
struct Workspace {
  std::unique_ptr<float[]> values, t, scales, zeroPoints, clip, scratch;
  std::vector<float> channelScales; ///< [lanes]; empty unless groups are progressive.
  std::unique_ptr<int8_t[]> codes;
  std::unique_ptr<uint8_t[]> outliers;
  std::unique_ptr<float[]> kept;

  Workspace(int64_t columns, int64_t lanes, int64_t groups, bool clipped, bool keepsOutliers,
            const GptqSchedule &schedule)
      : values(allocateLarge<float>(columns * lanes)),
        t(allocateLarge<float>(schedule.maxWindow * lanes)),
        scales(allocateLarge<float>(groups * lanes)),
        zeroPoints(allocateLarge<float>(groups * lanes)),
        clip(clipped ? allocateLarge<float>(groups * lanes) : nullptr),
        scratch(allocateLarge<float>(std::max(schedule.maxSolve, schedule.groupSize) * tileRows)),
        codes(allocateLarge<int8_t>(columns * lanes)),
        outliers(keepsOutliers ? allocateLarge<uint8_t>(columns * lanes) : nullptr),
        kept(keepsOutliers ? allocateLarge<float>(columns * lanes) : nullptr) {}
};

/// One weight's quantization: what all chunks share, and their results.
class GptqRun {
public:
  GptqRun(ConstMatrix w, const GramFactor &factor, const WeightScheme &scheme,
          const GptqSchedule &schedule, ConstMatrix clip, SparseWeight outliers,
          const RowShare &share);
  llvm::Error run();

  QuantizedWeight result;
  std::vector<double> rowLosses; ///< [rows]: ||(W - Q)[i, :] R||^2

private:
  llvm::Error exchange(const RowExchange &rows);
  void runChunk(int64_t first, int64_t last, Workspace &space);
  void computeStaticScales(int64_t lanes, Workspace &space);
  void multiplyBefore(const Block &block, int64_t lanes, Workspace &space);
  void storeScales(int64_t first, int64_t rows, int64_t lanes, const Workspace &space);
  void loadClip(int64_t first, int64_t rows, int64_t lanes, Workspace &space);
  std::vector<float> withoutOutliers() const;
  void loadOutliers(int64_t first, int64_t rows, int64_t lanes, Workspace &space);
  void storeOutliers(int64_t first, int64_t rows, int64_t lanes, const Workspace &space);

  ConstMatrix w, clip;
  const GramFactor &factor;
  const WeightScheme &scheme;
  const GptqSchedule &schedule;
  const RowShare &share;
  QuantizationParameters tensor;      // per tensor
  std::vector<int32_t> positions;     // the inverse of the factor's permutation
  std::vector<int32_t> groupColumns;  // static groups: positions, group after group
  std::vector<int32_t> originalGroup; // [groups]: where a group's scales go
  std::vector<float> channelScales;   // [rows]; empty unless groups are progressive
};

GptqRun::GptqRun(ConstMatrix w, const GramFactor &factor, const WeightScheme &scheme,
                 const GptqSchedule &schedule, ConstMatrix clip, SparseWeight outliers,
                 const RowShare &share)
    : w(w), clip(clip), factor(factor), scheme(scheme), schedule(schedule), share(share) {
  result.rows = w.rows;
  result.columns = w.columns;
  result.scheme = scheme;
  result.codes.resize(w.rows * w.columns);
  positions.resize(w.columns);
  for (int64_t p = 0; p < w.columns; ++p)
    positions[factor.permutation[p]] = static_cast<int32_t>(p);
  rowLosses.resize(w.rows, 0.0);
  if (scheme.progressive)
    channelScales = progressiveChannelScales(w);
  bool perTensor = scheme.granularity == Granularity::PerTensor;
  result.sparse = std::move(outliers);
  if (perTensor && result.sparse.empty())
    tensor = computeTensorParameters(w, factor.dead, scheme);
  else if (perTensor)
    tensor = computeTensorParameters(ConstMatrix(withoutOutliers().data(), w.rows, w.columns),
                                     factor.dead, scheme);
  result.scales.resize(scaleCount(scheme, w.rows, w.columns), tensor.scale);
  if (!scheme.symmetric)
    result.zeroPoints.resize(result.scales.size(), static_cast<int8_t>(tensor.zeroPoint));

  int64_t groups = result.groups();
  originalGroup.resize(groups);
  for (int64_t g = 0; g < groups; ++g)
    originalGroup[g] =
        static_cast<int32_t>(schedule.live && !schedule.scattered
                                 ? factor.permutation[g * schedule.groupSize] / schedule.groupSize
                                 : g);
  if (schedule.scattered) {
    result.groupIndex.resize(w.columns);
    for (int64_t p = 0; p < w.columns; ++p)
      result.groupIndex[factor.permutation[p]] = schedule.groupAt[p];
  }
  if (!schedule.live && !perTensor) {
    groupColumns.resize(w.columns);
    std::vector<int64_t> next(groups);
    for (int64_t g = 0; g < groups; ++g)
      next[g] = g * schedule.groupSize;
    for (int64_t p = 0; p < w.columns; ++p)
      groupColumns[next[schedule.groupAt[p]]++] = static_cast<int32_t>(p);
  }
}

/// The weight with zeros for outliers.
std::vector<float> GptqRun::withoutOutliers() const {
  std::vector<float> dense(w.rows * w.columns);
  const SparseWeight &sparse = result.sparse;
  for (int64_t i = 0; i < w.rows; ++i) {
    std::copy_n(w.row(i), w.columns, dense.begin() + i * w.columns);
    for (int32_t j = sparse.rowOffsets[i]; j < sparse.rowOffsets[i + 1]; ++j)
      dense[i * w.columns + sparse.columns[j]] = 0;
  }
  return dense;
}

/// Gives the other processes the rows of this one, and takes theirs.
llvm::Error GptqRun::exchange(const RowExchange &rows) {
  if (llvm::Error error = rows.exchange(result.codes))
    return error;
  if (llvm::Error error = rows.exchange(rowLosses))
    return error;
  if (llvm::Error error = rows.exchange(result.sparse.values, [&](int64_t row) -> int64_t {
        return result.sparse.rowOffsets[row];
      }))
    return error;
  if (scheme.granularity == Granularity::PerTensor)
    return llvm::Error::success();
  if (llvm::Error error = rows.exchange(result.scales))
    return error;
  return rows.exchange(result.zeroPoints);
}

llvm::Error GptqRun::run() {
  int64_t chunkRows = chunkRowsOf(w.rows), lanes = roundUpToTile(std::min(chunkRows, w.rows));
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;
  SingleThreadedBlas guard;
  RowExchange rows(share, w.rows, chunkRows);
  parallelFor(rows.first(), rows.last(), chunkRows, [&](int64_t first, int64_t last) {
    std::unique_ptr<Workspace> space;
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (!idle.empty()) {
        space = std::move(idle.back());
        idle.pop_back();
      }
    }
    if (!space)
      space = std::make_unique<Workspace>(w.columns, lanes, result.groups(), clip.data != nullptr,
                                          !result.sparse.empty(), schedule);
    runChunk(first, last, *space);
    std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(space));
  });
  if (llvm::Error error = exchange(rows))
    return error;
  if (scheme.progressive)
    result.progressive = splitScales(result, channelScales);
  return llvm::Error::success();
}

void GptqRun::runChunk(int64_t first, int64_t last, Workspace &space) {
  int64_t rows = last - first, lanes = roundUpToTile(rows);
  loadLanes(w.rowRange(first, last), positions, factor.dead, space.values.get(), lanes);
  loadClip(first, rows, lanes, space);
  loadOutliers(first, rows, lanes, space);
  if (scheme.progressive) {
    space.channelScales.assign(lanes, 1.0f);
    std::copy_n(channelScales.begin() + first, rows, space.channelScales.begin());
  }
  if (!schedule.live)
    computeStaticScales(lanes, space);
  for (const Block &block : schedule.blocks) {
    multiplyBefore(block, lanes, space);
    for (int64_t lane = 0; lane < lanes; lane += tileRows) {
      float losses[tileRows] = {};
      GptqTile tile;
      tile.values = space.values.get() + block.begin * lanes + lane;
      tile.t = space.t.get() + (block.begin - block.windowBegin) * lanes + lane;
      tile.codes = space.codes.get() + block.begin * lanes + lane;
      tile.scales = space.scales.get() + lane;
      tile.zeroPoints = space.zeroPoints.get() + lane;
      tile.clip = space.clip ? space.clip.get() + lane : nullptr;
      tile.channelScales = scheme.progressive ? space.channelScales.data() + lane : nullptr;
      tile.outliers = space.outliers ? space.outliers.get() + block.begin * lanes + lane : nullptr;
      tile.kept = space.kept ? space.kept.get() + block.begin * lanes + lane : nullptr;
      tile.keptType = result.sparse.type;
      tile.losses = losses;
      tile.scratch = space.scratch.get();
      tile.stride = lanes;
      roundBlock(schedule, block, scheme, tile);
      for (int64_t i = lane; i < std::min(rows, lane + tileRows); ++i)
        rowLosses[first + i] += losses[i - lane];
    }
  }
  MatrixRef<int8_t> codes(result.codes.data(), w.rows, w.columns);
  storeCodes(space.codes.get(), lanes, positions, codes.rowRange(first, last));
  if (scheme.granularity != Granularity::PerTensor)
    storeScales(first, rows, lanes, space);
  storeOutliers(first, rows, lanes, space);
}

/// Brings t of the block's columns up to date: t = E[:, <begin] R[<begin, columns], for all of the
/// window if the block is its first.
void GptqRun::multiplyBefore(const Block &block, int64_t lanes, Workspace &space) {
  bool starts = block.startsWindow();
  int64_t from = starts ? 0 : block.windowBegin;
  int64_t width = (starts ? block.windowEnd : block.end) - block.begin;
  float *t = space.t.get() + (block.begin - block.windowBegin) * lanes;
  if (from == block.begin) {
    std::fill_n(t, width * lanes, 0.0f);
    return;
  }
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, lanes, block.begin - from, 1.0f,
              factor.r.data() + from * w.columns + block.begin, w.columns,
              space.values.get() + from * lanes, lanes, starts ? 0.0f : 1.0f, t, lanes);
}

void GptqRun::computeStaticScales(int64_t lanes, Workspace &space) {
  if (scheme.granularity == Granularity::PerTensor) {
    std::fill_n(space.scales.get(), lanes, tensor.scale);
    std::fill_n(space.zeroPoints.get(), lanes, static_cast<float>(tensor.zeroPoint));
    return;
  }
  int64_t size = schedule.groupSize;
  for (int64_t g = 0; g < result.groups(); ++g)
    for (int64_t lane = 0; lane < lanes; lane += tileRows) {
      for (int64_t c = 0; c < size; ++c) {
        int64_t from = groupColumns[g * size + c] * lanes + lane;
        float *to = space.scratch.get() + c * tileRows;
        std::copy_n(space.values.get() + from, tileRows, to);
        if (space.outliers)
          for (int64_t l = 0; l < tileRows; ++l)
            to[l] = space.outliers[from + l] ? 0.0f : to[l];
      }
      computeTileParameters(space.scratch.get(), size, tileRows, scheme,
                            space.scales.get() + g * lanes + lane,
                            space.zeroPoints.get() + g * lanes + lane,
                            space.clip ? space.clip.get() + g * lanes + lane : nullptr,
                            scheme.progressive ? space.channelScales.data() + lane : nullptr);
    }
}

/// The rows' bounds by position of the group, rows in lanes.
void GptqRun::loadClip(int64_t first, int64_t rows, int64_t lanes, Workspace &space) {
  if (!space.clip)
    return;
  for (int64_t g = 0; g < result.groups(); ++g)
    for (int64_t i = 0; i < lanes; ++i)
      space.clip[g * lanes + i] = i < rows ? clip(first + i, originalGroup[g]) : 0.0f;
}

/// Marks the rows' outliers by position, rows in lanes.
void GptqRun::loadOutliers(int64_t first, int64_t rows, int64_t lanes, Workspace &space) {
  if (!space.outliers)
    return;
  const SparseWeight &sparse = result.sparse;
  std::fill_n(space.outliers.get(), w.columns * lanes, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int32_t j = sparse.rowOffsets[first + i]; j < sparse.rowOffsets[first + i + 1]; ++j)
      space.outliers[positions[sparse.columns[j]] * lanes + i] = 1;
}

void GptqRun::storeOutliers(int64_t first, int64_t rows, int64_t lanes, const Workspace &space) {
  if (!space.outliers)
    return;
  SparseWeight &sparse = result.sparse;
  for (int64_t i = 0; i < rows; ++i)
    for (int32_t j = sparse.rowOffsets[first + i]; j < sparse.rowOffsets[first + i + 1]; ++j)
      sparse.values[j] = space.kept[positions[sparse.columns[j]] * lanes + i];
}

void GptqRun::storeScales(int64_t first, int64_t rows, int64_t lanes, const Workspace &space) {
  int64_t groups = result.groups();
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < groups; ++g) {
      int64_t to = (first + i) * groups + originalGroup[g];
      result.scales[to] = space.scales[g * lanes + i];
      if (!scheme.symmetric)
        result.zeroPoints[to] = static_cast<int8_t>(space.zeroPoints[g * lanes + i]);
    }
}

/// GptqResult::error and errorRtn.
void computeErrors(ConstMatrix w, const GramFactor &factor, const WeightScheme &scheme,
                   ConstMatrix clip, const std::vector<double> &rowLosses, int64_t errorRows,
                   GptqResult &result) {
  int64_t count = errorRows <= 0 ? w.rows : std::min(errorRows, w.rows);
  int64_t groups = clip.data ? clip.columns : 0;
  std::vector<float> sample(count * w.columns), bounds(count * groups);
  double loss = 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t row = i * w.rows / count;
    loss += rowLosses[row];
    std::copy_n(w.row(row), w.columns, sample.data() + i * w.columns);
    if (groups)
      std::copy_n(clip.row(row), groups, bounds.data() + i * groups);
  }
  ConstMatrix rows(sample.data(), count, w.columns);
  double whole = outputNorm(count, factor, [&](int64_t i, int64_t j) { return rows(i, j); });
  if (whole == 0)
    return;
  QuantizationParameters tensor;
  if (scheme.granularity == Granularity::PerTensor)
    tensor = computeTensorParameters(w, {}, scheme);
  std::vector<float> rounded(count * w.columns);
  ConstMatrix rowClip(groups ? bounds.data() : nullptr, count, groups);
  dequantize(roundToNearest(rows, scheme, tensor, rowClip),
             MutableMatrix(rounded.data(), count, w.columns));
  double lossRtn = outputNorm(
      count, factor, [&](int64_t i, int64_t j) { return rows(i, j) - rounded[i * w.columns + j]; });
  result.error = loss / whole;
  result.errorRtn = lossRtn / whole;
}

} // namespace

llvm::Expected<GptqResult> quantizeGptq(ConstMatrix w, const GramFactor &factor,
                                        const WeightScheme &scheme, const GptqOptions &options,
                                        ConstMatrix clip) {
  if (llvm::Error error = verify(scheme, w.rows, w.columns))
    return error;
  if (factor.columns != w.columns)
    return llvm::createStringError(
        "the weight has %lld input channels, but the Gram matrix was taken over %lld",
        static_cast<long long>(w.columns), static_cast<long long>(factor.columns));
  if (llvm::Error error = verifyClip(clip, scheme, w.rows, w.columns))
    return error;
  if (llvm::Error error = checkFinite(w))
    return error;
  llvm::Expected<GptqSchedule> schedule = buildGptqSchedule(factor, scheme, options);
  if (!schedule)
    return schedule.takeError();
  if (clip.data && schedule->scattered)
    return llvm::createStringError("ranges are clipped for groups of consecutive channels, which "
                                   "rounding by activation order with live scales does not keep");

  if (!(options.outliers >= 0 && options.outliers <= 1))
    return llvm::createStringError("outliers are a share of the weights, from 0 to 1");
  SparseWeight outliers;
  if (options.outliers > 0) {
    outliers = chooseOutliers(w, factor, scheme, options.outliers);
    outliers.type = options.outlierType;
  }
  GptqRun run(w, factor, scheme, *schedule, clip, std::move(outliers), options.rowShare);
  if (llvm::Error error = run.run())
    return error;
  GptqResult result;
  result.weight = std::move(run.result);
  for (double loss : run.rowLosses)
    result.loss += loss;
  if (options.computeErrors)
    computeErrors(w, factor, scheme, clip, run.rowLosses, options.errorRows, result);
  if (scheme.doubleQuantization)
    quantizeScales(result.weight);
  return result;
}

} // namespace ptq::numerics

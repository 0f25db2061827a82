// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A = R R^T by tiles, from the last column of tiles to the first. For tile (i, k), i <= k:
//     S = A[i, k] - sum over m > k of R[i, m] R[k, m]^T,
//     R[k, k] = the factor of S,    R[i, k] = S R[k, k]^-T for i < k.
// The last goes by the inverse of R[k, k], since a product is several times as fast as a triangular
// solution here; for tiles of this size it costs no accuracy to speak of.
// LAPACK factors as L L^T only: with J the reversal of the index order, J S J = L L^T gives R[k, k]
// = J L J. That is done for the tiles on the diagonal; the matrix as a whole needs no reversal.
//
// Threads take tasks from one list, in its order, and wait for what a task needs: always something
// earlier in the list, which some thread has already taken. So threads never wait in a circle, one
// thread alone gets through, and no barrier separates the columns. The sum over m > k + 1 is a task
// of its own (Update), which the others can do while column k + 1, whose end everything waits for,
// is finished.

#include "TriangularFactor.h"
#include "ptq/Numerics/Threads.h"
#include <algorithm>
#include <atomic>
#include <cblas.h>
#include <cmath>
#include <condition_variable>
#include <lapacke.h>
#include <mutex>
#include <vector>

namespace ptq::numerics {
namespace {

constexpr int64_t tileSize = 256;
constexpr int64_t tilesPerTask = 2;

class TiledFactorization {
public:
  explicit TiledFactorization(MutableMatrix a)
      : a(a), tiles((a.rows + tileSize - 1) / tileSize), inverses(tiles),
        state(tiles * tiles, Untouched) {
    for (int64_t k = tiles - 1; k >= 0; --k) {
      tasks.push_back({Task::Finish, k, k + 1, k});
      if (k > 0 && k + 1 < tiles) {
        tasks.push_back({Task::Update, k - 1, k, k - 1});
        addColumn(Task::Update, k - 1);
      }
      addColumn(Task::Finish, k);
    }
  }

  bool run() {
    SingleThreadedBlas guard;
    int64_t workers = std::min<int64_t>(threadCount(), tiles);
    parallelFor(0, workers, 1, [&](int64_t, int64_t) { work(); });
    return !failed;
  }

private:
  /// Of the tiles (i, k), begin <= i < end; alone if i = k.
  struct Task {
    enum Kind { Update, Finish } kind;
    int64_t begin, end, k;
  };
  enum State : uint8_t { Untouched, Updated, Finished };

  /// Tasks for the tiles of column k above the diagonal, several at a time for a better shape of
  /// GEMM; those that the next column needs first come first.
  void addColumn(Task::Kind kind, int64_t k) {
    for (int64_t end = k; end > 0; end -= tilesPerTask)
      tasks.push_back({kind, std::max<int64_t>(0, end - tilesPerTask), end, k});
  }

  int64_t start(int64_t tile) const { return std::min(tile * tileSize, a.rows); }
  int64_t size(int64_t begin, int64_t end) const { return start(end) - start(begin); }
  float *at(int64_t i, int64_t k) const { return a.data + start(i) * a.stride + start(k); }

  void work() {
    for (size_t next; (next = taken.fetch_add(1)) < tasks.size();) {
      const Task &task = tasks[next];
      bool done = task.kind == Task::Update ? update(task) : finish(task);
      std::lock_guard<std::mutex> lock(mutex);
      for (int64_t i = task.begin; i < task.end; ++i)
        state[i * tiles + task.k] = task.kind == Task::Update ? Updated : Finished;
      failed |= !done;
      changed.notify_all();
      if (failed)
        return;
    }
  }

  /// False if the factorization has failed meanwhile.
  bool waitFor(int64_t begin, int64_t end, int64_t k, State wanted) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] {
      bool ready = true;
      for (int64_t i = begin; i < end; ++i)
        ready &= state[i * tiles + k] >= wanted;
      return ready || failed;
    });
    return !failed;
  }

  /// A[i, k] -= R[i, m] R[k, m]^T over the tiles m in [first, last).
  void subtract(const Task &task, int64_t first, int64_t last) {
    int64_t k = task.k, rows = size(task.begin, task.end), depth = size(first, last);
    if (task.begin == k)
      cblas_ssyrk(CblasRowMajor, CblasUpper, CblasNoTrans, rows, depth, -1.0f, at(k, first),
                  a.stride, 1.0f, at(k, k), a.stride);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, size(k, k + 1), depth, -1.0f,
                  at(task.begin, first), a.stride, at(k, first), a.stride, 1.0f, at(task.begin, k),
                  a.stride);
  }

  /// Columns are finished from the right: the one next to those summed over is the last of them.
  bool update(const Task &task) {
    if (!waitFor(task.begin, task.end, task.k + 2, Finished) ||
        !waitFor(task.k, task.k + 1, task.k + 2, Finished))
      return false;
    subtract(task, task.k + 2, tiles);
    return true;
  }

  bool finish(const Task &task) {
    int64_t k = task.k;
    if (k + 2 < tiles && !waitFor(task.begin, task.end, k, Updated))
      return false;
    if (k + 1 < tiles) {
      if (!waitFor(task.begin, task.end, k + 1, Finished) || !waitFor(k, k + 1, k + 1, Finished))
        return false;
      subtract(task, k + 1, k + 2);
    }
    if (task.begin == k)
      return factorDiagonal(k);
    if (!waitFor(k, k + 1, k, Finished))
      return false;
    cblas_strmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit,
                size(task.begin, task.end), size(k, k + 1), 1.0f, inverses[k].data(),
                size(k, k + 1), at(task.begin, k), a.stride);
    return true;
  }

  /// R[k, k] and its inverse.
  bool factorDiagonal(int64_t k) {
    int64_t n = size(k, k + 1);
    float *tile = at(k, k);
    std::vector<float> &buffer = inverses[k];
    buffer.resize(n * n);
    // J S J: row i is the tile's row n-1-i, backwards. Row-major lower is column-major upper.
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j)
        buffer[i * n + j] = tile[(n - 1 - i) * a.stride + (n - 1 - j)];
    if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', static_cast<lapack_int>(n), buffer.data(),
                            static_cast<lapack_int>(n)) != 0)
      return false;
    // LAPACK takes a NaN for a positive pivot.
    for (int64_t i = 0; i < n; ++i)
      if (!std::isfinite(buffer[i * n + i]))
        return false;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        tile[i * a.stride + j] = j < i ? 0.0f : buffer[(n - 1 - i) * n + (n - 1 - j)];
    for (int64_t i = 0; i < n; ++i)
      std::copy_n(tile + i * a.stride, n, buffer.data() + i * n);
    return LAPACKE_strtri_work(LAPACK_COL_MAJOR, 'L', 'N', static_cast<lapack_int>(n),
                               buffer.data(), static_cast<lapack_int>(n)) == 0;
  }

  MutableMatrix a;
  int64_t tiles;
  std::vector<Task> tasks;
  std::vector<std::vector<float>> inverses; // of R[k, k], by k
  std::atomic<size_t> taken{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<State> state; // [tiles, tiles], under mutex
  bool failed = false;      // under mutex
};

} // namespace

bool factorUpper(MutableMatrix a) { return TiledFactorization(a).run(); }

} // namespace ptq::numerics

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// parallelFor over one LLVM thread pool. A call's chunks are numbered; its threads, the caller
// among them, take the next number until there is none. The caller waits for chunks, not for pool
// tasks: a task that starts late finds no chunk left and touches nothing of the finished call.

#include "ptq/Numerics/Threads.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/Threading.h"
#include <algorithm>
#include <atomic>
#include <cblas.h>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace ptq::numerics {
namespace {

unsigned availableThreads() {
  return std::max(1u, llvm::hardware_concurrency().compute_thread_count());
}

struct Pool {
  std::mutex mutex;
  unsigned count = availableThreads();
  std::shared_ptr<llvm::StdThreadPool> workers; // count - 1 threads, made when first needed

  static Pool &get() {
    static Pool pool;
    return pool;
  }

  std::shared_ptr<llvm::StdThreadPool> acquire() {
    std::lock_guard<std::mutex> lock(mutex);
    if (!workers && count > 1) {
      llvm::ThreadPoolStrategy strategy;
      strategy.ThreadsRequested = count - 1;
      strategy.UseHyperThreads = true;
      workers = std::make_shared<llvm::StdThreadPool>(strategy);
    }
    return workers;
  }
};

/// Set on a thread while it runs chunks.
thread_local bool insideLoop = false;

struct Loop {
  int64_t begin, end, grain, chunks;
  llvm::function_ref<void(int64_t, int64_t)> body; // valid until the last chunk is done
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::condition_variable finished;
  int64_t done = 0;

  Loop(int64_t begin, int64_t end, int64_t grain, int64_t chunks,
       llvm::function_ref<void(int64_t, int64_t)> body)
      : begin(begin), end(end), grain(grain), chunks(chunks), body(body) {}

  void runChunk(int64_t chunk) {
    int64_t first = begin + chunk * grain;
    body(first, std::min(end, first + grain));
  }

  void work() {
    int64_t completed = 0;
    insideLoop = true;
    for (int64_t chunk; (chunk = next.fetch_add(1)) < chunks; ++completed)
      runChunk(chunk);
    insideLoop = false;
    if (completed == 0)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    done += completed;
    if (done == chunks)
      finished.notify_one();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    finished.wait(lock, [&] { return done == chunks; });
  }
};

struct BlasGuardState {
  std::mutex mutex;
  int depth = 0;
  int threadsBefore = 1;

  static BlasGuardState &get() {
    static BlasGuardState state;
    return state;
  }
};

} // namespace

unsigned threadCount() {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  return pool.count;
}

void setThreadCount(unsigned count) {
  Pool &pool = Pool::get();
  std::shared_ptr<llvm::StdThreadPool> retired;
  {
    std::lock_guard<std::mutex> lock(pool.mutex);
    pool.count = count == 0 ? availableThreads() : count;
    retired = std::move(pool.workers);
    pool.workers = nullptr;
    count = pool.count;
  }
  BlasGuardState &blas = BlasGuardState::get();
  std::lock_guard<std::mutex> lock(blas.mutex);
  blas.threadsBefore = static_cast<int>(count);
  if (blas.depth == 0)
    openblas_set_num_threads(static_cast<int>(count));
}

std::string describeArithmetic() {
  unsigned threads = threadCount();
  return std::string("OpenBLAS's kernels for ") + openblas_get_corename() + " and " +
         std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

void parallelFor(int64_t begin, int64_t end, int64_t grain,
                 llvm::function_ref<void(int64_t first, int64_t last)> body) {
  if (begin >= end)
    return;
  grain = std::max<int64_t>(grain, 1);
  int64_t chunks = (end - begin - 1) / grain + 1;
  int64_t helpers = insideLoop ? 0 : std::min<int64_t>(threadCount(), chunks) - 1;
  std::shared_ptr<llvm::StdThreadPool> workers;
  if (helpers > 0)
    workers = Pool::get().acquire();
  if (!workers) {
    Loop loop(begin, end, grain, chunks, body);
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      loop.runChunk(chunk);
    return;
  }
  auto loop = std::make_shared<Loop>(begin, end, grain, chunks, body);
  for (int64_t helper = 0; helper < helpers; ++helper)
    workers->async([loop] { loop->work(); });
  loop->work();
  loop->wait();
}

SingleThreadedBlas::SingleThreadedBlas() {
  BlasGuardState &state = BlasGuardState::get();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (state.depth++ > 0)
    return;
  state.threadsBefore = openblas_get_num_threads();
  openblas_set_num_threads(1);
}

SingleThreadedBlas::~SingleThreadedBlas() {
  BlasGuardState &state = BlasGuardState::get();
  std::lock_guard<std::mutex> lock(state.mutex);
  if (--state.depth == 0)
    openblas_set_num_threads(state.threadsBefore);
}

} // namespace ptq::numerics

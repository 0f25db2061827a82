// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// parallelFor: every index once, chunks by grain alone, nesting, calls from several threads.

#include "ptq/Numerics/Threads.h"
#include <atomic>
#include <cblas.h>
#include <chrono>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace ptq::numerics;

namespace {

class Threads : public testing::TestWithParam<unsigned> {
protected:
  void SetUp() override { setThreadCount(GetParam()); }
  void TearDown() override { setThreadCount(0); }
};

TEST_P(Threads, VisitsEveryIndexOnce) {
  EXPECT_EQ(threadCount(), GetParam());
  std::vector<std::atomic<int>> visits(1003);
  parallelFor(3, 1003, 7, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      ++visits[i];
  });
  for (int64_t i = 0; i < 1003; ++i)
    EXPECT_EQ(visits[i], i >= 3) << i;
}

TEST_P(Threads, ChunksDependOnTheGrainAlone) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> chunks;
  parallelFor(10, 35, 10, [&](int64_t first, int64_t last) {
    std::lock_guard<std::mutex> lock(mutex);
    chunks.insert({first, last});
  });
  EXPECT_EQ(chunks, (std::set<std::pair<int64_t, int64_t>>{{10, 20}, {20, 30}, {30, 35}}));
}

TEST_P(Threads, EmptyRangesCallNothing) {
  parallelFor(5, 5, 1, [](int64_t, int64_t) { FAIL(); });
  parallelFor(5, 2, 1, [](int64_t, int64_t) { FAIL(); });
}

// Few outer chunks leave threads idle, and slow inner ones give them time to join in: they must
// not.
TEST_P(Threads, NestedLoopsRunInline) {
  std::atomic<int64_t> sum{0};
  parallelFor(0, 2, 1, [&](int64_t outer, int64_t) {
    std::thread::id thread = std::this_thread::get_id();
    parallelFor(0, 30, 4, [&](int64_t first, int64_t last) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      for (int64_t i = first; i < last; ++i)
        sum += (outer + 1) * i;
    });
  });
  EXPECT_EQ(sum, 3 * 435);
}

TEST_P(Threads, IndependentCallersShareThePool) {
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat)
        parallelFor(0, 100, 3, [&](int64_t first, int64_t last) { sum += last - first; });
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(sum, 4 * 50 * 100);
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, testing::Values(1u, 2u, 7u));

TEST(SingleThreadedBlas, NestsAndRestores) {
  setThreadCount(3);
  EXPECT_EQ(openblas_get_num_threads(), 3);
  {
    SingleThreadedBlas outer;
    EXPECT_EQ(openblas_get_num_threads(), 1);
    {
      SingleThreadedBlas inner;
      EXPECT_EQ(openblas_get_num_threads(), 1);
    }
    EXPECT_EQ(openblas_get_num_threads(), 1);
  }
  EXPECT_EQ(openblas_get_num_threads(), 3);
  setThreadCount(0);
}

} // namespace

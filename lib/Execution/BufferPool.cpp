// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "BufferPool.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>

namespace ptq::execution {

static constexpr std::align_val_t alignment{64};

/// Unused memory kept for later, at most.
static constexpr int64_t unusedLimit = 256 << 20;

struct BufferPool::State {
  std::mutex mutex;
  std::multimap<int64_t, char *> unused;
  int64_t unusedBytes = 0;

  ~State() { clear(); }

  void clear() {
    for (auto [size, data] : unused)
      ::operator delete(data, alignment);
    unused.clear();
    unusedBytes = 0;
  }

  void take(std::multimap<int64_t, char *>::iterator it) {
    unusedBytes -= it->first;
    unused.erase(it);
  }

  void giveBack(char *data, int64_t size) {
    std::lock_guard lock(mutex);
    if (size > unusedLimit / 2) {
      ::operator delete(data, alignment);
      return;
    }
    while (!unused.empty() && unusedBytes + size > unusedLimit) {
      auto largest = std::prev(unused.end());
      ::operator delete(largest->second, alignment);
      take(largest);
    }
    // Equal sizes: the one returned last is taken first, its pages are still in the cache.
    unused.insert(unused.lower_bound(size), {size, data});
    unusedBytes += size;
  }
};

BufferPool::BufferPool() : state(std::make_shared<State>()) {}

std::shared_ptr<char> BufferPool::allocate(int64_t bytes) {
  int64_t size = std::max<int64_t>((bytes + 63) / 64 * 64, 64);
  char *data = nullptr;
  {
    std::lock_guard lock(state->mutex);
    auto it = state->unused.lower_bound(size);
    if (it != state->unused.end() && it->first <= size + size / 4) {
      data = it->second;
      size = it->first;
      state->take(it);
    }
  }
  if (!data)
    data = static_cast<char *>(::operator new(size, alignment));
  return std::shared_ptr<char>(data, [size, state = state](char *p) { state->giveBack(p, size); });
}

void BufferPool::trim() {
  std::lock_guard lock(state->mutex);
  state->clear();
}

} // namespace ptq::execution

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transparent huge pages of Linux.

#include "LargePages.h"
#include "ptq/Numerics/Threads.h"
#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace ptq::numerics {

void adviseLargePages(void *memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = uintptr_t(2) << 20;
  uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
  uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) / page * page;
  if (begin < end)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

void touchLargePages(void *memory, size_t bytes) {
  adviseLargePages(memory, bytes);
  constexpr int64_t smallPage = 4096, chunk = int64_t(8) << 20;
  parallelFor(0, static_cast<int64_t>(bytes), chunk, [&](int64_t first, int64_t last) {
    for (int64_t at = first; at < last; at += smallPage)
      static_cast<volatile char *>(memory)[at] = 0;
  });
}

} // namespace ptq::numerics

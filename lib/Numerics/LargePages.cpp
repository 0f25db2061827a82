// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transparent huge pages of Linux.

#include "LargePages.h"
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

} // namespace ptq::numerics

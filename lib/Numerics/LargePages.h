// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Large matrices on large pages: GEMM packs columns of them, that is, reads a few hundred bytes
// from each of thousands of 4 KiB pages, and misses the TLB every time.

#ifndef PTQ_LIB_NUMERICS_LARGEPAGES_H
#define PTQ_LIB_NUMERICS_LARGEPAGES_H

#include <cstddef>
#include <memory>

namespace ptq::numerics {

/// Asks for large pages under memory that has been allocated but not touched yet. A hint: where it
/// is not supported, or the memory is small, nothing happens.
void adviseLargePages(void *memory, size_t bytes);

/// The same, and has the pages mapped by all threads at once, where the first to write them would
/// otherwise do it alone. Leaves zeros here and there.
void touchLargePages(void *memory, size_t bytes);

/// Uninitialized elements of a trivial type, on large pages.
template <typename T> std::unique_ptr<T[]> allocateLarge(size_t count) {
  std::unique_ptr<T[]> elements(new T[count]);
  adviseLargePages(elements.get(), count * sizeof(T));
  return elements;
}

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_LARGEPAGES_H

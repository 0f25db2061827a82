// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One pool of threads for the process, a loop over it, and a guard that keeps OpenBLAS to one
// thread inside such a loop.

#ifndef PTQ_NUMERICS_THREADS_H
#define PTQ_NUMERICS_THREADS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <string>

namespace ptq::numerics {

/// Threads that work at a time, the calling one included. At first all that the process may run on.
unsigned threadCount();

/// Sets threadCount(), here and for OpenBLAS; 0 means all that the process may run on. Not to be
/// called while a parallelFor runs.
void setThreadCount(unsigned count);

/// What the last bits of results may depend on: OpenBLAS, the kernels it has chosen for this CPU,
/// and the number of threads.
std::string describeArithmetic();

/// Calls body(first, last) for the chunks [begin, begin + grain), [begin + grain, ...) of [begin,
/// end), on threadCount() threads, the caller's among them; returns when all are done.
///
/// The chunks depend on grain alone (>= 1), never on the number of threads or their timing: a body
/// that writes only what belongs to its chunk gives the same result on any machine. Which thread
/// runs a chunk, and in what order, is open. A nested call runs its chunks in order on the thread
/// it is on, so nesting cannot deadlock. Calls from independent threads share the pool. body must
/// not throw.
void parallelFor(int64_t begin, int64_t end, int64_t grain,
                 llvm::function_ref<void(int64_t first, int64_t last)> body);

/// While one lives, OpenBLAS calls of any thread run on the thread that makes them: for loops that
/// split the work themselves. The number of threads before is restored when the last one goes.
class SingleThreadedBlas {
public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas &) = delete;
  SingleThreadedBlas &operator=(const SingleThreadedBlas &) = delete;
};

} // namespace ptq::numerics

#endif // PTQ_NUMERICS_THREADS_H

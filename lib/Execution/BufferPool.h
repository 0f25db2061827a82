// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory that is handed out again instead of being returned to the system: fresh pages cost more
// than most kernels that write them.
//
#ifndef PTQ_LIB_EXECUTION_BUFFERPOOL_H
#define PTQ_LIB_EXECUTION_BUFFERPOOL_H

#include <cstdint>
#include <memory>

namespace ptq::execution {

/// Thread safe. Buffers may outlive the pool.
class BufferPool {
public:
  BufferPool();

  /// At least `bytes` (≥ 0), uninitialized, aligned to 64.
  std::shared_ptr<char> allocate(int64_t bytes);

  /// Returns the memory of unused buffers to the system.
  void trim();

private:
  struct State;
  std::shared_ptr<State> state;
};

} // namespace ptq::execution

#endif // PTQ_LIB_EXECUTION_BUFFERPOOL_H

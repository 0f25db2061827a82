// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory: buffers in global memory, each in an address window of its own, and the state of every
// byte.
//
#ifndef PTQ_LIB_EMULATOR_MEMORY_H
#define PTQ_LIB_EMULATOR_MEMORY_H

#include "Race.h"

#include <cstdlib>

namespace ptq::emulator {

/// The state of a byte.
enum class ByteState : uint8_t {
  Undefined,
  Defined,
  Pending,     ///< the destination of a cp.async that has not been waited for
  Unallocated, ///< between variables of shared memory
  Barrier,     ///< of an mbarrier object
};

struct FreeDeleter {
  void operator()(void *memory) const { std::free(memory); }
};

/// A buffer of global or constant memory. Its window of 4 GiB (or more) is its own, so that an
/// access beyond either end can meet no other buffer.
struct Buffer {
  uint64_t base = 0, size = 0;
  bool readOnly = false;
  /// cudaMalloc's alignment, for a start.
  std::unique_ptr<uint8_t, FreeDeleter> data;
  /// Empty: all is defined.
  std::unique_ptr<uint8_t, FreeDeleter> state;
  /// Shadow of a launch, made when first needed.
  std::unique_ptr<ShadowCell, FreeDeleter> cells;

  bool contains(uint64_t address, uint64_t bytes) const {
    return address >= base && bytes <= size && address - base <= size - bytes;
  }
};

class GlobalMemory {
public:
  /// Bytes are undefined until written, or zero if `zeroed`. Null when memory is exhausted.
  Buffer *allocate(uint64_t size, bool zeroed);
  /// False: no buffer begins there.
  bool release(uint64_t base);
  /// The buffer whose window the address is in.
  Buffer *find(uint64_t address) const {
    uint64_t window = address >> 32;
    return window < windows.size() ? windows[window] : nullptr;
  }
  /// Before a launch: no access has happened yet.
  void resetShadows();
  /// Makes the shadows of all buffers.
  void makeShadows();

private:
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::vector<Buffer *> windows{nullptr};
};

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_MEMORY_H

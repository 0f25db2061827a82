// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What happens when a file is cut off while it is mapped.
//
// Reading a page of a mapping that lies behind the file's new end raises SIGBUS: no check before an
// access can rule that out, since the file may shrink between the two. A tool therefore installs a
// handler that turns the signal into one message and an orderly end.

#ifndef PTQ_CHECKPOINT_MAPPEDFILEGUARD_H
#define PTQ_CHECKPOINT_MAPPEDFILEGUARD_H

#include "llvm/ADT/StringRef.h"

namespace ptq::checkpoint {

/// Installs, for the whole process, a handler of SIGBUS: where the fault is in a mapped file, it
/// prints "error: 'FILE' was cut off while it was read; …" to standard error, removes unfinished
/// outputs and exits with status 1. Any other SIGBUS goes to the handler that was there before.
/// For a tool's main, after llvm::InitLLVM; a library must not claim its host's signals. Threads
/// may be running, and may map and unmap files meanwhile.
void installMappedFileGuard();

/// Says for as long as it lives that [data, data + size) maps the file `path`, for the handler's
/// message. Of more than 4096 at a time the rest goes unnamed. Thread-safe.
class MappedFileRange {
public:
  MappedFileRange() = default;
  MappedFileRange(const void *data, size_t size, llvm::StringRef path);
  ~MappedFileRange();
  MappedFileRange(const MappedFileRange &) = delete;
  MappedFileRange &operator=(MappedFileRange &&other) noexcept;

private:
  int slot = -1;
};

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_MAPPEDFILEGUARD_H

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The handler runs wherever the fault was, also inside malloc: it reads a fixed table of atomics
// and calls only what POSIX allows in handlers. A path is published after its range is complete and
// is never freed while published; ranges end before their file is unmapped.

#include "ptq/Checkpoint/MappedFileGuard.h"

#include "llvm/Support/Signals.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <utility>

using namespace llvm;

namespace ptq::checkpoint {
namespace {

struct Entry {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0}, end{0};
  /// Null until the range is complete.
  std::atomic<char *> path{nullptr};
};

std::array<Entry, 4096> entries;
struct sigaction previousAction;

void print(const char *text) {
  size_t left = std::strlen(text);
  while (left > 0) {
    ssize_t written = ::write(STDERR_FILENO, text, left);
    if (written <= 0)
      return;
    text += written;
    left -= written;
  }
}

const char *fileAt(uintptr_t address) {
  for (const Entry &entry : entries)
    if (const char *path = entry.path.load(std::memory_order_acquire))
      if (entry.begin <= address && address < entry.end)
        return path;
  return nullptr;
}

void handleBusError(int signal, siginfo_t *information, void *context) {
  const char *path = information->si_code == BUS_ADRERR
                         ? fileAt(reinterpret_cast<uintptr_t>(information->si_addr))
                         : nullptr;
  if (!path) {
    // Under the action of before: an access is repeated on return, a signal that was sent is not.
    sigaction(SIGBUS, &previousAction, nullptr);
    if (information->si_code <= 0)
      raise(signal);
    return;
  }
  print("error: '");
  print(path);
  print("' was cut off while it was read; outputs are unchanged, restore the file and run again\n");
  sys::RunInterruptHandlers(); // removes the temporary files that are open
  _exit(1);
}

} // namespace

void installMappedFileGuard() {
  struct sigaction action = {};
  action.sa_sigaction = handleBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previousAction);
}

MappedFileRange::MappedFileRange(const void *data, size_t size, StringRef path) {
  for (size_t i = 0; i < entries.size(); ++i) {
    Entry &entry = entries[i];
    if (entry.taken.exchange(true))
      continue;
    entry.begin = reinterpret_cast<uintptr_t>(data);
    entry.end = entry.begin + size;
    entry.path.store(::strdup(path.str().c_str()), std::memory_order_release);
    slot = static_cast<int>(i);
    return;
  }
}

MappedFileRange::~MappedFileRange() {
  if (slot < 0)
    return;
  std::free(entries[slot].path.exchange(nullptr));
  entries[slot].taken.store(false);
}

MappedFileRange &MappedFileRange::operator=(MappedFileRange &&other) noexcept {
  std::swap(slot, other.slot);
  return *this;
}

} // namespace ptq::checkpoint

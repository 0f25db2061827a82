// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ScratchBlob.h"

#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

/// A mapping of a file that has room for it, or null.
static void *mapScratchFile(size_t bytes) {
#ifdef O_TMPFILE
  const char *folder = std::getenv("TMPDIR");
  int file = open(folder && *folder ? folder : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0)
    return nullptr;
  // Without its room reserved, a full disk would be a signal at some later write.
  void *data = posix_fallocate(file, 0, bytes) == 0
                   ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                   : MAP_FAILED;
  close(file);
  return data == MAP_FAILED ? nullptr : data;
#else
  return nullptr;
#endif
}

AsmResourceBlob ptq::allocateScratchBlob(size_t bytes, size_t alignment) {
  void *data = bytes >= scratchFileBytes ? mapScratchFile(bytes) : nullptr;
  if (!data)
    return HeapAsmResourceBlob::allocate(bytes, alignment, /*dataIsMutable=*/true);
  return AsmResourceBlob(
      ArrayRef(static_cast<char *>(data), bytes), alignment,
      [](void *data, size_t size, size_t) { munmap(data, size); }, /*dataIsMutable=*/true);
}

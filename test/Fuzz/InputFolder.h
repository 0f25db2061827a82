// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A folder in memory for a fuzzer whose target reads files.

#ifndef PTQ_TEST_FUZZ_INPUTFOLDER_H
#define PTQ_TEST_FUZZ_INPUTFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <string>

namespace ptq::fuzz {

/// One new folder a process, in /dev/shm where there is one; removed at exit.
class InputFolder {
public:
  InputFolder() {
    std::string path = llvm::sys::fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path += "/ptq-fuzz-XXXXXX";
    if (!mkdtemp(path.data())) {
      llvm::errs() << "cannot create '" << path << "'\n";
      std::exit(1);
    }
    folder = path;
  }
  ~InputFolder() { (void)llvm::sys::fs::remove_directories(folder); }

  /// Writes a file, over one of that name; returns its path.
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::string path = folder + "/" + name.str();
    std::error_code code;
    llvm::raw_fd_ostream(path, code) << bytes;
    if (code)
      std::abort();
    return path;
  }

  llvm::StringRef path() const { return folder; }

private:
  std::string folder;
};

inline llvm::StringRef textOf(const uint8_t *data, size_t size) {
  return llvm::StringRef(reinterpret_cast<const char *>(data), size);
}

/// Stops with a report where a target breaks a promise without crashing by itself.
inline void require(bool holds, const char *promise) {
  if (holds)
    return;
  llvm::errs() << "broken: " << promise << "\n";
  std::abort();
}

} // namespace ptq::fuzz

#endif // PTQ_TEST_FUZZ_INPUTFOLDER_H

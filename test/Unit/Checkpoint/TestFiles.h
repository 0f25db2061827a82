// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files for tests: a folder that goes away, and safetensors put together byte by byte.
//
#ifndef PTQ_TEST_UNIT_CHECKPOINT_TESTFILES_H
#define PTQ_TEST_UNIT_CHECKPOINT_TESTFILES_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

#include <fstream>
#include <iterator>
#include <string>

namespace ptq::test {

class TemporaryFolder {
public:
  TemporaryFolder() {
    if (llvm::sys::fs::createUniqueDirectory("ptq-test", folder))
      ADD_FAILURE() << "cannot make a temporary folder";
  }
  ~TemporaryFolder() { (void)llvm::sys::fs::remove_directories(folder); }

  std::string path(llvm::StringRef name) const {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

  /// Writes a file and returns its path.
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::string full = path(name);
    (void)llvm::sys::fs::create_directories(llvm::sys::path::parent_path(full));
    std::ofstream(full, std::ios::binary).write(bytes.data(), bytes.size());
    return full;
  }

  size_t numEntries() const {
    std::error_code code;
    size_t count = 0;
    for (llvm::sys::fs::directory_iterator i(folder, code), end; i != end && !code;
         i.increment(code))
      ++count;
    return count;
  }

private:
  llvm::SmallString<128> folder;
};

inline std::string readBytes(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A header's length, the header, the data.
inline std::string safetensors(llvm::StringRef header, llvm::StringRef data = "") {
  char length[8];
  llvm::support::endian::write64le(length, header.size());
  return (llvm::StringRef(length, 8) + header + data).str();
}

/// The message of a failed result; records a failure if it did not fail.
template <typename T> std::string messageOf(llvm::Expected<T> result) {
  if (result) {
    ADD_FAILURE() << "expected an error";
    return "";
  }
  return llvm::toString(result.takeError());
}

inline std::string messageOf(llvm::Error error) {
  EXPECT_TRUE(static_cast<bool>(error)) << "expected an error";
  return llvm::toString(std::move(error));
}

/// The value of a result that must not fail.
template <typename T> T valueOf(llvm::Expected<T> result) {
  if (result)
    return std::move(*result);
  ADD_FAILURE() << llvm::toString(result.takeError());
  return T();
}

inline void expectSuccess(llvm::Error error) {
  if (error)
    ADD_FAILURE() << llvm::toString(std::move(error));
}

} // namespace ptq::test

#endif // PTQ_TEST_UNIT_CHECKPOINT_TESTFILES_H

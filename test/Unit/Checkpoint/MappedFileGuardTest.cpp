// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file that shrinks while it is mapped ends a guarded process with one message, not with a crash.

#include "ptq/Checkpoint/MappedFileGuard.h"
#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/Safetensors.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

#include <csignal>
#include <fcntl.h>
#include <numeric>
#include <unistd.h>

using namespace ptq::checkpoint;
using namespace ptq::test;

namespace {

/// A file whose one tensor takes 64 pages.
std::string manyPages(TemporaryFolder &folder) {
  std::string header = R"({"a":{"dtype":"U8","shape":[262144],"data_offsets":[0,262144]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return folder.write("a.safetensors", bytes + header + std::string(262144, 'x'));
}

void readAll(const SafetensorsFile &file) {
  llvm::ArrayRef<char> data = file.data(file.tensors().front());
  volatile int sum = std::accumulate(data.begin(), data.end(), 0);
  (void)sum;
}

void readCutFile(const std::string &path) {
  installMappedFileGuard();
  auto file = SafetensorsFile::open(path);
  if (!file || truncate(path.c_str(), 100) != 0)
    _exit(3);
  readAll(**file);
  _exit(0);
}

TEST(MappedFileGuardDeathTest, AFileThatShrinksIsOneError) {
  TemporaryFolder folder;
  std::string path = manyPages(folder);
  EXPECT_EXIT(readCutFile(path), testing::ExitedWithCode(1),
              "error: '.*a\\.safetensors' was cut off while it was read; .*run again");
}

TEST(MappedFileGuardDeathTest, RemovesTheOutputItWasWriting) {
  TemporaryFolder folder;
  std::string path = manyPages(folder), output = folder.write("out", "old");
  auto writeMeanwhile = [&] {
    llvm::consumeError(writeFileAtomically(output, [&](llvm::raw_pwrite_stream &stream) {
      stream << "new";
      readCutFile(path);
      return llvm::Error::success();
    }));
  };
  EXPECT_EXIT(writeMeanwhile(), testing::ExitedWithCode(1), "was cut off");
  EXPECT_EQ(readBytes(output), "old");
  EXPECT_EQ(folder.numEntries(), 2u);
}

TEST(MappedFileGuardDeathTest, OtherBusErrorsAreNotItsOwn) {
  TemporaryFolder folder;
  std::string path = manyPages(folder);
  auto closedAndRaised = [&] {
    installMappedFileGuard();
    {
      auto file = llvm::cantFail(SafetensorsFile::open(path));
    }
    raise(SIGBUS);
    _exit(0);
  };
  EXPECT_EXIT(closedAndRaised(), [](int status) { return status != 0; }, "");
}

} // namespace

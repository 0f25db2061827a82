// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file is replaced whole or not at all.
//
#include "ptq/Checkpoint/AtomicFile.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

#include <csignal>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

llvm::Error writeText(llvm::StringRef path, llvm::StringRef text) {
  return writeFileAtomically(path, [&](llvm::raw_pwrite_stream &stream) {
    stream << text;
    return llvm::Error::success();
  });
}

/// Bounds the size of any file this process writes, as a full disk would.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes) : handler(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limited{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }

private:
  rlimit before;
  void (*handler)(int);
};

TEST(AtomicFileTest, CreatesAndReplaces) {
  TemporaryFolder folder;
  std::string path = folder.path("report.json");
  expectSuccess(writeText(path, "one"));
  EXPECT_EQ(readBytes(path), "one");
  expectSuccess(writeText(path, "2"));
  EXPECT_EQ(readBytes(path), "2");
  EXPECT_EQ(folder.numEntries(), 1u);
}

TEST(AtomicFileTest, NothingIsVisibleBeforeTheEnd) {
  TemporaryFolder folder;
  std::string path = folder.write("report.json", "old");
  expectSuccess(writeFileAtomically(path, [&](llvm::raw_pwrite_stream &stream) {
    stream << std::string(1 << 20, 'x');
    stream.flush();
    EXPECT_EQ(readBytes(path), "old");
    return llvm::Error::success();
  }));
  EXPECT_EQ(readBytes(path).size(), size_t(1) << 20);
}

TEST(AtomicFileTest, AFailedWriterLeavesTheOldFile) {
  TemporaryFolder folder;
  std::string path = folder.write("report.json", "old");
  llvm::Error error = writeFileAtomically(path, [](llvm::raw_pwrite_stream &stream) {
    stream << "half of the ne";
    return llvm::createStringError("layer 3 is gone");
  });
  EXPECT_EQ(messageOf(std::move(error)), "layer 3 is gone");
  EXPECT_EQ(readBytes(path), "old");
  EXPECT_EQ(folder.numEntries(), 1u);
}

TEST(AtomicFileTest, AFullDiskLeavesTheOldFile) {
  TemporaryFolder folder;
  std::string path = folder.write("report.json", "old");
  std::string message;
  {
    FileSizeLimit limit(4096);
    message = messageOf(writeText(path, std::string(1 << 20, 'x')));
  }
  EXPECT_THAT(message, AllOf(HasSubstr(path), HasSubstr("File too large"), HasSubstr("unchanged")));
  EXPECT_EQ(readBytes(path), "old");
  EXPECT_EQ(folder.numEntries(), 1u);
}

TEST(AtomicFileTest, AKilledWriterLeavesTheOldFileOrTheNew) {
  TemporaryFolder folder;
  std::string path = folder.write("report.json", std::string(1 << 20, 'o'));
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0)
      for (char c = 'a';; c = c == 'z' ? 'a' : c + 1)
        llvm::consumeError(writeText(path, std::string(1 << 20, c)));
    usleep(random() % 20000);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::string bytes = readBytes(path);
    ASSERT_EQ(bytes.size(), size_t(1) << 20);
    EXPECT_EQ(bytes.find_first_not_of(bytes[0]), std::string::npos);
  }
}

TEST(AtomicFileTest, KeepsPermissionsAndFollowsLinks) {
  TemporaryFolder folder;
  std::string target = folder.write("real/file", "old"), link = folder.path("link");
  ASSERT_EQ(chmod(target.c_str(), 0640), 0);
  ASSERT_EQ(symlink("real/file", link.c_str()), 0);
  expectSuccess(writeText(link, "new"));
  EXPECT_EQ(readBytes(target), "new");
  EXPECT_TRUE(llvm::sys::fs::is_symlink_file(link));
  struct stat status;
  ASSERT_EQ(stat(target.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFileTest, ANewFileObeysTheUmask) {
  TemporaryFolder folder;
  mode_t before = umask(027);
  llvm::Error error = writeText(folder.path("new"), "text");
  umask(before);
  expectSuccess(std::move(error));
  struct stat status;
  ASSERT_EQ(stat(folder.path("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFileTest, WritesDevicesDirectly) {
  expectSuccess(writeText("/dev/null", "text"));
  llvm::sys::fs::file_status status;
  ASSERT_FALSE(llvm::sys::fs::status("/dev/null", status));
  EXPECT_EQ(status.type(), llvm::sys::fs::file_type::character_file);
}

TEST(AtomicFileTest, NamesThePathItCannotWrite) {
  TemporaryFolder folder;
  std::string path = folder.path("no/such/folder/file");
  EXPECT_THAT(messageOf(writeText(path, "x")), AllOf(HasSubstr(path), HasSubstr("folder exists")));
  EXPECT_THAT(messageOf(writeText(folder.path(""), "x")), HasSubstr("it is a folder"));
  EXPECT_THAT(messageOf(writeText("", "x")), HasSubstr("without a name"));
}

} // namespace

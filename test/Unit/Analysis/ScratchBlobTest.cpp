// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Analysis/ScratchBlob.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstdlib>
#include <gtest/gtest.h>
#include <numeric>

using namespace mlir;

namespace {

/// The process's memory that is in no file, in bytes.
int64_t anonymousMemory() {
  auto status = llvm::MemoryBuffer::getFileAsStream("/proc/self/status");
  int64_t kilobytes = 0;
  llvm::StringRef line = (*status)->getBuffer().split("RssAnon:").second.split('\n').first.trim();
  line.consumeInteger(10, kilobytes);
  return kilobytes * 1024;
}

MutableArrayRef<uint32_t> words(AsmResourceBlob &blob) {
  MutableArrayRef<char> data = blob.getMutableData();
  return {reinterpret_cast<uint32_t *>(data.data()), data.size() / sizeof(uint32_t)};
}

void expectHolds(AsmResourceBlob &blob) {
  std::iota(words(blob).begin(), words(blob).end(), 7u);
  for (size_t i = 0, n = words(blob).size(); i < n; i += 1021)
    ASSERT_EQ(words(blob)[i], uint32_t(i) + 7);
}

TEST(ScratchBlob, LargeOnesAreNotInAnonymousMemory) {
  int64_t before = anonymousMemory();
  AsmResourceBlob blob = ptq::allocateScratchBlob(4 * ptq::scratchFileBytes, 4);
  ASSERT_EQ(blob.getData().size(), 4 * ptq::scratchFileBytes);
  expectHolds(blob);
  EXPECT_LT(anonymousMemory() - before, int64_t(ptq::scratchFileBytes));
}

TEST(ScratchBlob, SmallOnesAndThoseWithoutAFileAre) {
  AsmResourceBlob small = ptq::allocateScratchBlob(1 << 16, 4);
  expectHolds(small);
  const char *folder = std::getenv("TMPDIR");
  std::string old = folder ? folder : "";
  setenv("TMPDIR", "/nowhere", 1);
  int64_t before = anonymousMemory();
  AsmResourceBlob large = ptq::allocateScratchBlob(2 * ptq::scratchFileBytes, 4);
  folder ? setenv("TMPDIR", old.c_str(), 1) : unsetenv("TMPDIR");
  expectHolds(large);
  EXPECT_GT(anonymousMemory() - before, int64_t(ptq::scratchFileBytes));
}

TEST(ScratchBlob, LargeArraysMoveThere) {
  // malloc gives such sizes back to the system at once.
  constexpr size_t size = 64 << 20;
  std::vector<uint32_t> small(100, 3), large(size / sizeof(uint32_t));
  std::iota(large.begin(), large.end(), 7u);
  const uint32_t *before = small.data();
  EXPECT_EQ(ptq::storeInScratch(std::move(small)).data(), before);
  int64_t memory = anonymousMemory();
  ptq::StoredArray<uint32_t> array = ptq::storeInScratch(std::move(large));
#if !__has_feature(address_sanitizer) // It keeps freed memory for a while.
  EXPECT_LT(anonymousMemory() - memory, -int64_t(size / 2));
#else
  (void)memory;
#endif
  mlir::AsmResourceBlob blob = array.blob();
  array = {};
  ASSERT_EQ(blob.getData().size(), size);
  for (size_t i = 0, n = blob.getDataAs<uint32_t>().size(); i < n; i += 1021)
    ASSERT_EQ(blob.getDataAs<uint32_t>()[i], uint32_t(i) + 7);
}

} // namespace

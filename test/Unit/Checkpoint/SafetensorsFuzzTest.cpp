// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Mutations of a valid file, from a fixed seed: opening returns a file or an error, and a file that
// opens can be read to its last byte. Meant to run under AddressSanitizer, too.
//
#include "ptq/Checkpoint/Safetensors.h"

#include "TestFiles.h"

#include <random>

using namespace ptq::checkpoint;
using namespace ptq::test;

namespace {

const std::string seedFile =
    safetensors(R"({"__metadata__":{"format":"pt"},)"
                R"("a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                R"("b":{"dtype":"I64","shape":[],"data_offsets":[24,32]},)"
                R"("\u00e9":{"dtype":"BF16","shape":[0,7],"data_offsets":[32,32]},)"
                R"("c":{"dtype":"F8_E4M3","shape":[5],"data_offsets":[32,37]}}  )",
                std::string(37, '\x5a'));

/// Applies one to four random edits; half of them keep the header's length field consistent, to get
/// behind it.
std::string mutate(std::mt19937 &random) {
  static const std::string pieces[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "-",
                                       "0",
                                       "9",
                                       ".5",
                                       "1e9",
                                       "null",
                                       "18446744073709551615",
                                       "9223372036854775808",
                                       "4294967296",
                                       "\"dtype\":",
                                       "\xff",
                                       "\\u0000",
                                       "[[[[[[[[",
                                       "\"a.weight\":",
                                       "BOOL",
                                       "__metadata__",
                                       std::string(1, '\0')};
  std::string bytes = seedFile;
  uint64_t headerBytes = llvm::support::endian::read64le(bytes.data());
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  bool keepLength = below(2);
  for (size_t edits = 1 + below(4); edits > 0 && bytes.size() > 8; --edits) {
    size_t at = keepLength ? 8 + below(std::min<size_t>(headerBytes, bytes.size() - 8))
                           : below(bytes.size());
    size_t before = bytes.size();
    switch (below(6)) {
    case 0:
      bytes[at] ^= char(1 << below(8));
      break;
    case 1:
      bytes[at] = "0123456789"[below(10)];
      break;
    case 2:
      bytes.insert(at, pieces[below(std::size(pieces))]);
      break;
    case 3:
      bytes.erase(at, 1 + below(8));
      break;
    case 4:
      bytes.insert(at, bytes.substr(below(bytes.size()), below(64)));
      break;
    case 5:
      if (!keepLength)
        bytes.resize(at);
      break;
    }
    headerBytes += bytes.size() - before;
  }
  if (keepLength && bytes.size() >= 8)
    llvm::support::endian::write64le(bytes.data(), headerBytes);
  return bytes;
}

TEST(SafetensorsFuzzTest, OpensOrRejectsAnyMutation) {
  TemporaryFolder folder;
  std::mt19937 random(20240607);
  size_t opened = 0, rejected = 0;
  unsigned checksum = 0;
  for (int i = 0; i < 5000; ++i) {
    auto file = SafetensorsFile::open(folder.write("fuzzed.safetensors", mutate(random)));
    if (!file) {
      EXPECT_FALSE(llvm::toString(file.takeError()).empty());
      ++rejected;
      continue;
    }
    ++opened;
    for (const TensorInfo &info : (*file)->tensors()) {
      EXPECT_EQ(uint64_t(info.numElements()) * byteWidth(info.dtype), info.end - info.begin);
      for (char byte : (*file)->data(info))
        checksum += static_cast<unsigned char>(byte);
    }
  }
  // Both kinds must occur, or the mutations test nothing.
  EXPECT_GT(opened, 100u);
  EXPECT_GT(rejected, 1000u);
  EXPECT_NE(checksum, 0u);
}

} // namespace

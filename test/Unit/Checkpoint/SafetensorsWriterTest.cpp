// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writing, read back: every dtype, the layout of the bytes, what is refused.
//
#include "ptq/Checkpoint/SafetensorsWriter.h"

#include "ptq/Checkpoint/Safetensors.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

constexpr DType allDTypes[] = {DType::Bool, DType::U8,  DType::I8,  DType::U16,    DType::I16,
                               DType::U32,  DType::I32, DType::U64, DType::I64,    DType::F16,
                               DType::BF16, DType::F32, DType::F64, DType::F8E4M3, DType::F8E5M2};

struct SafetensorsWriterTest : testing::Test {
  TemporaryFolder folder;
  std::string path = folder.path("out.safetensors");

  std::string text(const SafetensorsFile &file, llvm::StringRef name) {
    llvm::ArrayRef<char> data = file.data(*file.find(name));
    return std::string(data.begin(), data.end());
  }
};

TEST_F(SafetensorsWriterTest, RoundTripsEveryDType) {
  std::vector<std::string> data;
  for (DType dtype : allDTypes) {
    data.emplace_back();
    for (unsigned i = 0; i < 3 * byteWidth(dtype); ++i)
      data.back().push_back(char(37 * i + 11 * unsigned(dtype)));
  }
  std::vector<TensorEntry> entries;
  for (size_t i = 0; i < std::size(allDTypes); ++i)
    entries.push_back({"t." + toString(allDTypes[i]).str(), allDTypes[i], {3, 1}, data[i]});
  std::map<std::string, std::string> metadata{{"format", "pt"}, {"note", "\"quoted\"\n\xc3\xa9"}};
  expectSuccess(writeSafetensors(path, entries, metadata));

  auto file = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->metadata(), metadata);
  ASSERT_EQ(file->tensors().size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const TensorInfo *info = file->find(entries[i].name);
    ASSERT_TRUE(info) << entries[i].name;
    EXPECT_EQ(info->dtype, entries[i].dtype);
    EXPECT_EQ(info->shape, entries[i].shape);
    EXPECT_EQ(text(*file, info->name), data[i]);
    EXPECT_TRUE(file->isAligned(*info)) << info->name;
  }
}

TEST_F(SafetensorsWriterTest, LaysOutBytesAsSpecified) {
  expectSuccess(writeSafetensors(path, {{"b", DType::U8, {2}, llvm::ArrayRef<char>("xy", 2)},
                                        {"z", DType::I16, {}, llvm::ArrayRef<char>("pq", 2)},
                                        {"a", DType::U8, {0}, {}}}));
  std::string header = R"({"z":{"dtype":"I16","shape":[],"data_offsets":[0,2]},)"
                       R"("a":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},)"
                       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})";
  header.resize(184, ' ');
  ASSERT_EQ((8 + header.size()) % 64, 0u);
  EXPECT_EQ(readBytes(path), safetensors(header, "pqxy"));
}

TEST_F(SafetensorsWriterTest, BytesDoNotDependOnTheOrder) {
  std::vector<TensorEntry> entries = {{"b", DType::U8, {1}, llvm::ArrayRef<char>("1", 1)},
                                      {"a", DType::U8, {1}, llvm::ArrayRef<char>("2", 1)},
                                      {"c", DType::U16, {1}, llvm::ArrayRef<char>("34", 2)}};
  expectSuccess(writeSafetensors(path, entries));
  std::string bytes = readBytes(path);
  std::reverse(entries.begin(), entries.end());
  expectSuccess(writeSafetensors(path, entries));
  EXPECT_EQ(readBytes(path), bytes);
}

TEST_F(SafetensorsWriterTest, WritesAnEmptySet) {
  expectSuccess(writeSafetensors(path, {}));
  auto file = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->tensors().empty());
}

TEST_F(SafetensorsWriterTest, ReplacesAFileItReadsFrom) {
  std::string large(1 << 20, 'q');
  expectSuccess(writeSafetensors(path, {{"w", DType::U8, {1 << 20}, large}}));
  auto old = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(old);
  expectSuccess(
      writeSafetensors(path, {{"renamed", DType::U8, {1 << 20}, old->data(*old->find("w"))},
                              {"more", DType::U8, {1}, llvm::ArrayRef<char>("!", 1)}}));
  auto fresh = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(fresh);
  EXPECT_EQ(text(*fresh, "renamed"), large);
  EXPECT_EQ(text(*fresh, "more"), "!");
  EXPECT_EQ(text(*old, "w"), large);
}

TEST_F(SafetensorsWriterTest, RefusesWhatItCouldNotReadBack) {
  auto refuse = [&](llvm::ArrayRef<TensorEntry> entries) {
    std::string message = messageOf(writeSafetensors(path, entries));
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_FALSE(llvm::sys::fs::exists(path));
    return message;
  };
  llvm::ArrayRef<char> two("12", 2);
  EXPECT_THAT(refuse({{"w", DType::U8, {3}, two}}),
              AllOf(HasSubstr("tensor 'w' comes with 2 bytes"), HasSubstr("take 3")));
  EXPECT_THAT(refuse({{"w", DType::U8, {-2}, two}}), HasSubstr("negative extent -2"));
  EXPECT_THAT(refuse({{"w", DType::F64, {1ll << 61}, {}}}), HasSubstr("2^63"));
  EXPECT_THAT(
      refuse({{"w", DType::U8, {2}, two}, {"v", DType::U8, {2}, two}, {"w", DType::U16, {1}, two}}),
      HasSubstr("two tensors are named 'w'"));
  EXPECT_THAT(refuse({{"__metadata__", DType::U8, {2}, two}}), HasSubstr("reserved"));
  EXPECT_THAT(refuse({{"\xff", DType::U8, {2}, two}}), HasSubstr("UTF-8"));
}

TEST_F(SafetensorsWriterTest, ReportsAFullDisk) {
  if (!llvm::sys::fs::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full";
  std::string large(1 << 20, 'q');
  EXPECT_THAT(messageOf(writeSafetensors("/dev/full", {{"w", DType::U8, {1 << 20}, large}})),
              AllOf(HasSubstr("/dev/full"), HasSubstr("No space left"), HasSubstr("has room")));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading: what the format allows, and each way a file can be malformed.
//
#include "ptq/Checkpoint/Safetensors.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

#include <unistd.h>

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

struct SafetensorsTest : testing::Test {
  TemporaryFolder folder;

  std::shared_ptr<const SafetensorsFile> open(const std::string &bytes) {
    return valueOf(SafetensorsFile::open(folder.write("a.safetensors", bytes)));
  }
  /// The message for malformed bytes, which must name the file.
  std::string reject(const std::string &bytes) {
    std::string path = folder.write("bad.safetensors", bytes);
    std::string message = messageOf(SafetensorsFile::open(path));
    EXPECT_THAT(message, HasSubstr(path));
    return message;
  }
  std::string rejectEntry(const std::string &entry, const std::string &data = "12345678") {
    return reject(safetensors("{\"w\":" + entry + "}", data));
  }
};

TEST_F(SafetensorsTest, ReadsTensorsInTheOrderOfTheirData) {
  auto file = open(safetensors(R"({"__metadata__":{"format":"pt","b":""},)"
                               R"("second":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},)"
                               R"("first":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}   )",
                               "abcdxyz"));
  ASSERT_TRUE(file);
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "first");
  EXPECT_EQ(file->tensors()[0].dtype, DType::F16);
  EXPECT_EQ(llvm::ArrayRef<int64_t>(file->tensors()[0].shape), llvm::ArrayRef<int64_t>({1, 2}));
  EXPECT_EQ(file->tensors()[1].name, "second");
  const TensorInfo *second = file->find("second");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->numElements(), 3);
  llvm::ArrayRef<char> data = file->data(*second);
  EXPECT_EQ(std::string(data.begin(), data.end()), "xyz");
  EXPECT_EQ(file->find("third"), nullptr);
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"b", ""}}));
}

TEST_F(SafetensorsTest, AllowsScalarsEmptyTensorsAndNoTensors) {
  auto file = open(safetensors(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},)"
                               R"("s":{"dtype":"I32","shape":[],"data_offsets":[0,4]},)"
                               R"("f":{"dtype":"I32","shape":[0],"data_offsets":[4,4]}})",
                               "1234"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("s")->numElements(), 1);
  EXPECT_EQ(file->data(*file->find("s")).size(), 4u);
  EXPECT_EQ(file->find("e")->numElements(), 0);
  EXPECT_TRUE(file->data(*file->find("f")).empty());
  EXPECT_TRUE(open(safetensors("{}")));
}

TEST_F(SafetensorsTest, ReportsMisalignedData) {
  std::string entry = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string padding((8 - entry.size() % 8) % 8, ' ');
  auto aligned = open(safetensors(entry + padding, "1234"));
  ASSERT_TRUE(aligned);
  EXPECT_TRUE(aligned->isAligned(aligned->tensors()[0]));
  auto misaligned = open(safetensors(entry + padding + " ", "1234"));
  ASSERT_TRUE(misaligned);
  EXPECT_FALSE(misaligned->isAligned(misaligned->tensors()[0]));
}

TEST_F(SafetensorsTest, KnowsEveryDType) {
  for (const char *name : {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16",
                           "BF16", "F32", "F64", "F8_E4M3", "F8_E5M2"}) {
    std::optional<DType> dtype = parseDType(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(toString(*dtype), name);
    std::string bytes(byteWidth(*dtype), 'x');
    EXPECT_TRUE(open(safetensors("{\"w\":{\"dtype\":\"" + std::string(name) +
                                     "\",\"shape\":[1],\"data_offsets\":[0," +
                                     std::to_string(bytes.size()) + "]}}",
                                 bytes)));
  }
  EXPECT_FALSE(parseDType("f32"));
  EXPECT_FALSE(parseDType(""));
}

TEST_F(SafetensorsTest, RejectsWhatIsNotThere) {
  EXPECT_THAT(messageOf(SafetensorsFile::open(folder.path("none"))), HasSubstr("cannot open"));
  EXPECT_THAT(messageOf(SafetensorsFile::open(folder.path(""))), HasSubstr("not a regular file"));
  EXPECT_THAT(messageOf(SafetensorsFile::open("/dev/null")), HasSubstr("not a regular file"));
}

TEST_F(SafetensorsTest, RejectsBadHeaderLengths) {
  using namespace std::string_literals;
  EXPECT_THAT(reject(""), HasSubstr("0 bytes"));
  EXPECT_THAT(reject("\2\0\0\0\0\0\0"s), HasSubstr("7 bytes"));
  EXPECT_THAT(reject("\0\0\0\0\0\0\0\0"s), HasSubstr("damaged"));
  EXPECT_THAT(reject("\0\0\0\0\0\0\0\x80{}"s), HasSubstr("9223372036854775808"));
  EXPECT_THAT(reject("\xff\xff\xff\xff\xff\xff\xff\xff{}"s), HasSubstr("18446744073709551615"));
  EXPECT_THAT(reject("\3\0\0\0\0\0\0\0{}"s),
              AllOf(HasSubstr("length as 3"), HasSubstr("ends at byte 10")));
  std::string truncated = safetensors(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})");
  EXPECT_THAT(reject(truncated.substr(0, 30)), HasSubstr("cut off"));
}

TEST_F(SafetensorsTest, RejectsAHeaderOverTheLimit) {
  std::string path = folder.write("large.safetensors", "");
  uint64_t length = SafetensorsFile::maxHeaderBytes + 1;
  char bytes[8];
  llvm::support::endian::write64le(bytes, length);
  std::ofstream(path, std::ios::binary).write(bytes, 8);
  ASSERT_EQ(truncate(path.c_str(), length + 8), 0);
  EXPECT_THAT(messageOf(SafetensorsFile::open(path)), HasSubstr("limit of 100000000"));
}

TEST_F(SafetensorsTest, RejectsBadJSON) {
  EXPECT_THAT(reject(safetensors("{\"w\":")), HasSubstr("invalid JSON"));
  EXPECT_THAT(reject(safetensors("{\"\xff\":1}")), HasSubstr("UTF-8"));
  EXPECT_THAT(reject(safetensors("[]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(reject(safetensors("{} x")), HasSubstr("invalid JSON"));
  // Deep enough to overflow the stack of a recursive parser.
  EXPECT_THAT(reject(safetensors(std::string(5'000'000, '['))), HasSubstr("nests deeper"));
}

TEST_F(SafetensorsTest, RejectsDuplicateNames) {
  std::string entry = R"(:{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(reject(safetensors("{\"w\"" + entry + ",\"w\"" + entry + "}", "1234")),
              AllOf(HasSubstr("'w' at byte"), HasSubstr("twice")));
  EXPECT_THAT(reject(safetensors("{\"w\"" + entry + ",\"\\u0077\"" + entry + "}", "1234")),
              HasSubstr("twice"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]})"),
              HasSubstr("'dtype' at byte"));
}

TEST_F(SafetensorsTest, RejectsBadEntries) {
  EXPECT_THAT(rejectEntry("7"), AllOf(HasSubstr("tensor 'w'"), HasSubstr("at byte 9")));
  EXPECT_THAT(rejectEntry(R"({"shape":[8],"data_offsets":[0,8]})"), HasSubstr("no dtype"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"F4","shape":[8],"data_offsets":[0,8]})"),
              AllOf(HasSubstr("'F4' is not known"), HasSubstr("convert")));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","data_offsets":[0,8]})"), HasSubstr("no shape"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[8]})"), HasSubstr("no data_offsets"));
  for (const char *extent : {"-8", "\"8\"", "8.0", "9223372036854775808", "9223372036854775808.0",
                             "1e300", "null", "[8]"})
    EXPECT_THAT(rejectEntry("{\"dtype\":\"U8\",\"shape\":[" + std::string(extent) +
                            "],\"data_offsets\":[0,8]}"),
                AllOf(HasSubstr("tensor 'w'"), HasSubstr("extent 0")))
        << extent;
  for (const char *offsets : {"[0]", "[0,8,8]", "[-1,8]", "[0,8.5]", "8", "[]"})
    EXPECT_THAT(rejectEntry("{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":" +
                            std::string(offsets) + "}"),
                HasSubstr("data_offsets"))
        << offsets;
  EXPECT_THAT(reject(safetensors(R"({"__metadata__":{"a":1}})")), HasSubstr("not a string"));
  EXPECT_THAT(reject(safetensors(R"({"__metadata__":[]})")), HasSubstr("__metadata__"));
}

TEST_F(SafetensorsTest, RejectsShapesThatOverflow) {
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
              HasSubstr("product"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[3037000500,3037000500],"data_offsets":[0,8]})"),
              HasSubstr("product"));
  // The product fits, the bytes do not: 2^61 × 8 is 0 modulo 2^64.
  EXPECT_THAT(
      rejectEntry(R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})", ""),
      HasSubstr("not the size of [2305843009213693952] F64"));
}

TEST_F(SafetensorsTest, RejectsBadOffsets) {
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[8],"data_offsets":[8,0]})"),
              HasSubstr("end before they begin"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9]})"),
              AllOf(HasSubstr("[0, 9]"), HasSubstr("has 8 bytes"), HasSubstr("cut off")));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[8],)"
                          R"("data_offsets":[18446744073709551608,18446744073709551615]})"),
              HasSubstr("pass the end"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})"),
              HasSubstr("are 8 bytes, which is not the size of [1] F32"));
}

TEST_F(SafetensorsTest, RejectsOverlapsAndHoles) {
  auto two = [](const char *a, const char *b) {
    return safetensors("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + std::string(a) +
                           "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + b + "}}",
                       "12345678");
  };
  EXPECT_TRUE(open(two("[4,8]", "[0,4]")));
  EXPECT_THAT(reject(two("[0,4]", "[0,4]")), HasSubstr("overlap"));
  EXPECT_THAT(reject(two("[0,4]", "[3,7]")),
              AllOf(HasSubstr("tensor 'b'"), HasSubstr("overlap those of tensor 'a'"),
                    HasSubstr("bytes " + std::to_string(two("[0,4]", "[3,7]").size() - 5))));
  std::string hole = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                     R"("b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})";
  EXPECT_THAT(reject(safetensors(hole, "12345678")), HasSubstr("hole of 1 bytes"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[4],"data_offsets":[4,8]})"),
              HasSubstr("hole of 4 bytes"));
  EXPECT_THAT(rejectEntry(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})"),
              HasSubstr("belong to no tensor"));
}

TEST_F(SafetensorsTest, MapsAFileLargerThanMemory) {
  uint64_t bytes = 50'000'000'000;
  std::string path =
      folder.write("sparse.safetensors",
                   safetensors("{\"w\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(bytes) +
                               "],\"data_offsets\":[0," + std::to_string(bytes) + "]}}"));
  uint64_t size = readBytes(path).size() + bytes;
  if (truncate(path.c_str(), size) != 0)
    GTEST_SKIP() << "the file system has no sparse files of this size";
  {
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(size - 1);
    stream.put(42);
  }
  auto file = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(file);
  llvm::ArrayRef<char> data = file->data(file->tensors()[0]);
  EXPECT_EQ(data.size(), bytes);
  EXPECT_EQ(data[0], 0);
  EXPECT_EQ(data.back(), 42);
}

} // namespace

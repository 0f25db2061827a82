// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics written and read back, and files that are not what they should be.
//
#include "ptq/Statistics/StatisticsFile.h"

#include "ptq/Checkpoint/SafetensorsWriter.h"

#include "../Checkpoint/TestFiles.h"
#include "gmock/gmock.h"

#include <cmath>

using namespace ptq::checkpoint;
using namespace ptq::statistics;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

struct StatisticsFileTest : testing::Test {
  TemporaryFolder folder;
  std::string path = folder.path("statistics.safetensors");

  StatisticsRecord makeRecord(std::vector<std::string> layers) {
    StatisticsRecord record;
    record.layers = std::move(layers);
    record.statistics.tokens = 12345678901;
    record.statistics.absmax = {3.5f, 0.0f, 1e-30f};
    record.statistics.meanAbs = {0.25f, 0.0f, 1e-31f};
    return record;
  }
};

TEST_F(StatisticsFileTest, RoundTrips) {
  std::vector<StatisticsRecord> records = {
      makeRecord({"layers.0.q_proj", "layers.0.k_proj", "layers.0.v_proj"}),
      makeRecord({"layers.0.o_proj"})};
  records[1].statistics.absmax = {1.0f, 2.0f};
  records[1].statistics.meanAbs = {0.5f, 0.75f};
  records[1].statistics.tokens = 0;
  records[1].gram = {4, 1, 1, 9};
  expectSuccess(saveStatistics(path, records));
  auto file = valueOf(StatisticsFile::load(path));
  ASSERT_TRUE(file);

  EXPECT_EQ(file->layers(), (std::vector<llvm::StringRef>{"layers.0.k_proj", "layers.0.o_proj",
                                                          "layers.0.q_proj", "layers.0.v_proj"}));
  const ActivationStatistics *q = file->find("layers.0.q_proj");
  ASSERT_TRUE(q);
  EXPECT_EQ(file->find("layers.0.k_proj"), q);
  EXPECT_EQ(file->find("layers.0.v_proj"), q);
  EXPECT_EQ(q->tokens, 12345678901);
  EXPECT_EQ(q->absmax, records[0].statistics.absmax);
  EXPECT_EQ(q->meanAbs, records[0].statistics.meanAbs);
  EXPECT_TRUE(q->divisor.empty());
  EXPECT_TRUE(file->gram("layers.0.q_proj").empty());
  const ActivationStatistics *o = file->find("layers.0.o_proj");
  ASSERT_TRUE(o);
  EXPECT_EQ(o->tokens, 0);
  EXPECT_EQ(o->meanAbs, records[1].statistics.meanAbs);
  EXPECT_EQ(file->gram("layers.0.o_proj"), llvm::ArrayRef<float>({4, 1, 1, 9}));
  EXPECT_EQ(file->find("layers.0"), nullptr);
  EXPECT_TRUE(file->gram("layers.0").empty());
}

TEST_F(StatisticsFileTest, StoresTheDocumentedKeys) {
  StatisticsRecord record = makeRecord({"a", "b"});
  record.gram.assign(9, 1.0f);
  expectSuccess(saveStatistics(path, record));
  auto file = valueOf(SafetensorsFile::open(path));
  ASSERT_TRUE(file);
  std::map<std::string, std::string> seen;
  for (const TensorInfo &info : file->tensors())
    seen[info.name] = toString(info.dtype).str() + std::to_string(info.shape.size());
  EXPECT_EQ(
      seen,
      (std::map<std::string, std::string>{
          {"a.absmax", "F321"}, {"a.mean_abs", "F321"}, {"a.tokens", "I641"}, {"a.gram", "F322"}}));
  EXPECT_EQ(file->metadata().at("shared"), R"({"b":"a"})");
}

TEST_F(StatisticsFileTest, SavesTheDividedGramMatrix) {
  StatisticsRecord record = makeRecord({"a"});
  record.gram = {4, 8, 16, 8, 4, 2, 16, 2, 1};
  record.statistics = valueOf(record.statistics.dividedBy({2, 4, 1}));
  expectSuccess(saveStatistics(path, record));
  auto file = valueOf(StatisticsFile::load(path));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->gram("a"), llvm::ArrayRef<float>({1, 1, 8, 1, 0.25f, 0.5f, 8, 0.5f, 1}));
  EXPECT_EQ(file->find("a")->absmax[0], 1.75f);
}

TEST_F(StatisticsFileTest, ReadsScalarTokensAndMisalignedGrams) {
  // One channel; the header's length is odd, so no float is aligned.
  std::string header = R"({"a.absmax":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("a.mean_abs":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                       R"("a.tokens":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
                       R"("a.gram":{"dtype":"F32","shape":[1,1],"data_offsets":[16,20]}})";
  header.resize(header.size() + 1 - header.size() % 2 + (header.size() % 2 ? 2 : 0), ' ');
  ASSERT_EQ(header.size() % 2, 1u);
  float values[] = {2.0f, 1.5f}, gram = 6.25f;
  int64_t tokens = 3;
  std::string data(reinterpret_cast<char *>(values), 8);
  data.append(reinterpret_cast<char *>(&tokens), 8).append(reinterpret_cast<char *>(&gram), 4);
  folder.write("statistics.safetensors", safetensors(header, data));
  auto file = valueOf(StatisticsFile::load(path));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("a")->tokens, 3);
  EXPECT_EQ(file->find("a")->absmax[0], 2.0f);
  ASSERT_EQ(file->gram("a").size(), 1u);
  EXPECT_EQ(file->gram("a")[0], 6.25f);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->gram("a").data()) % alignof(float), 0u);
}

TEST_F(StatisticsFileTest, RefusesToSaveWhatDisagrees) {
  auto refuse = [&](llvm::ArrayRef<StatisticsRecord> records) {
    std::string message = messageOf(saveStatistics(path, records));
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_FALSE(llvm::sys::fs::exists(path));
    return message;
  };
  EXPECT_THAT(refuse(makeRecord({})), HasSubstr("no layer"));
  EXPECT_THAT(refuse(makeRecord({""})), HasSubstr("empty"));
  EXPECT_THAT(refuse({makeRecord({"a", "b"}), makeRecord({"b"})}), HasSubstr("layer 'b'"));
  StatisticsRecord record = makeRecord({"a"});
  record.gram.resize(8);
  EXPECT_THAT(refuse(record), HasSubstr("8 Gram"));
  record = makeRecord({"a"});
  record.statistics.meanAbs.pop_back();
  EXPECT_THAT(refuse(record), HasSubstr("2 mean"));
  record = makeRecord({"a"});
  record.statistics.absmax[1] = NAN;
  EXPECT_THAT(refuse(record), HasSubstr("absmax of channel 1"));
}

TEST_F(StatisticsFileTest, RejectsFilesThatAreNotStatistics) {
  float two[] = {1.0f, 2.0f}, bad[] = {1.0f, -1.0f};
  int64_t count = 4, negative = -1;
  auto bytes = [](auto &value) {
    return llvm::ArrayRef<char>(reinterpret_cast<const char *>(&value), sizeof value);
  };
  TensorEntry absmax{"a.absmax", DType::F32, {2}, bytes(two)};
  TensorEntry meanAbs{"a.mean_abs", DType::F32, {2}, bytes(two)};
  TensorEntry tokens{"a.tokens", DType::I64, {1}, bytes(count)};
  auto reject = [&](std::vector<TensorEntry> entries, std::string shared = "{}") {
    expectSuccess(writeSafetensors(path, entries, {{"shared", shared}}));
    std::string message = messageOf(StatisticsFile::load(path));
    EXPECT_THAT(message, HasSubstr(path));
    return message;
  };
  expectSuccess(writeSafetensors(path, {absmax, meanAbs, tokens}));
  EXPECT_TRUE(valueOf(StatisticsFile::load(path)));

  EXPECT_THAT(reject({}), HasSubstr("holds no statistics"));
  EXPECT_THAT(reject({absmax, tokens}), HasSubstr("'a.mean_abs' is missing"));
  EXPECT_THAT(reject({absmax, meanAbs}), HasSubstr("'a.tokens' is missing"));
  EXPECT_THAT(reject({{"a.absmax", DType::F32, {1, 2}, bytes(two)}, meanAbs, tokens}),
              HasSubstr("not a vector"));
  EXPECT_THAT(reject({{"a.absmax", DType::I32, {2}, bytes(two)}, meanAbs, tokens}),
              HasSubstr("not F32 [2]"));
  EXPECT_THAT(reject({absmax, {"a.mean_abs", DType::F32, {2, 1}, bytes(two)}, tokens}),
              HasSubstr("not F32 [2]"));
  EXPECT_THAT(reject({absmax, meanAbs, {"a.tokens", DType::U64, {1}, bytes(count)}}),
              HasSubstr("not I64 [1]"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens, {"a.gram", DType::F32, {2}, bytes(two)}}),
              HasSubstr("not F32 [2x2]"));
  EXPECT_THAT(reject({{"a.absmax", DType::F32, {2}, bytes(bad)}, meanAbs, tokens}),
              AllOf(HasSubstr("absmax of channel 1"), HasSubstr("layer 'a'")));
  EXPECT_THAT(reject({absmax, {"a.mean_abs", DType::F32, {2}, bytes(bad)}, tokens}),
              HasSubstr("mean |x| of channel 1"));
  EXPECT_THAT(reject({absmax, meanAbs, {"a.tokens", DType::I64, {1}, bytes(negative)}}),
              HasSubstr("token count is -1"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, "{"), HasSubstr("damaged"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, "[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, R"({"b":"c"})"),
              AllOf(HasSubstr("layer 'b'"), HasSubstr("'c'")));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, R"({"b":1})"), HasSubstr("layer 'b'"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, R"({"b":"a","c":"b"})"), HasSubstr("layer 'c'"));
  EXPECT_THAT(reject({absmax, meanAbs, tokens}, R"({"a":"a"})"), HasSubstr("record of its own"));
  EXPECT_THAT(messageOf(StatisticsFile::load(folder.path("none"))), HasSubstr("cannot open"));
}

} // namespace

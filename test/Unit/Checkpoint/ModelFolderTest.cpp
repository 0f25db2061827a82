// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Configurations read, written and refused; folders written whole, in shards, or not at all.
//
#include "ptq/Checkpoint/ModelFolder.h"

#include "ptq/Checkpoint/StrictJSON.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::HasSubstr;

namespace {

llvm::Expected<QuantizationConfig> parse(llvm::StringRef text) {
  llvm::Expected<llvm::json::Value> value = parseStrictJSON(text);
  if (!value)
    return value.takeError();
  return parseQuantizationConfig(*value->getAsObject());
}

TEST(QuantizationConfig, RefusesWhatHasNoIntegers) {
  for (const char *text :
       {R"({"quant_method": "fp8"})", R"({"quant_method": "mxfp4"})",
        R"({"quant_method": "bitsandbytes", "load_in_4bit": true})",
        R"({"quant_method": "compressed-tensors", "format": "float-quantized"})",
        R"({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"})",
        R"({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemv"})"})
    EXPECT_THAT(messageOf(parse(text)), HasSubstr("is not supported")) << text;
  EXPECT_THAT(messageOf(parse(R"({"quant_method": "gptq", "bits": 40, "group_size": 64})")),
              HasSubstr("'bits' must be an integer from 2 to 8"));
  EXPECT_THAT(messageOf(parse(R"({"quant_method": "gptq", "bits": 4, "group_size": 0})")),
              HasSubstr("'group_size' must be"));
}

TEST(QuantizationConfig, WritesWhatItReads) {
  LayerConfig four, eight;
  four.weight = {4, true, 64};
  eight.weight = {8, true, -1};
  QuantizationConfig config;
  config.ignored = {"lm_head"};
  for (QuantizedFormat format :
       {QuantizedFormat::PackQuantized, QuantizedFormat::Gptq, QuantizedFormat::GptqV2}) {
    config.format = format;
    config.groups = {{four, {"a.b", "a.c"}}, {eight, {"a.d"}}};
    QuantizationConfig read = valueOf(parseQuantizationConfig(valueOf(toJSON(config))));
    EXPECT_EQ(read.format, format);
    EXPECT_EQ(*read.find("a.b"), four) << toString(format).str();
    EXPECT_EQ(*read.find("a.d"), eight) << toString(format).str();
  }
  config.format = QuantizedFormat::Awq;
  EXPECT_THAT(messageOf(toJSON(config)), HasSubstr("awq holds one scheme"));
  eight.activation = ActivationConfig();
  config.groups = {{eight, {"Linear"}}};
  EXPECT_THAT(messageOf(toJSON(config)), HasSubstr("use format=compressed-tensors"));
  config.format = QuantizedFormat::IntQuantized;
  EXPECT_EQ(*valueOf(parseQuantizationConfig(valueOf(toJSON(config)))).find("x"), eight);
}

struct ModelFolderTest : testing::Test {
  TemporaryFolder folder;
  std::string a = std::string(8, 'a'), b = std::string(8, 'b');

  ModelFolder makeSource() {
    folder.write("source/config.json", R"({"model_type": "llama", "rms_norm_eps": 1e-05})");
    folder.write("source/tokenizer/vocab.txt", "words");
    folder.write("source/pytorch_model.bin", "stale");
    expectSuccess(writeSafetensors(folder.path("source/model.safetensors"),
                                   {{"a", DType::F32, {2}, a}, {"b", DType::F32, {2}, b}}));
    return valueOf(ModelFolder::open(folder.path("source")));
  }
  llvm::Error write(const ModelFolder &source, const std::string &to, uint64_t shard) {
    llvm::json::Object config = source.config;
    config["quantization_config"] =
        llvm::json::Object{{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 64}};
    return writeModelFolder(to, source, std::move(config),
                            {{"b", DType::F32, {2}, b}, {"a", DType::F32, {2}, a}}, shard);
  }
};

TEST_F(ModelFolderTest, WritesAWholeFolder) {
  ModelFolder source = makeSource();
  std::string out = folder.path("out");
  expectSuccess(write(source, out, 5'000'000'000));
  EXPECT_EQ(readBytes(out + "/tokenizer/vocab.txt"), "words");
  EXPECT_FALSE(llvm::sys::fs::exists(out + "/pytorch_model.bin"));
  EXPECT_TRUE(llvm::sys::fs::exists(out + "/quantize_config.json"));
  EXPECT_EQ(folder.numEntries(), 2u); // no temporary is left
  ModelFolder read = valueOf(ModelFolder::open(out));
  EXPECT_EQ(read.config.getString("model_type"), llvm::StringRef("llama"));
  EXPECT_EQ(read.config.getNumber("rms_norm_eps"), 1e-05);
  EXPECT_EQ(read.tensors->names().size(), 2u);
  EXPECT_TRUE(valueOf(read.quantization()).has_value());
  EXPECT_FALSE(valueOf(source.quantization()).has_value());
}

TEST_F(ModelFolderTest, SplitsLargeModels) {
  ModelFolder source = makeSource();
  std::string out = folder.path("out");
  expectSuccess(write(source, out, 8));
  EXPECT_TRUE(llvm::sys::fs::exists(out + "/model-00001-of-00002.safetensors"));
  EXPECT_FALSE(llvm::sys::fs::exists(out + "/model.safetensors"));
  ModelFolder read = valueOf(ModelFolder::open(out));
  EXPECT_EQ(read.tensors->lookup("b")->data, llvm::ArrayRef<char>(b.data(), b.size()));
}

TEST_F(ModelFolderTest, LeavesWhatIsThere) {
  ModelFolder source = makeSource();
  folder.write("out/keep", "me");
  EXPECT_THAT(messageOf(write(source, folder.path("out"), 8)), HasSubstr("is not empty"));
  EXPECT_THAT(messageOf(write(source, folder.path("none/out"), 8)), HasSubstr("parent folder"));
  EXPECT_EQ(folder.numEntries(), 2u);
  EXPECT_THAT(messageOf(ModelFolder::open(folder.path("out"))), HasSubstr("config.json"));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Several files under one set of names, and the indices of sharded checkpoints.
//
#include "ptq/Checkpoint/Checkpoint.h"

#include "ptq/Checkpoint/SafetensorsWriter.h"

#include "TestFiles.h"
#include "gmock/gmock.h"

using namespace ptq::checkpoint;
using namespace ptq::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

struct CheckpointTest : testing::Test {
  TemporaryFolder folder;

  /// A file whose tensors each hold their own name's bytes.
  std::string shard(const std::string &file, const std::vector<std::string> &names) {
    std::vector<TensorEntry> entries;
    for (const std::string &name : names)
      entries.push_back({name, DType::U8, {int64_t(name.size())}, name});
    std::string path = folder.write(file, "");
    expectSuccess(writeSafetensors(path, entries));
    return path;
  }
  std::string index(const std::string &weightMap) {
    return folder.write("model.safetensors.index.json",
                        "{\"metadata\":{\"total_size\":1},\"weight_map\":" + weightMap + "}");
  }
  std::string reject(const std::vector<std::string> &files) {
    std::string message = messageOf(Checkpoint::open(files));
    EXPECT_THAT(message, HasSubstr(files.back()));
    return message;
  }
};

TEST_F(CheckpointTest, JoinsFiles) {
  auto checkpoint = valueOf(Checkpoint::open(
      {shard("1.safetensors", {"b", "dd"}), shard("2.safetensors", {"ccc", "a"})}));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->names(), (llvm::ArrayRef<llvm::StringRef>{"a", "b", "ccc", "dd"}));
  EXPECT_EQ(checkpoint->files().size(), 2u);
  for (llvm::StringRef name : checkpoint->names()) {
    std::optional<TensorView> view = checkpoint->lookup(name);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->info->name, name);
    EXPECT_EQ(llvm::StringRef(view->data.data(), view->data.size()), name);
  }
  EXPECT_FALSE(checkpoint->lookup("e"));
}

TEST_F(CheckpointTest, TheOwnerKeepsTheMapping) {
  auto checkpoint = valueOf(Checkpoint::open({shard("1.safetensors", {"tensor"})}));
  ASSERT_TRUE(checkpoint);
  TensorView view = *checkpoint->lookup("tensor");
  checkpoint.reset();
  EXPECT_EQ(view.owner.use_count(), 1);
  EXPECT_EQ(llvm::StringRef(view.data.data(), view.data.size()), "tensor");
  EXPECT_EQ(view.info->name, "tensor");
}

TEST_F(CheckpointTest, RejectsATensorInTwoFiles) {
  std::string first = shard("1.safetensors", {"a", "b"});
  EXPECT_THAT(reject({first, shard("2.safetensors", {"c", "b"})}),
              AllOf(HasSubstr("'b'"), HasSubstr(first)));
  EXPECT_THAT(reject({first, first}), HasSubstr("each file once"));
}

TEST_F(CheckpointTest, OpensAnIndex) {
  shard("one.safetensors", {"a", "b"});
  shard("sub/two.safetensors", {"c"});
  auto checkpoint = valueOf(Checkpoint::open(
      {index(R"({"a":"one.safetensors","b":"./one.safetensors","c":"sub/two.safetensors"})")}));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->names(), (llvm::ArrayRef<llvm::StringRef>{"a", "b", "c"}));
  EXPECT_EQ(checkpoint->files().size(), 2u);
}

TEST_F(CheckpointTest, RejectsAnIndexThatDoesNotFitItsShards) {
  shard("one.safetensors", {"a", "b"});
  shard("two.safetensors", {"c"});
  EXPECT_THAT(reject({index(R"({"a":"one.safetensors","c":"three.safetensors"})")}),
              AllOf(HasSubstr("three.safetensors"), HasSubstr("tensor 'c'"), HasSubstr("missing")));
  EXPECT_THAT(reject({index(R"({"a":"one.safetensors","b":"two.safetensors"})")}),
              AllOf(HasSubstr("tensor 'b' is in"), HasSubstr("not in shard")));
  EXPECT_THAT(reject({index(R"({"a":"one.safetensors","d":"two.safetensors"})")}),
              AllOf(HasSubstr("tensor 'd'"), HasSubstr("nor in any other")));
}

TEST_F(CheckpointTest, RejectsPathsThatLeaveTheFolder) {
  std::string outside = shard("outside.safetensors", {"a"});
  for (const std::string &path :
       {outside, std::string("../outside.safetensors"), std::string("sub/../../x.safetensors"),
        std::string(".."), std::string(""), std::string("x\\u0000")})
    EXPECT_THAT(reject({index("{\"a\":\"" + path + "\"}")}),
                HasSubstr("not a relative path inside"))
        << path;
}

TEST_F(CheckpointTest, RejectsAMalformedIndex) {
  auto file = [&](const std::string &text) { return folder.write("x.index.json", text); };
  EXPECT_THAT(reject({file("{")}), HasSubstr("invalid JSON"));
  EXPECT_THAT(reject({file("[]")}), HasSubstr("weight_map"));
  EXPECT_THAT(reject({file(R"({"weight_map":[]})")}), HasSubstr("weight_map"));
  EXPECT_THAT(reject({file(R"({"weight_map":{"a":1}})")}), HasSubstr("not a string"));
  EXPECT_THAT(reject({file(R"({"weight_map":{"a":"b","a":"c"}})")}), HasSubstr("twice"));
  EXPECT_THAT(reject({file(std::string(1'000'000, '['))}), HasSubstr("deeper"));
  EXPECT_THAT(reject({folder.path("none.json")}), HasSubstr("cannot open"));
}

TEST_F(CheckpointTest, SuggestsTheClosestName) {
  auto checkpoint = valueOf(Checkpoint::open({shard(
      "1.safetensors", {"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight",
                        "model.layers.1.mlp.down_proj.weight", "lm_head.weight"})}));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->suggest("model.layers.1.mlp.up_prj.weight"),
            llvm::StringRef("model.layers.1.mlp.up_proj.weight"));
  EXPECT_EQ(checkpoint->suggest("layers.1.mlp.down_proj.weight"),
            llvm::StringRef("model.layers.1.mlp.down_proj.weight"));
  EXPECT_EQ(checkpoint->suggest("language_model.decoder.lm_head.weight"),
            llvm::StringRef("lm_head.weight"));
  EXPECT_EQ(checkpoint->suggest("lm_head.weight"), llvm::StringRef("lm_head.weight"));
  EXPECT_FALSE(checkpoint->suggest("transformer.h.0.attn"));
  EXPECT_FALSE(checkpoint->suggest(""));
}

} // namespace

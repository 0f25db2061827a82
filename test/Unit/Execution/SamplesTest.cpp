// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Binding arguments to files.

#include "Run.h"

#include "ptq/Checkpoint/SafetensorsWriter.h"
#include "ptq/Execution/Samples.h"
#include "llvm/Support/FileSystem.h"

#include <list>

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

namespace {
class Files : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("ptq-samples", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  template <typename T>
  void add(std::string name, checkpoint::DType dtype, llvm::ArrayRef<int64_t> shape,
           const std::vector<T> &values) {
    auto &bytes = storage.emplace_back(values.size() * sizeof(T));
    memcpy(bytes.data(), values.data(), bytes.size());
    entries.push_back({std::move(name), dtype, {shape.begin(), shape.end()}, bytes});
  }

  std::shared_ptr<const checkpoint::Checkpoint> write(llvm::StringRef name) {
    std::string path = (folder + "/" + name).str();
    EXPECT_FALSE(llvm::errorToBool(checkpoint::writeSafetensors(path, entries)));
    entries.clear();
    auto opened = checkpoint::Checkpoint::open({path});
    if (!opened) {
      ADD_FAILURE() << llvm::toString(opened.takeError());
      return nullptr;
    }
    return *opened;
  }

  llvm::SmallString<128> folder;
  std::list<std::vector<char>> storage;
  std::vector<checkpoint::TensorEntry> entries;
};
} // namespace

static const char *const model = R"(
    func.func @main(%ids: tensor<1x3xi64> {ptq.input = "ids"}, %w: tensor<2x2xf32> {ptq.parameter = "layer.weight"},
                    %mask: tensor<?xf32>) -> (tensor<2x2xf32>, tensor<?xf32> {ptq.output = "mask"}) {
      return %w, %mask : tensor<2x2xf32>, tensor<?xf32>
    })";

TEST_F(Files, StackedSharedAndNamed) {
  Program program(model);
  add("layer.weight", checkpoint::DType::F32, {2, 2}, std::vector<float>{1, 2, 3, 4});
  auto parameters = write("w.safetensors");
  add("ids", checkpoint::DType::I64, {2, 1, 3}, std::vector<int64_t>{1, 2, 3, 4, 5, 6});
  add("arg2", checkpoint::DType::F32, {5}, std::vector<float>{1, 2, 3, 4, 5});
  auto inputs = write("x.safetensors");
  auto set = SampleSet::open(program.function(), parameters, inputs);
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  EXPECT_EQ(set->size(), 2);
  EXPECT_TRUE(set->isStacked());
  auto samples = set->samples(0, 2);
  EXPECT_EQ(samples[1][0].as<int64_t>().vec(), (std::vector<int64_t>{4, 5, 6}));
  EXPECT_EQ(samples[0][0].type.getShape().vec(), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(samples[0][1].data, samples[1][1].data);
  EXPECT_EQ(samples[1][2].type.getShape().vec(), (std::vector<int64_t>{5}));
  EXPECT_EQ(getResultName(program.function(), 0), "output.0");
  EXPECT_EQ(getResultName(program.function(), 1), "mask");
}

TEST_F(Files, OneSampleOfTheShapeItself) {
  Program program(model);
  add("layer.weight", checkpoint::DType::F32, {2, 2}, std::vector<float>(4));
  add("ids", checkpoint::DType::I64, {1, 3}, std::vector<int64_t>{1, 2, 3});
  add("arg2", checkpoint::DType::F32, {1}, std::vector<float>{1});
  // One file may hold everything.
  auto set = SampleSet::open(program.function(), nullptr, write("all.safetensors"));
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  EXPECT_EQ(set->size(), 1);
  EXPECT_FALSE(set->isStacked());
}

TEST_F(Files, AllProblemsAtOnce) {
  Program program(model);
  add("model.layer.weight", checkpoint::DType::F32, {2, 2}, std::vector<float>(4));
  auto parameters = write("w.safetensors");
  add("ids", checkpoint::DType::I32, {2, 1, 3}, std::vector<int32_t>(6));
  add("arg2", checkpoint::DType::F32, {2, 2, 2}, std::vector<float>(8));
  auto set = SampleSet::open(program.function(), parameters, write("x.safetensors"));
  ASSERT_FALSE(bool(set));
  std::string message = llvm::toString(set.takeError());
  for (const char *part :
       {"parameter 'layer.weight' is missing (is it 'model.layer.weight'?)",
        "'ids' is I32 [2, 1, 3], the function takes tensor<1x3xi64>", "'arg2' is F32 [2, 2, 2]"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST_F(Files, DifferentNumbersOfSamples) {
  Program program("func.func @main(%a: tensor<2xf32>, %b: tensor<2xf32>) { return }");
  add("arg0", checkpoint::DType::F32, {3, 2}, std::vector<float>(6));
  add("arg1", checkpoint::DType::F32, {4, 2}, std::vector<float>(8));
  auto set = SampleSet::open(program.function(), nullptr, write("x.safetensors"));
  ASSERT_FALSE(bool(set));
  EXPECT_EQ(llvm::toString(set.takeError()),
            "the arguments of 'main' do not fit: 'arg1' has 4 samples, 'arg0' has 3");
}

static const char *const cached = R"(
    func.func @main(%c: tensor<1x?x2xi8> {ptq.input = "k", ptq.quantized = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>},
                    %s: tensor<1x?xf32> {ptq.input = "k_scale"}, %x: tensor<2xf32>) { return })";

// An int8 argument that says so takes floats, too: rows become integers and a scale each.
TEST_F(Files, FloatsOfAnIntegerInput) {
  Program program(cached);
  add("k", checkpoint::DType::F32, {2, 1, 2, 2},
      std::vector<float>{127, -63.5f, 0, 254, -1.27f, 0.01f, 0, 0});
  add("arg2", checkpoint::DType::F32, {2}, std::vector<float>{1, 2});
  auto set = SampleSet::open(program.function(), nullptr, write("x.safetensors"));
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  ASSERT_EQ(set->size(), 2);
  auto samples = set->samples(0, 2);
  ASSERT_EQ(samples[0].size(), 3u);
  // −63.5 is a tie: to even.
  EXPECT_EQ(samples[0][0].as<int8_t>().vec(), (std::vector<int8_t>{127, -64, 0, 127}));
  EXPECT_EQ(samples[0][1].as<float>().vec(), (std::vector<float>{1, 2}));
  EXPECT_EQ(samples[1][0].as<int8_t>().vec(), (std::vector<int8_t>{-127, 1, 0, 0}));
  EXPECT_FLOAT_EQ(samples[1][1].as<float>()[0], 0.01f);
  EXPECT_EQ(samples[1][1].type.getShape().vec(), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(samples[1][2].as<float>().vec(), (std::vector<float>{1, 2}));
}

TEST_F(Files, IntegersOfAnIntegerInput) {
  Program program(cached);
  add("k", checkpoint::DType::I8, {1, 1, 2}, std::vector<int8_t>{3, -4});
  add("arg2", checkpoint::DType::F32, {2}, std::vector<float>{1, 2});
  auto set = SampleSet::open(program.function(), nullptr, write("x.safetensors"));
  ASSERT_FALSE(bool(set));
  EXPECT_EQ(llvm::toString(set.takeError()),
            "the arguments of 'main' do not fit: input 'k_scale' is missing");
}

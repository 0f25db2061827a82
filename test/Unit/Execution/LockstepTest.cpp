// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Several samples at a time: stacking, invariant work, observers, lengths that differ.

#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

/// Two layers with an activation between them, and a head.
static const char *const network = R"(
    func.func @main(%x: tensor<3x4xf32>, %w1: tensor<6x4xf32> {ptq.parameter = "w1"}, %w2: tensor<4x6xf32> {ptq.parameter = "w2"},
                    %head: tensor<9x4xf32> {ptq.parameter = "head"}) -> tensor<3x9xf32> {
      %zero = arith.constant dense<0.0> : tensor<3x6xf32>
      %a = ptq.linear %x, %w1 {layer = "up"} : (tensor<3x4xf32>, tensor<6x4xf32>) -> tensor<3x6xf32>
      %r = arith.maximumf %a, %zero : tensor<3x6xf32>
      %b = ptq.linear %r, %w2 {layer = "down"} : (tensor<3x6xf32>, tensor<4x6xf32>) -> tensor<3x4xf32>
      %s = arith.addf %x, %b : tensor<3x4xf32>
      %y = ptq.linear %s, %head {layer = "head"} : (tensor<3x4xf32>, tensor<9x4xf32>) -> tensor<3x9xf32>
      return %y : tensor<3x9xf32>
    })";

namespace {
struct Layer {
  std::string name;
  int64_t tokens;
  std::vector<float> x;
};

/// Keeps what it sees; replaces the weight of one layer.
class Recorder : public LinearObserver {
public:
  bool wants(mlir::Operation *linear) override {
    return wanted.empty() ||
           llvm::is_contained(wanted, llvm::cast<LinearOp>(linear).getLayerName().str());
  }
  llvm::Expected<std::optional<std::vector<float>>> observe(mlir::Operation *linear,
                                                            const ObservedInput &input) override {
    auto layer = llvm::cast<LinearOp>(linear);
    numerics::ConstMatrix x = input.x;
    blockEnds.push_back(input.blockEnds.vec());
    blocks.push_back({input.firstBlock, input.blockCount});
    std::vector<float> values;
    for (int64_t i = 0; i != x.rows; ++i)
      values.insert(values.end(), x.row(i), x.row(i) + x.columns);
    seen.push_back({layer.getLayerName().str(), x.rows, values});
    if (layer.getLayerName() == failing)
      return llvm::createStringError("the observer failed");
    if (layer.getLayerName() == replaced)
      return replacement;
    return std::nullopt;
  }
  std::vector<std::string> wanted;
  std::string failing, replaced;
  std::vector<float> replacement;
  std::vector<Layer> seen;
  std::vector<std::vector<int64_t>> blockEnds;
  std::vector<std::pair<int64_t, int64_t>> blocks;
};

struct Inputs {
  std::vector<std::vector<float>> x;
  std::vector<float> w1 = randomFloats(24, 11), w2 = randomFloats(24, 12),
                     head = randomFloats(36, 13);

  explicit Inputs(int samples) {
    for (int i = 0; i != samples; ++i)
      x.push_back(randomFloats(12, 20 + i));
  }

  std::vector<std::vector<Tensor>> tensors(Program &program) const {
    Tensor t1 = program.tensor("tensor<6x4xf32>", w1), t2 = program.tensor("tensor<4x6xf32>", w2),
           t3 = program.tensor("tensor<9x4xf32>", head);
    std::vector<std::vector<Tensor>> samples;
    for (auto &values : x)
      samples.push_back({program.tensor("tensor<3x4xf32>", values), t1, t2, t3});
    return samples;
  }

  static std::vector<float> linear(const std::vector<float> &x, const std::vector<float> &w,
                                   int in) {
    int out = w.size() / in;
    std::vector<float> y;
    for (size_t i = 0; i != x.size() / in; ++i)
      for (int n = 0; n != out; ++n) {
        double sum = 0;
        for (int k = 0; k != in; ++k)
          sum += double(x[i * in + k]) * w[n * in + k];
        y.push_back(sum);
      }
    return y;
  }
  /// The inputs of the three layers, and the result, of one sample.
  std::vector<std::vector<float>> values(int sample) const {
    std::vector<std::vector<float>> result{x[sample]};
    auto a = linear(x[sample], w1, 4);
    for (float &value : a)
      value = std::max(value, 0.f);
    result.push_back(a);
    auto s = linear(a, w2, 6);
    for (size_t i = 0; i != s.size(); ++i)
      s[i] += x[sample][i];
    result.push_back(s);
    result.push_back(linear(s, head, 4));
    return result;
  }
};
} // namespace

TEST(Lockstep, EachSampleGetsItsOwnResult) {
  Program program(network);
  Inputs inputs(5);
  auto y = program.runAll(inputs.tensors(program));
  ASSERT_EQ(y.size(), 5u);
  for (int i = 0; i != 5; ++i)
    expectNear(y[i][0], inputs.values(i)[3], 2e-6f);
}

TEST(Lockstep, ObserverSeesAllTokensOfAllLayersInOrder) {
  Program program(network);
  Inputs inputs(3);
  Recorder recorder;
  auto y = program.runAll(inputs.tensors(program), &recorder);
  ASSERT_EQ(recorder.seen.size(), 3u);
  const char *names[] = {"up", "down", "head"};
  for (int layer = 0; layer != 3; ++layer) {
    EXPECT_EQ(recorder.seen[layer].name, names[layer]);
    EXPECT_EQ(recorder.seen[layer].tokens, 9);
    std::vector<float> stacked;
    for (int i = 0; i != 3; ++i)
      llvm::append_range(stacked, inputs.values(i)[layer]);
    ASSERT_EQ(recorder.seen[layer].x.size(), stacked.size());
    for (size_t i = 0; i != stacked.size(); ++i)
      EXPECT_NEAR(recorder.seen[layer].x[i], stacked[i], 1e-5);
  }
  ASSERT_EQ(y.size(), 3u);
  expectNear(y[2][0], inputs.values(2)[3], 2e-6f);
}

/// Samples in blocks, all of them or some: the observer is told which, and results are the same
/// bits.
TEST(Lockstep, BlocksOfSamples) {
  Program program(network);
  Inputs inputs(5);
  auto samples = inputs.tensors(program);
  ExecutorOptions options;
  options.blocks.ends = {2, 3, 5};
  options.blocks.count = 3;
  Recorder whole;
  auto y = program.runAll(samples, &whole, options);
  ASSERT_EQ(y.size(), 5u);
  for (int i = 0; i != 5; ++i)
    expectNear(y[i][0], inputs.values(i)[3], 2e-6f);
  ASSERT_EQ(whole.blockEnds.size(), 3u);
  for (const std::vector<int64_t> &ends : whole.blockEnds)
    EXPECT_EQ(ends, (std::vector<int64_t>{6, 9, 15}));
  EXPECT_EQ(whole.blocks, (std::vector<std::pair<int64_t, int64_t>>(3, {0, 3})));

  options.blocks.ends = {1, 3};
  options.blocks.first = 1;
  Recorder part;
  auto some = program.runAll(llvm::ArrayRef(samples).drop_front(2), &part, options);
  ASSERT_EQ(some.size(), 3u);
  for (int i = 0; i != 3; ++i)
    EXPECT_EQ(some[i][0].bytes(), y[i + 2][0].bytes());
  EXPECT_EQ(part.blockEnds.front(), (std::vector<int64_t>{3, 9}));
  EXPECT_EQ(part.blocks, (std::vector<std::pair<int64_t, int64_t>>(3, {1, 3})));
  EXPECT_TRUE(std::equal(part.seen[1].x.begin(), part.seen[1].x.end(), whole.seen[1].x.end() - 54));

  options.blocks.ends = {1, 4};
  auto executor = Executor::create(program.function(), options);
  ASSERT_TRUE(bool(executor));
  EXPECT_EQ(llvm::toString((*executor)->run(llvm::ArrayRef(samples).drop_front(2)).takeError()),
            "the blocks of samples end at 4, there are 3");
}

TEST(Lockstep, ReplacedWeightIsUsedFromThereOn) {
  Program program(network);
  Inputs inputs(2);
  Recorder recorder;
  recorder.replaced = "up";
  recorder.replacement = randomFloats(24, 99);
  auto y = program.runAll(inputs.tensors(program), &recorder);
  Inputs changed = inputs;
  changed.w1 = recorder.replacement;
  ASSERT_EQ(y.size(), 2u);
  for (int i = 0; i != 2; ++i)
    expectNear(y[i][0], changed.values(i)[3], 2e-6f);
}

TEST(Lockstep, StopsAfterTheLastWantedLinear) {
  Program program(network);
  Inputs inputs(2);
  ExecutorOptions options;
  options.stopAfterLastLinear = true;
  Recorder recorder;
  auto y = program.runAll(inputs.tensors(program), &recorder, options);
  ASSERT_EQ(y.size(), 2u);
  EXPECT_TRUE(y[0].empty());
  EXPECT_EQ(recorder.seen.size(), 3u);
  int64_t operations = program.statistics.operations;

  recorder.seen.clear();
  recorder.wanted = {"down"};
  program.runAll(inputs.tensors(program), &recorder, options);
  ASSERT_EQ(recorder.seen.size(), 1u);
  EXPECT_EQ(recorder.seen[0].name, "down");
  EXPECT_EQ(recorder.seen[0].x.size(), 36u);
  EXPECT_LT(program.statistics.operations, operations);
}

TEST(Lockstep, ObserverErrorsAreReported) {
  Program program(network);
  Inputs inputs(2);
  auto samples = inputs.tensors(program);
  auto executor = Executor::create(program.function());
  ASSERT_TRUE(bool(executor));
  for (std::string mode : {"fails", "wrong size"}) {
    Recorder recorder;
    (mode == "fails" ? recorder.failing : recorder.replaced) = "down";
    recorder.replacement = {1, 2, 3};
    auto y = (*executor)->run(samples, &recorder);
    ASSERT_FALSE(bool(y));
    std::string message = llvm::toString(y.takeError());
    EXPECT_NE(
        message.find(mode == "fails" ? "the observer failed" : "has 3 elements instead of 24"),
        std::string::npos)
        << message;
  }
  // The executor is still usable.
  auto y = (*executor)->run(samples);
  ASSERT_TRUE(bool(y));
  expectNear((*y)[1][0], inputs.values(1)[3], 2e-6f);
}

TEST(Lockstep, UnraisedWeightsAreStackedToo) {
  Program program(R"(
    func.func @main(%in: tensor<3x4xf32>, %w: tensor<6x4xf32> {ptq.parameter = "w"}) -> (tensor<3x6xf32>, tensor<6x3xf32>) {
      %x = arith.negf %in : tensor<3x4xf32>
      %e = tensor.empty() : tensor<4x6xf32>
      %t = linalg.transpose ins(%w : tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) permutation = [1, 0]
      %one = arith.constant dense<1.0> : tensor<3x6xf32>
      %y = linalg.matmul ins(%x, %t : tensor<3x4xf32>, tensor<4x6xf32>) outs(%one : tensor<3x6xf32>) -> tensor<3x6xf32>
      %e2 = tensor.empty() : tensor<4x3xf32>
      %xt = linalg.transpose ins(%x : tensor<3x4xf32>) outs(%e2 : tensor<4x3xf32>) permutation = [1, 0]
      %zero = arith.constant dense<0.0> : tensor<6x3xf32>
      %z = linalg.matmul ins(%w, %xt : tensor<6x4xf32>, tensor<4x3xf32>) outs(%zero : tensor<6x3xf32>) -> tensor<6x3xf32>
      return %y, %z : tensor<3x6xf32>, tensor<6x3xf32>
    })");
  auto w = randomFloats(24, 5);
  Tensor weight = program.tensor("tensor<6x4xf32>", w);
  std::vector<std::vector<Tensor>> samples;
  std::vector<std::vector<float>> x;
  for (int i = 0; i != 4; ++i) {
    x.push_back(randomFloats(12, i));
    samples.push_back({program.tensor("tensor<3x4xf32>", x[i]), weight});
  }
  auto y = program.runAll(samples);
  ASSERT_EQ(y.size(), 4u);
  for (int i = 0; i != 4; ++i) {
    auto product = Inputs::linear(x[i], w, 4);
    std::vector<float> plusOne, transposed(18);
    for (int t = 0; t != 18; ++t) {
      plusOne.push_back(1 - product[t]);
      transposed[t % 6 * 3 + t / 6] = -product[t];
    }
    expectNear(y[i][0], plusOne);
    expectNear(y[i][1], transposed);
  }
}

TEST(Lockstep, SamplesOfDifferentLength) {
  Program program(R"(
    func.func @main(%x: tensor<?x4xf32>, %w: tensor<6x4xf32> {ptq.parameter = "w"}) -> tensor<?x6xf32> {
      %s = arith.addf %x, %x : tensor<?x4xf32>
      %y = ptq.linear %s, %w {layer = "l"} : (tensor<?x4xf32>, tensor<6x4xf32>) -> tensor<?x6xf32>
      return %y : tensor<?x6xf32>
    })");
  auto w = randomFloats(24, 5);
  Tensor weight = program.tensor("tensor<6x4xf32>", w);
  std::vector<std::vector<Tensor>> samples;
  std::vector<float> all;
  for (int n : {3, 1, 5}) {
    auto x = randomFloats(n * 4, n);
    samples.push_back({program.tensor("tensor<" + std::to_string(n) + "x4xf32>", x), weight});
    for (float value : x)
      all.push_back(value + value);
  }
  Recorder recorder;
  auto y = program.runAll(samples, &recorder);
  ASSERT_EQ(y.size(), 3u);
  ASSERT_EQ(recorder.seen.size(), 1u);
  EXPECT_EQ(recorder.seen[0].tokens, 9);
  EXPECT_EQ(recorder.seen[0].x, all);
  size_t next = 0;
  for (auto &result : y) {
    size_t count = result[0].type.getDimSize(0) * 4;
    expectNear(result[0], Inputs::linear({all.begin() + next, all.begin() + next + count}, w, 4));
    next += count;
  }
}

TEST(Lockstep, InvariantWorkIsDoneOnceAndShared) {
  // A table from constants, used by all samples in two steps.
  Program program(R"(
    func.func @main(%x: tensor<2x4xf32>, %w: tensor<4x4xf32> {ptq.parameter = "w"}) -> tensor<2x4xf32> {
      %e = tensor.empty() : tensor<2x4xf32>
      %table = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          outs(%e : tensor<2x4xf32>) {
      ^bb0(%o: f32):
        %j = linalg.index 1 : index
        %n = arith.index_cast %j : index to i32
        %f = arith.sitofp %n : i32 to f32
        linalg.yield %f : f32
      } -> tensor<2x4xf32>
      %a = arith.addf %x, %table : tensor<2x4xf32>
      %y = ptq.linear %a, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
      %z = arith.addf %y, %table : tensor<2x4xf32>
      return %z : tensor<2x4xf32>
    })");
  auto w = randomFloats(16, 5);
  Tensor weight = program.tensor("tensor<4x4xf32>", w);
  std::vector<std::vector<Tensor>> samples;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i != 3; ++i) {
    auto x = randomFloats(8, i);
    samples.push_back({program.tensor("tensor<2x4xf32>", x), weight});
    for (int t = 0; t != 8; ++t)
      x[t] += t % 4;
    auto z = Inputs::linear(x, w, 4);
    for (int t = 0; t != 8; ++t)
      z[t] += t % 4;
    expected.push_back(z);
  }
  auto y = program.runAll(samples);
  ASSERT_EQ(y.size(), 3u);
  for (int i = 0; i != 3; ++i)
    expectNear(y[i][0], expected[i]);
}

/// A layer whose input is wanted but whose result is not is seen, and not evaluated: its group
/// index is wrong, which nobody notices.
TEST(Lockstep, LayersThatNobodyNeedsAreNotEvaluated) {
  Program program(R"(
    func.func @main(%x: tensor<1x8xf32>, %q: tensor<1x1xi32>, %s: tensor<1x2xf32>, %g: tensor<8xi32>) -> tensor<1x1xf32> {
      %y = ptq.weight_only_linear %x, %q, %s group_index %g {scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>}
        : (tensor<1x8xf32>, tensor<1x1xi32>, tensor<1x2xf32>, tensor<8xi32>) -> tensor<1x1xf32>
      return %y : tensor<1x1xf32>
    })");
  struct Counter : LinearObserver {
    llvm::Expected<std::optional<std::vector<float>>> observe(mlir::Operation *,
                                                              const ObservedInput &input) override {
      tokens += input.x.rows;
      return std::nullopt;
    }
    int64_t tokens = 0;
  } counter;
  std::vector<int32_t> index(8, 7);
  std::vector<std::vector<Tensor>> samples{
      {program.tensor("tensor<1x8xf32>", randomFloats(8)),
       program.tensor("tensor<1x1xi32>", std::vector<int32_t>{0}),
       program.tensor("tensor<1x2xf32>", {1, 1}), program.tensor("tensor<8xi32>", index)}};
  EXPECT_NE(program.error(samples), "");
  ExecutorOptions options;
  options.stopAfterLastLinear = true;
  program.runAll(samples, &counter, options);
  EXPECT_EQ(counter.tokens, 1);
}

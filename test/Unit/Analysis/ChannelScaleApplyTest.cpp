// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What applyScales does to parameters, attributes and wrong input.

#include "ChannelScaleRun.h"

#include "ptq/Analysis/WeightValue.h"

using namespace ptq;
using namespace ptq::test;

static const double kTolerance = 1e-5;
static const std::string kX = "func.func @main(%x: tensor<3x8xf32>) -> ";

/// fc1 → fc2, both plain.
static std::string chain() {
  return kX + "tensor<3x4xf32> {" + linear("fc1", "%x", 3, 8, 6) + linear("fc2", "%fc1", 3, 6, 4) +
         "return %fc2 : tensor<3x4xf32> }";
}

static std::vector<float> weightOf(Folding &fold, llvm::StringRef layer) {
  LinearOp linear;
  fold.program.function().walk([&](LinearOp op) {
    if (op.getLayerName() == layer)
      linear = op;
  });
  auto value = evaluateWeight(linear.getWeight());
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    return {};
  }
  return std::vector<float>(value->data.begin(), value->data.end());
}

TEST(ChannelScaleApply, DividesRowsAndMultipliesColumns) {
  Folding fold(chain());
  auto rows = weightOf(fold, "fc1"), columns = weightOf(fold, "fc2");
  std::vector<float> s{0.5, 2, 4, 1, 8, 0.25};
  ASSERT_FALSE(bool(applyScales(fold.group("fc2"), s)));
  auto newRows = weightOf(fold, "fc1"), newColumns = weightOf(fold, "fc2");
  for (int n = 0; n < 6; ++n)
    for (int k = 0; k < 8; ++k)
      EXPECT_EQ(newRows[n * 8 + k], rows[n * 8 + k] / s[n]);
  for (int n = 0; n < 4; ++n)
    for (int k = 0; k < 6; ++k)
      EXPECT_EQ(newColumns[n * 6 + k], columns[n * 6 + k] * s[k]);
}

TEST(ChannelScaleApply, RejectsWrongScales) {
  Folding fold(chain());
  std::string before = fold.text();
  auto message = [&](std::vector<float> s) {
    return llvm::toString(applyScales(fold.group("fc2"), s));
  };
  EXPECT_EQ(message({1, 2}), "the input of 'fc2' has 6 channels, but there are 2 scales");
  EXPECT_EQ(message({1, 1, 0, 1, 1, 1}),
            "the scale of channel 2 of 'fc2' is not positive and finite");
  EXPECT_EQ(message({1, -1, 1, 1, 1, 1}),
            "the scale of channel 1 of 'fc2' is not positive and finite");
  EXPECT_EQ(message({1, 1, 1, INFINITY, 1, 1}),
            "the scale of channel 3 of 'fc2' is not positive and finite");
  EXPECT_EQ(message({1, 1, 1, 1, 1, NAN}),
            "the scale of channel 5 of 'fc2' is not positive and finite");
  EXPECT_NE(message({1, 1e-39, 1, 1, 1, 1}).find("out of the range of f32"), std::string::npos);
  fold.group("fc2").ties = {0, 0, 1, 2, 3, 4};
  fold.group("fc2").numClasses = 5;
  EXPECT_EQ(message({1, 2, 1, 1, 1, 1}),
            "channel 1 of 'fc2' is tied to an earlier one, but has another scale");
  EXPECT_EQ(fold.text(), before);
}

TEST(ChannelScaleApply, TiesByGeometricMean) {
  ScaleGroup group;
  group.ties = {0, 1, 0, 2, 1};
  group.numClasses = 3;
  std::vector<float> s{1, 3, 16, 7, 0};
  tieScales(group, s);
  EXPECT_FLOAT_EQ(s[0], 4);
  EXPECT_EQ(s[0], s[2]);
  EXPECT_FLOAT_EQ(s[1], 3);
  EXPECT_EQ(s[1], s[4]);
  EXPECT_EQ(s[3], 7);
}

TEST(ChannelScaleApply, ParametersWithoutData) {
  Folding fold("func.func @main(%x: tensor<3x8xf32> {ptq.input = \"x\"}, "
               "%w1: tensor<6x8xf32> {ptq.parameter = \"fc1.weight\"}) -> tensor<3x4xf32> {"
               "%fc1 = ptq.linear %x, %w1 {layer = \"fc1\"} : (tensor<3x8xf32>, tensor<6x8xf32>) "
               "-> tensor<3x6xf32>\n" +
               linear("fc2", "%fc1", 3, 6, 4) + "return %fc2 : tensor<3x4xf32> }");
  EXPECT_EQ(fold.group("fc2").placement, ScalePlacement::Folded);
  std::string before = fold.text();
  EXPECT_EQ(llvm::toString(applyScales(fold.group("fc2"), std::vector<float>(6, 2.0f))),
            "the parameter 'fc1.weight' cannot be rescaled: its data is not here; bind the weights "
            "with --load-parameters");
  EXPECT_EQ(fold.text(), before);
}

TEST(ChannelScaleApply, ComputedWeightIsDeclined) {
  Folding fold("func.func @main(%x: tensor<3x6xf32>, %w: tensor<4x6xf32>) -> tensor<3x4xf32> {"
               "%y = ptq.linear %x, %w {layer = \"fc\"} : (tensor<3x6xf32>, tensor<4x6xf32>) -> "
               "tensor<3x4xf32>\n"
               "return %y : tensor<3x4xf32> }");
  EXPECT_EQ(fold.group("fc").placement, ScalePlacement::Declined);
  EXPECT_EQ(fold.group("fc").description,
            "the weight of 'fc' is computed or not known to be a parameter");
  EXPECT_TRUE(bool(applyScales(fold.group("fc"), std::vector<float>(6, 1.0f))) == true);
}

// The head's weight is the embedding table: the table keeps its numbers.
TEST(ChannelScaleApply, SharedParametersAreCloned) {
  Folding fold(kX + R"((tensor<3x5xf32>, tensor<6xf32>) {
      %table = arith.constant {ptq.key = "table", ptq.mapped} dense<1.5> : tensor<5x6xf32>
      %e = tensor.empty() : tensor<6xf32>
      %c1 = arith.constant 1 : index
      %row = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%e : tensor<6xf32>) {
        ^bb0(%o: f32):
          %i = linalg.index 0 : index
          %v = tensor.extract %table[%c1, %i] : tensor<5x6xf32>
          linalg.yield %v : f32
      } -> tensor<6xf32>
  )" + linear("fc1", "%x", 3, 8, 6) +
               R"(
      %y = ptq.linear %fc1, %table {layer = "table"} : (tensor<3x6xf32>, tensor<5x6xf32>) -> tensor<3x5xf32>
      return %y, %row : tensor<3x5xf32>, tensor<6xf32> })");
  EXPECT_EQ(fold.group("table").placement, ScalePlacement::Folded);
  EXPECT_LE(fold.error(), kTolerance);
  std::string text = fold.text();
  EXPECT_NE(text.find("ptq.key = \"table\", ptq.mapped"), std::string::npos);
  EXPECT_NE(text.find("ptq.key = \"table.weight\"}"), std::string::npos);
}

// GPT-2 stores its weights [in, out]: they stay so, under their name.
TEST(ChannelScaleApply, TransposedWeightKeepsItsLayout) {
  for (bool shared : {false, true}) {
    Folding fold(kX + R"((tensor<3x4xf32>, tensor<6x4xf32>) {
      %w = #c.weight tensor<6x4xf32>
      %e = tensor.empty() : tensor<4x6xf32>
      %wt = linalg.transpose ins(%w : tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) permutation = [1, 0]
  )" + linear("fc1", "%x", 3, 8, 6) +
                 R"(
      %y = ptq.linear %fc1, %wt {layer = "c"} : (tensor<3x6xf32>, tensor<4x6xf32>) -> tensor<3x4xf32>
      %other = )" +
                 (shared ? "arith.negf %w" : "arith.constant dense<1.0>") + R"( : tensor<6x4xf32>
      return %y, %other : tensor<3x4xf32>, tensor<6x4xf32> })");
    EXPECT_EQ(fold.group("c").placement, ScalePlacement::Folded);
    EXPECT_LE(fold.error(2), kTolerance);
    std::string text = fold.text();
    EXPECT_NE(text.find("linalg.transpose"), std::string::npos);
    EXPECT_NE(text.find("ptq.key = \"c.weight\"}"), std::string::npos) << text;
    EXPECT_EQ(text.find("ptq.key = \"c.weight@2\"}") != std::string::npos, shared) << text;
  }
}

TEST(ChannelScaleApply, NarrowAndWideTypes) {
  struct Case {
    std::string type;
    double bound;
  };
  for (const Case &test : {Case{"f16", 4e-3}, Case{"bf16", 3e-2}, Case{"f64", 2e-7}}) {
    const std::string &type = test.type;
    std::string a = "tensor<3x8x" + type + ">", b = "tensor<3x6x" + type + ">",
                c = "tensor<3x4x" + type + ">";
    auto weight = [&](int rows, int columns) {
      std::string text;
      for (int i = 0; i < rows * columns; ++i)
        text += (i ? ", " : "") + std::to_string((i * 7 % 13 - 6.5) / 8);
      std::string shape = std::to_string(rows) + "x" + std::to_string(columns);
      return "arith.constant dense<[" + text + "]> : tensor<" + std::to_string(rows * columns) +
             "x" + type + ">";
    };
    Folding fold(
        "func.func @main(%x: " + a + ") -> " + c + " {\n%v1 = " + weight(6, 8) +
        "\n%w1 = tensor.expand_shape %v1 [[0, 1]] output_shape [6, 8] : tensor<48x" + type +
        "> into tensor<6x8x" + type + ">\n%v2 = " + weight(4, 6) +
        "\n%w2 = tensor.expand_shape %v2 [[0, 1]] output_shape [4, 6] : tensor<24x" + type +
        "> into tensor<4x6x" + type + ">\n%b = arith.constant dense<0.5> : tensor<6x" + type +
        ">\n%y = ptq.linear %x, %w1 bias %b {layer = \"fc1\"} : (" + a + ", tensor<6x8x" + type +
        ">, tensor<6x" + type + ">) -> " + b + "\n%z = ptq.linear %y, %w2 {layer = \"fc2\"} : (" +
        b + ", tensor<4x6x" + type + ">) -> " + c + "\nreturn %z : " + c + " }");
    EXPECT_EQ(fold.group("fc2").placement, ScalePlacement::Folded) << type;
    // What is compared is float32.
    EXPECT_LE(fold.error(), test.bound) << type;
  }
}

TEST(ChannelScaleApply, StatisticsAndClipFollow) {
  Folding fold(kX + "tensor<3x4xf32> {" + R"(
      %w1 = #fc1.weight tensor<2x8xf32>
      %w2 = #fc2.weight tensor<4x2xf32>
      %y = ptq.linear %x, %w1 {layer = "fc1", clip = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>}
         : (tensor<3x8xf32>, tensor<2x8xf32>) -> tensor<3x2xf32>
      %o = ptq.observe "o" %y {statistics = #ptq.statistics<tokens = 3, absmax = dense<[4.0, 6.0]> : tensor<2xf32>,
                                                           mean_abs = dense<[2.0, 3.0]> : tensor<2xf32>>} : tensor<3x2xf32>
      %z = ptq.linear %o, %w2 {layer = "fc2", clip = dense<1.0> : tensor<4x1xf32>,
                               statistics = #ptq.statistics<tokens = 3, absmax = dense<[4.0, 6.0]> : tensor<2xf32>,
                                                           mean_abs = dense<[2.0, 3.0]> : tensor<2xf32>>}
         : (tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<3x4xf32>
      return %z : tensor<3x4xf32> })");
  auto values = [](mlir::ElementsAttr attr) {
    std::vector<float> result(attr.getNumElements());
    auto tensor = execution::tensorFromAttribute(attr);
    if (!tensor)
      ADD_FAILURE() << llvm::toString(tensor.takeError());
    else
      execution::convertToFloat(*tensor, result);
    return result;
  };
  using Floats = std::vector<float>;
  ScaleGroup &group = fold.group("fc2");
  ASSERT_EQ(group.placement, ScalePlacement::Folded);
  LinearOp fc1 = group.producers.front(), fc2 = group.layers.front();
  ASSERT_FALSE(bool(applyScales(group, Floats{2, 4})));
  EXPECT_EQ(values(fc1.getClipAttr()), (Floats{0.5, 1, 0.75, 1}));
  EXPECT_FALSE(fc2.getClipAttr());
  for (StatisticsAttr statistics :
       {fc2.getStatisticsAttr(), fc2.getX().getDefiningOp<ObserveOp>().getStatisticsAttr()}) {
    EXPECT_EQ(statistics.getTokens(), 3);
    EXPECT_EQ(values(statistics.getAbsmax()), (Floats{2, 1.5}));
    EXPECT_EQ(values(statistics.getMeanAbs()), (Floats{1, 0.75}));
    EXPECT_EQ(values(statistics.getDivisor()), (Floats{2, 4}));
  }
  ASSERT_FALSE(bool(applyScales(group, Floats{2, 0.5})));
  EXPECT_EQ(values(fc2.getStatisticsAttr().getDivisor()), (Floats{4, 2}));
  EXPECT_EQ(values(fc2.getStatisticsAttr().getAbsmax()), (Floats{1, 3}));
}

// An explicit scale is one operation for all layers, and later ones go into it.
TEST(ChannelScaleApply, ExplicitScalesMerge) {
  const std::string text = kX + "(tensor<3x4xf32>, tensor<3x5xf32>) {" +
                           linear("q", "%x", 3, 8, 4) + linear("k", "%x", 3, 8, 5) +
                           "return %q, %k : tensor<3x4xf32>, tensor<3x5xf32> }";
  Folding fold(text);
  ASSERT_EQ(fold.groups.size(), 1u);
  EXPECT_EQ(fold.groups[0].placement, ScalePlacement::Explicit);
  EXPECT_LE(fold.error(3), kTolerance);
  auto count = [&] {
    int scales = 0;
    fold.program.function().walk([&](ScaleChannelsOp) { ++scales; });
    return scales;
  };
  EXPECT_EQ(count(), 1);
  // Found anew, the operation absorbs the scale.
  fold.groups = findScaleGroups(fold.program.function());
  EXPECT_EQ(fold.groups[0].placement, ScalePlacement::Folded);
  EXPECT_LE(fold.error(), kTolerance);
  EXPECT_EQ(count(), 1);
}

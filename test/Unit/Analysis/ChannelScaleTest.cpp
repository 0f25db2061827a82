// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where scales go in the forms that models are made of, executed before and after.

#include "ChannelScaleRun.h"

using namespace ptq;
using namespace ptq::test;

static const double kTolerance = 1e-5;

/// x·rsqrt(Σ x² + ε), of %x [3, 8], as %n.
static const std::string kNorm = R"(
      %zero = arith.constant 0.0 : f32
      %eps = arith.constant dense<1.0e-5> : tensor<3xf32>
      %e3 = tensor.empty() : tensor<3xf32>
      %e38 = tensor.empty() : tensor<3x8xf32>
      %z3 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<3xf32>) -> tensor<3xf32>
      %square = arith.mulf %x, %x : tensor<3x8xf32>
      %sum = linalg.reduce { arith.addf } ins(%square : tensor<3x8xf32>) outs(%z3 : tensor<3xf32>) dimensions = [1]
      %more = arith.addf %sum, %eps : tensor<3xf32>
      %r = math.rsqrt %more : tensor<3xf32>
)";
/// With the inverse root broadcast first, and in one operation as frontends write it.
static const std::string kNormEnd = R"(
      %n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
           ins(%x, %r : tensor<3x8xf32>, tensor<3xf32>) outs(%e38 : tensor<3x8xf32>) {
        ^bb0(%a: f32, %b: f32, %o: f32):
          %c = arith.mulf %a, %b : f32
          linalg.yield %c : f32
      } -> tensor<3x8xf32>
)";
static const std::string kWeight = R"(
      %gamma = #gamma tensor<8xf32>
      %gb = linalg.broadcast ins(%gamma : tensor<8xf32>) outs(%e38 : tensor<3x8xf32>) dimensions = [0]
      %m = arith.mulf %n, %gb : tensor<3x8xf32>
)";
static const std::string kBias = R"(
      %beta = #beta tensor<8xf32>
      %bb = linalg.broadcast ins(%beta : tensor<8xf32>) outs(%e38 : tensor<3x8xf32>) dimensions = [0]
      %y = arith.addf %bb, %m : tensor<3x8xf32>
)";
static const std::string kX = "func.func @main(%x: tensor<3x8xf32>) -> ";

TEST(ChannelScale, NormWeight) {
  Folding fold(kX + "(tensor<3x5xf32>, tensor<3x4xf32>) {" + kNorm + kNormEnd + kWeight +
               linear("q", "%m", 3, 8, 5) + linear("k", "%m", 3, 8, 4) +
               "return %q, %k : tensor<3x5xf32>, tensor<3x4xf32> }");
  ASSERT_EQ(fold.groups.size(), 1u);
  EXPECT_EQ(fold.groups[0].layers.size(), 2u);
  EXPECT_EQ(fold.groups[0].placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.groups[0].numClasses, 8);
  EXPECT_EQ(fold.groups[0].description, "folded into gamma");
  EXPECT_LE(fold.error(2), kTolerance);
}

TEST(ChannelScale, NormWeightAndBias) {
  Folding fold(kX + "tensor<3x5xf32> {" + kNorm + kNormEnd + kWeight + kBias +
               linear("q", "%y", 3, 8, 5) + "return %q : tensor<3x5xf32> }");
  EXPECT_EQ(fold.group("q").placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.group("q").description, "folded into beta and gamma");
  EXPECT_LE(fold.error(), kTolerance);
}

// Two layers read the norm through reshapes of their own: one group.
TEST(ChannelScale, NormThroughReshapes) {
  Folding fold(kX + "(tensor<3x5xf32>, tensor<3x4xf32>) {" + kNorm + kNormEnd + kWeight + R"(
      %up = tensor.expand_shape %m [[0, 1], [2]] output_shape [1, 3, 8] : tensor<3x8xf32> into tensor<1x3x8xf32>
      %c1 = tensor.collapse_shape %up [[0, 1], [2]] : tensor<1x3x8xf32> into tensor<3x8xf32>
      %c2 = ptq.observe "m" %m : tensor<3x8xf32>
  )" + linear("q", "%c1", 3, 8, 5) +
               linear("k", "%c2", 3, 8, 4) + "return %q, %k : tensor<3x5xf32>, tensor<3x4xf32> }");
  ASSERT_EQ(fold.groups.size(), 1u);
  EXPECT_EQ(fold.groups[0].placement, ScalePlacement::Folded);
  EXPECT_LE(fold.error(), kTolerance);
}

TEST(ChannelScale, NormWithoutParametersGetsOne) {
  Folding fold(kX + "(tensor<3x5xf32>, tensor<3x4xf32>) {" + kNorm + kNormEnd +
               linear("q", "%n", 3, 8, 5) + linear("k", "%n", 3, 8, 4) +
               "return %q, %k : tensor<3x5xf32>, tensor<3x4xf32> }");
  ASSERT_EQ(fold.groups.size(), 1u);
  EXPECT_EQ(fold.groups[0].placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.groups[0].description, "a multiplication inserted where the norm ends");
  EXPECT_LE(fold.error(2), kTolerance);
}

// Gemma: n·(1 + w).
TEST(ChannelScale, OnePlusWeight) {
  Folding fold(kX + "tensor<3x5xf32> {" + kNorm + kNormEnd + R"(
      %w = #gamma tensor<8xf32>
      %e8 = tensor.empty() : tensor<8xf32>
      %one = arith.constant 1.0 : f32
      %g = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
           ins(%w : tensor<8xf32>) outs(%e8 : tensor<8xf32>) {
        ^bb0(%a: f32, %o: f32):
          %b = arith.addf %a, %one : f32
          linalg.yield %b : f32
      } -> tensor<8xf32>
      %gb = linalg.broadcast ins(%g : tensor<8xf32>) outs(%e38 : tensor<3x8xf32>) dimensions = [0]
      %m = arith.mulf %gb, %n : tensor<3x8xf32>
  )" + linear("q", "%m", 3, 8, 5) +
               "return %q : tensor<3x5xf32> }");
  EXPECT_EQ(fold.group("q").placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.group("q").description, "folded into gamma");
  EXPECT_LE(fold.error(2), kTolerance);
}

// A norm's output that feeds a residual must stay as it is: post-LN.
TEST(ChannelScale, PostNormIsExplicit) {
  Folding fold(kX + "tensor<3x8xf32> {" + kNorm + kNormEnd + kWeight + linear("fc", "%m", 3, 8, 8) +
               "%s = arith.addf %fc, %m : tensor<3x8xf32>\n return %s : tensor<3x8xf32> }");
  EXPECT_EQ(fold.group("fc").placement, ScalePlacement::Explicit);
  EXPECT_LE(fold.error(), kTolerance);
  EXPECT_NE(fold.text().find("ptq.scale_channels"), std::string::npos);
}

static const std::string kSigmoid = R"(
      %neg = arith.negf %gate : tensor<3x6xf32>
      %exp = math.exp %neg : tensor<3x6xf32>
      %ones = arith.constant dense<1.0> : tensor<3x6xf32>
      %den = arith.addf %exp, %ones : tensor<3x6xf32>
      %sigmoid = arith.divf %ones, %den : tensor<3x6xf32>
      %silu = arith.mulf %gate, %sigmoid : tensor<3x6xf32>
)";

TEST(ChannelScale, GatedProductFoldsIntoUp) {
  for (std::string product : {"%silu, %up", "%up, %silu"}) {
    Folding fold(kX + "tensor<3x4xf32> {" + linear("gate", "%x", 3, 8, 6) +
                 linear("up", "%x", 3, 8, 6) + kSigmoid + "%h = arith.mulf " + product +
                 " : tensor<3x6xf32>\n" + linear("down", "%h", 3, 6, 4) +
                 "return %down : tensor<3x4xf32> }");
    ScaleGroup &down = fold.group("down");
    EXPECT_EQ(down.placement, ScalePlacement::Folded);
    EXPECT_EQ(down.description, "rows of up");
    ASSERT_EQ(down.producers.size(), 1u);
    EXPECT_EQ(down.numClasses, 6);
    EXPECT_EQ(fold.group("gate").placement, ScalePlacement::Explicit);
    EXPECT_EQ(fold.group("gate").layers.size(), 2u);
    EXPECT_LE(fold.error(), kTolerance);
  }
}

TEST(ChannelScale, SiluAloneIsExplicit) {
  Folding fold(kX + "tensor<3x4xf32> {" + linear("gate", "%x", 3, 8, 6) + kSigmoid +
               linear("down", "%silu", 3, 6, 4) + "return %down : tensor<3x4xf32> }");
  EXPECT_EQ(fold.group("down").placement, ScalePlacement::Explicit);
  EXPECT_LE(fold.error(), kTolerance);
}

/// fc1 with a bias, an activation given as `body` of %v yielding %w, fc2.
static std::string perceptron(const std::string &body) {
  return kX + R"(tensor<3x4xf32> {
      %w1 = #fc1.weight tensor<6x8xf32>
      %b1 = #fc1.bias tensor<6xf32>
      %fc1 = ptq.linear %x, %w1 bias %b1 {layer = "fc1"} : (tensor<3x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<3x6xf32>
      %e = tensor.empty() : tensor<3x6xf32>
      %zero = arith.constant 0.0 : f32
      %half = arith.constant 0.5 : f32
      %h = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
           ins(%fc1 : tensor<3x6xf32>) outs(%e : tensor<3x6xf32>) {
        ^bb0(%v: f32, %o: f32):
)" + body +
         R"(
          linalg.yield %w : f32
      } -> tensor<3x6xf32>
)" + linear("fc2", "%h", 3, 6, 4) +
         "return %fc2 : tensor<3x4xf32> }";
}

TEST(ChannelScale, HomogeneousActivations) {
  const std::string bodies[] = {
      "%w = arith.maximumf %v, %zero : f32",
      "%c = arith.cmpf ugt, %v, %zero : f32\n %w = arith.select %c, %v, %zero : f32",
      "%l = arith.mulf %v, %half : f32\n %w = arith.maximumf %v, %l : f32", // leaky ReLU
      "%w = math.absf %v : f32",
      "%w = arith.negf %v : f32",
      "%d = arith.divf %v, %half : f32\n %w = arith.subf %d, %v : f32",
      "%d = arith.extf %v : f32 to f64\n %w = arith.truncf %d : f64 to f32",
      "%w = math.copysign %v, %half : f32",
      "%m = arith.minimumf %v, %zero : f32\n %w = math.fma %m, %half, %v : f32",
      "%d = arith.mulf %v, %v : f32\n %w = math.sqrt %d : f32",
  };
  for (const std::string &body : bodies) {
    Folding fold(perceptron(body));
    EXPECT_EQ(fold.group("fc2").placement, ScalePlacement::Folded) << body;
    EXPECT_EQ(fold.group("fc2").description, "rows of fc1") << body;
    EXPECT_LE(fold.error(), kTolerance) << body;
  }
}

TEST(ChannelScale, OtherActivationsAreExplicit) {
  const std::string bodies[] = {
      "%w = math.tanh %v : f32",
      "%w = arith.addf %v, %half : f32",
      "%w = arith.maximumf %v, %half : f32",
      "%c = arith.cmpf ugt, %v, %half : f32\n %w = arith.select %c, %v, %zero : f32",
      "%t = math.erf %v : f32\n %w = arith.mulf %t, %v : f32",
      "%t = math.exp %v : f32\n %w = arith.mulf %t, %half : f32",
      "%w = math.copysign %half, %v : f32\n", // Scales nothing: nobody absorbs it.
  };
  for (const std::string &body : bodies) {
    Folding fold(perceptron(body));
    EXPECT_EQ(fold.group("fc2").placement, ScalePlacement::Explicit) << body;
    EXPECT_EQ(fold.group("fc2").description.substr(0, 18), "explicit, because ") << body;
    EXPECT_LE(fold.error(), kTolerance) << body;
  }
}

// y = x² scales with the square root of what the rows take.
TEST(ChannelScale, SquareNeedsARoot) {
  Folding fold(perceptron("%w = arith.mulf %v, %v : f32"));
  EXPECT_EQ(fold.group("fc2").placement, ScalePlacement::Explicit);
}

TEST(ChannelScale, SumFoldsIntoBothAddends) {
  Folding fold(kX + "tensor<3x4xf32> {" + linear("a", "%x", 3, 8, 6) + linear("b", "%x", 3, 8, 6) +
               "%h = arith.addf %a, %b : tensor<3x6xf32>\n" + linear("down", "%h", 3, 6, 4) +
               "return %down : tensor<3x4xf32> }");
  EXPECT_EQ(fold.group("down").description, "rows of a, rows of b");
  EXPECT_LE(fold.error(), kTolerance);
}

TEST(ChannelScale, ReturnedOrCapturedValuesStay) {
  Folding returned(kX + "(tensor<3x4xf32>, tensor<3x6xf32>) {" + linear("a", "%x", 3, 8, 6) +
                   linear("down", "%a", 3, 6, 4) +
                   "return %down, %a : tensor<3x4xf32>, tensor<3x6xf32> }");
  EXPECT_EQ(returned.group("down").description, "explicit, because it is returned");
  EXPECT_LE(returned.error(), kTolerance);
  auto captured = [](const std::string &index) {
    return kX + "(tensor<3x4xf32>, tensor<5xf32>) {" + linear("a", "%x", 3, 8, 6) +
           linear("down", "%a", 3, 6, 4) + R"(
      %e = tensor.empty() : tensor<6xf32>
      %c1 = arith.constant 1 : index
      %c5 = arith.constant 5 : index
      %row = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%e : tensor<6xf32>) {
        ^bb0(%o: f32):
          %i = linalg.index 0 : index
          %j = arith.subi %c5, %i : index
          %v = tensor.extract %a[%c1, )" +
           index + R"(] : tensor<3x6xf32>
          linalg.yield %v : f32
      } -> tensor<6xf32>
      %r2 = tensor.expand_shape %row [[0, 1]] output_shape [1, 6] : tensor<6xf32> into tensor<1x6xf32>
  )" + linear("other", "%r2", 1, 6, 5) +
           R"(
      %r1 = tensor.collapse_shape %other [[0, 1]] : tensor<1x5xf32> into tensor<5xf32>
      return %down, %r1 : tensor<3x4xf32>, tensor<5xf32> })";
  };
  // The channel is the loop: as good as an operand, and both layers agree.
  Folding direct(captured("%i"));
  EXPECT_EQ(direct.group("down").placement, ScalePlacement::Folded);
  EXPECT_EQ(direct.group("down").layers.size(), 2u);
  EXPECT_LE(direct.error(), kTolerance);
  Folding computed(captured("%j"));
  EXPECT_EQ(computed.group("down").placement, ScalePlacement::Explicit);
  EXPECT_EQ(computed.group("other").placement, ScalePlacement::Explicit);
  EXPECT_LE(computed.error(), kTolerance);
}

// A layer in a loop reads a value from outside: nothing is followed into the loop, and each block
// gets its own explicit scale.
TEST(ChannelScale, OtherBlocks) {
  Folding fold(kX + "(tensor<3x4xf32>, tensor<3x4xf32>) {" + linear("a", "%x", 3, 8, 6) +
               linear("down", "%a", 3, 6, 4) + R"(
      %w = #inner.weight tensor<4x6xf32>
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %sum = scf.for %i = %c0 to %c2 step %c1 iter_args(%s = %down) -> tensor<3x4xf32> {
        %y = ptq.linear %a, %w {layer = "inner"} : (tensor<3x6xf32>, tensor<4x6xf32>) -> tensor<3x4xf32>
        %t = arith.addf %s, %y : tensor<3x4xf32>
        scf.yield %t : tensor<3x4xf32>
      }
      return %down, %sum : tensor<3x4xf32>, tensor<3x4xf32> })");
  ScaleGroup &group = fold.group("inner");
  EXPECT_EQ(group.layers.size(), 2u);
  EXPECT_EQ(group.placement, ScalePlacement::Explicit);
  fold.apply(group);
  EXPECT_TRUE(mlir::succeeded(mlir::verify(*fold.program.module)));
  int scales = 0;
  fold.program.function().walk([&](ScaleChannelsOp) { ++scales; });
  EXPECT_EQ(scales, 2);
}

// Another value ties what an argument of the function would have to absorb to the channels, later:
// the argument must have refused at once.
TEST(ChannelScale, ArgumentsAbsorbNothing) {
  Folding fold(kX + "(tensor<3x4xf32>, tensor<3x5xf32>) {" + R"(
      %t = math.tanh %x : tensor<3x8xf32>
      %n = arith.mulf %x, %t : tensor<3x8xf32>
      %c = tensor.concat dim(1) %x, %n : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x16xf32>
  )" + linear("a", "%n", 3, 8, 4) +
               linear("b", "%c", 3, 16, 5) + "return %a, %b : tensor<3x4xf32>, tensor<3x5xf32> }");
  EXPECT_EQ(fold.group("a").placement, ScalePlacement::Explicit);
  EXPECT_EQ(fold.group("b").placement, ScalePlacement::Explicit);
  EXPECT_LE(fold.error(), kTolerance);
}

// A reduction is homogeneous only if its accumulator may be scaled as well: max(in, acc) is,
// max(in, acc²) is not, though it starts from 0.
TEST(ChannelScale, Accumulators) {
  auto reduction = [](const std::string &accumulator) {
    return kX + "tensor<3x4xf32> {" + linear("a", "%x", 3, 8, 12) + R"(
      %wide = tensor.expand_shape %a [[0], [1, 2]] output_shape [3, 2, 6] : tensor<3x12xf32> into tensor<3x2x6xf32>
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<3x6xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<3x6xf32>) -> tensor<3x6xf32>
      %h = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k, j)>, affine_map<(i, j, k) -> (i, j)>],
                           iterator_types = ["parallel", "parallel", "reduction"]}
           ins(%wide : tensor<3x2x6xf32>) outs(%z : tensor<3x6xf32>) {
        ^bb0(%v: f32, %o: f32):
          %c = )" +
           accumulator + R"( : f32
          %w = arith.maximumf %v, %c : f32
          linalg.yield %w : f32
      } -> tensor<3x6xf32>
  )" + linear("down", "%h", 3, 6, 4) +
           "return %down : tensor<3x4xf32> }";
  };
  Folding maximum(reduction("arith.negf %o"));
  EXPECT_EQ(maximum.group("down").description, "rows of a");
  EXPECT_EQ(maximum.group("down").numClasses, 6);
  EXPECT_LE(maximum.error(), kTolerance);
  Folding square(reduction("arith.mulf %o, %o"));
  EXPECT_EQ(square.group("down").placement, ScalePlacement::Explicit);
  EXPECT_LE(square.error(), kTolerance);
}

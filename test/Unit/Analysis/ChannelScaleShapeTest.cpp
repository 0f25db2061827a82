// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales through what moves elements: attention with its heads, slices, concatenation, padding.

#include "ChannelScaleRun.h"

using namespace ptq;
using namespace ptq::test;

static const double kTolerance = 1e-5;

/// Attention of 4 tokens with `heads` heads of size 4 and `groups` key/value heads, over %v
/// [4, groups·4] and the scores %p [heads, 4, 4]. Ends in o_proj.
static std::string attention(int heads, int groups) {
  auto n = [](int number) { return std::to_string(number); };
  std::string h = n(heads), g = n(groups), r = n(heads / groups), d = n(4 * groups),
              c = n(4 * heads);
  return R"(
      %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [4, )" +
         g + R"(, 4] : tensor<4x)" + d + R"(xf32> into tensor<4x)" + g + R"(x4xf32>
      %ev = tensor.empty() : tensor<)" +
         g + R"(x4x4xf32>
      %vt = linalg.transpose ins(%v3 : tensor<4x)" +
         g + R"(x4xf32>) outs(%ev : tensor<)" + g +
         R"(x4x4xf32>) permutation = [1, 0, 2]
      %er = tensor.empty() : tensor<)" +
         g + "x" + r + R"(x4x4xf32>
      %vr = linalg.broadcast ins(%vt : tensor<)" +
         g + R"(x4x4xf32>) outs(%er : tensor<)" + g + "x" + r + R"(x4x4xf32>) dimensions = [1]
      %vh = tensor.collapse_shape %vr [[0, 1], [2], [3]] : tensor<)" +
         g + "x" + r + R"(x4x4xf32> into tensor<)" + h + R"(x4x4xf32>
      %az = arith.constant 0.0 : f32
      %ea = tensor.empty() : tensor<)" +
         h + R"(x4x4xf32>
      %za = linalg.fill ins(%az : f32) outs(%ea : tensor<)" +
         h + R"(x4x4xf32>) -> tensor<)" + h +
         R"(x4x4xf32>
      %a = linalg.batch_matmul ins(%p, %vh : tensor<)" +
         h + R"(x4x4xf32>, tensor<)" + h + R"(x4x4xf32>) outs(%za : tensor<)" + h +
         R"(x4x4xf32>) -> tensor<)" + h + R"(x4x4xf32>
      %eo = tensor.empty() : tensor<4x)" +
         h + R"(x4xf32>
      %at = linalg.transpose ins(%a : tensor<)" +
         h + R"(x4x4xf32>) outs(%eo : tensor<4x)" + h +
         R"(x4xf32>) permutation = [1, 0, 2]
      %o = tensor.collapse_shape %at [[0], [1, 2]] : tensor<4x)" +
         h + R"(x4xf32> into tensor<4x)" + c + "xf32>\n" + linear("o_proj", "%o", 4, 4 * heads, 3) +
         "return %o_proj : tensor<4x3xf32> }";
}

TEST(ChannelScaleShape, AttentionFoldsIntoValues) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>, %p: tensor<2x4x4xf32>) -> tensor<4x3xf32> {" +
               linear("v", "%x", 4, 8, 8) + attention(2, 2));
  EXPECT_EQ(fold.group("o_proj").placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.group("o_proj").description, "rows of v");
  EXPECT_EQ(fold.group("o_proj").numClasses, 8);
  EXPECT_LE(fold.error(2), kTolerance);
}

TEST(ChannelScaleShape, RepeatedHeadsAreTied) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>, %p: tensor<6x4x4xf32>) -> tensor<4x3xf32> {" +
               linear("v", "%x", 4, 8, 8) + attention(6, 2));
  ScaleGroup &o = fold.group("o_proj");
  EXPECT_EQ(o.placement, ScalePlacement::Folded);
  EXPECT_EQ(o.description, "rows of v, 3 channels tied to one scale");
  EXPECT_EQ(o.numClasses, 8);
  for (int channel = 0; channel < 24; ++channel)
    EXPECT_EQ(o.ties[channel], channel / 12 * 4 + channel % 4) << channel;
  EXPECT_LE(fold.error(2), kTolerance);
}

// One projection for q, k and v: only v's rows are scaled, whoever reads q and k.
TEST(ChannelScaleShape, SliceOfAFusedProjection) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>) -> tensor<4x3xf32> {" +
               linear("qkv", "%x", 4, 8, 24) + R"(
      %q = tensor.extract_slice %qkv[0, 0] [4, 8] [1, 1] : tensor<4x24xf32> to tensor<4x8xf32>
      %k = tensor.extract_slice %qkv[0, 8] [4, 8] [1, 1] : tensor<4x24xf32> to tensor<4x8xf32>
      %v = tensor.extract_slice %qkv[0, 16] [4, 8] [1, 1] : tensor<4x24xf32> to tensor<4x8xf32>
      %e = tensor.empty() : tensor<8x4xf32>
      %kt = linalg.transpose ins(%k : tensor<4x8xf32>) outs(%e : tensor<8x4xf32>) permutation = [1, 0]
      %zero = arith.constant 0.0 : f32
      %e44 = tensor.empty() : tensor<4x4xf32>
      %z44 = linalg.fill ins(%zero : f32) outs(%e44 : tensor<4x4xf32>) -> tensor<4x4xf32>
      %scores = linalg.matmul ins(%q, %kt : tensor<4x8xf32>, tensor<8x4xf32>) outs(%z44 : tensor<4x4xf32>) -> tensor<4x4xf32>
      %exp = math.exp %scores : tensor<4x4xf32>
      %e244 = tensor.empty() : tensor<2x4x4xf32>
      %p = linalg.broadcast ins(%exp : tensor<4x4xf32>) outs(%e244 : tensor<2x4x4xf32>) dimensions = [0]
  )" + attention(2, 2));
  ScaleGroup &o = fold.group("o_proj");
  EXPECT_EQ(o.placement, ScalePlacement::Folded);
  EXPECT_EQ(o.description, "rows of qkv");
  EXPECT_LE(fold.error(2), kTolerance);
}

// Three projections stacked in a dimension of their own.
TEST(ChannelScaleShape, SliceOfStackedProjections) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>, %p: tensor<2x4x4xf32>) -> tensor<4x3xf32> {" +
               linear("qkv", "%x", 4, 8, 24) + R"(
      %s = tensor.expand_shape %qkv [[0], [1, 2]] output_shape [4, 3, 8] : tensor<4x24xf32> into tensor<4x3x8xf32>
      %q = tensor.extract_slice %s[0, 0, 0] [4, 1, 8] [1, 1, 1] : tensor<4x3x8xf32> to tensor<4x8xf32>
      %v0 = tensor.extract_slice %s[0, 2, 0] [4, 1, 8] [1, 1, 1] : tensor<4x3x8xf32> to tensor<4x8xf32>
      %t = math.tanh %q : tensor<4x8xf32>
      %v = arith.mulf %v0, %t : tensor<4x8xf32>
  )" + attention(2, 2));
  EXPECT_EQ(fold.group("o_proj").placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.group("o_proj").numClasses, 8);
  EXPECT_LE(fold.error(2), kTolerance);
}

// The two halves that a rotation mixes are tied.
TEST(ChannelScaleShape, RotationTiesHalves) {
  const std::string halves =
      "func.func @main(%x: tensor<4x8xf32>) -> tensor<4x3xf32> {" + linear("a", "%x", 4, 8, 8) + R"(
      %low = tensor.extract_slice %a[0, 0] [4, 4] [1, 1] : tensor<4x8xf32> to tensor<4x4xf32>
      %high = tensor.extract_slice %a[0, 4] [4, 4] [1, 1] : tensor<4x8xf32> to tensor<4x4xf32>
      %minus = arith.negf %high : tensor<4x4xf32>
  )";
  const std::string concat = "%r = tensor.concat dim(1) %minus, %low : (tensor<4x4xf32>, "
                             "tensor<4x4xf32>) -> tensor<4x8xf32>\n";
  const std::string insert = R"(
      %e = tensor.empty() : tensor<4x8xf32>
      %i = tensor.insert_slice %minus into %e[0, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<4x8xf32>
      %r = tensor.insert_slice %low into %i[0, 4] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<4x8xf32>
  )";
  for (const std::string &rotated : {concat, insert}) {
    Folding mixed(halves + rotated + "%s = arith.addf %a, %r : tensor<4x8xf32>\n" +
                  linear("b", "%s", 4, 8, 3) + "return %b : tensor<4x3xf32> }");
    EXPECT_EQ(mixed.group("b").placement, ScalePlacement::Folded);
    EXPECT_EQ(mixed.group("b").numClasses, 4);
    EXPECT_LE(mixed.error(), kTolerance);
    // Without the sum each half has its own.
    Folding apart(halves + rotated + linear("b", "%r", 4, 8, 3) + "return %b : tensor<4x3xf32> }");
    EXPECT_EQ(apart.group("b").placement, ScalePlacement::Folded);
    EXPECT_EQ(apart.group("b").numClasses, 8);
    EXPECT_LE(apart.error(), kTolerance);
  }
}

// A layer that reads part of the channels follows.
TEST(ChannelScaleShape, ReaderOfASliceFollows) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>) -> (tensor<4x3xf32>, tensor<4x2xf32>) {" +
               linear("a", "%x", 4, 8, 6) +
               "%part = tensor.extract_slice %a[0, 1] [4, 4] [1, 1] : tensor<4x6xf32> to "
               "tensor<4x4xf32>\n" +
               linear("b", "%a", 4, 6, 3) + linear("c", "%part", 4, 4, 2) +
               "return %b, %c : tensor<4x3xf32>, tensor<4x2xf32> }");
  EXPECT_EQ(fold.group("b").placement, ScalePlacement::Folded);
  EXPECT_EQ(fold.group("b").followers.size(), 1u);
  EXPECT_EQ(fold.group("b").description, "rows of a, columns of c follow");
  EXPECT_EQ(fold.group("c").placement, ScalePlacement::Folded);
  EXPECT_LE(fold.error(2), kTolerance);
}

// The cache of an autoregressive step comes in from outside and cannot change.
TEST(ChannelScaleShape, CacheFromOutsideIsExplicit) {
  Folding fold(
      "func.func @main(%x: tensor<1x8xf32>, %cache: tensor<3x8xf32>, %p: tensor<2x4x4xf32>) "
      "-> tensor<4x3xf32> {" +
      linear("new", "%x", 1, 8, 8) +
      "%v = tensor.concat dim(0) %cache, %new : (tensor<3x8xf32>, tensor<1x8xf32>) -> "
      "tensor<4x8xf32>\n" +
      attention(2, 2));
  EXPECT_EQ(fold.group("o_proj").placement, ScalePlacement::Explicit);
  EXPECT_EQ(fold.group("o_proj").description,
            "explicit, because it comes from an argument of the function");
  EXPECT_LE(fold.error(), kTolerance);
}

TEST(ChannelScaleShape, PaddingWithZero) {
  auto padded = [](const std::string &number) {
    return "func.func @main(%x: tensor<3x8xf32>, %p: tensor<2x4x4xf32>) -> tensor<4x3xf32> {" +
           linear("short", "%x", 3, 8, 8) + "%pad = arith.constant " + number + R"( : f32
      %v = tensor.pad %short low[1, 0] high[0, 0] {
        ^bb0(%i: index, %j: index):
          tensor.yield %pad : f32
      } : tensor<3x8xf32> to tensor<4x8xf32>
  )" + attention(2, 2);
  };
  Folding zero(padded("0.0"));
  EXPECT_EQ(zero.group("o_proj").description, "rows of short");
  EXPECT_LE(zero.error(), kTolerance);
  Folding one(padded("1.0"));
  EXPECT_EQ(one.group("o_proj").placement, ScalePlacement::Explicit);
  EXPECT_LE(one.error(), kTolerance);
}

// A reshape whose sizes are computed keeps trailing dimensions together.
TEST(ChannelScaleShape, DynamicReshape) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>) -> tensor<4x3xf32> {" +
               linear("a", "%x", 4, 8, 6) + R"(
      %s1 = arith.constant dense<[4, 2, 3]> : tensor<3xi64>
      %s2 = arith.constant dense<[4, 6]> : tensor<2xi64>
      %u = tensor.cast %a : tensor<4x6xf32> to tensor<?x6xf32>
      %r = tensor.reshape %u(%s1) : (tensor<?x6xf32>, tensor<3xi64>) -> tensor<?x2x3xf32>
      %t = tensor.reshape %r(%s2) : (tensor<?x2x3xf32>, tensor<2xi64>) -> tensor<?x6xf32>
      %y = tensor.cast %t : tensor<?x6xf32> to tensor<4x6xf32>
  )" + linear("b", "%y", 4, 6, 3) +
               "return %b : tensor<4x3xf32> }");
  EXPECT_EQ(fold.group("b").description, "rows of a");
  EXPECT_LE(fold.error(), kTolerance);
}

// Σ_k a[m, k]·b[k, n] with the scale on the contracted dimension of one operand: the other takes
// the inverse.
TEST(ChannelScaleShape, ContractionCancels) {
  Folding fold("func.func @main(%x: tensor<4x8xf32>) -> (tensor<4x4xf32>, tensor<4x3xf32>) {" +
               linear("q", "%x", 4, 8, 6) + linear("k", "%x", 4, 8, 6) + R"(
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4x4xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
      %e64 = tensor.empty() : tensor<6x4xf32>
      %kt = linalg.transpose ins(%k : tensor<4x6xf32>) outs(%e64 : tensor<6x4xf32>) permutation = [1, 0]
      %s = linalg.matmul ins(%q, %kt : tensor<4x6xf32>, tensor<6x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
  )" + linear("next", "%q", 4, 6, 3) +
               "return %s, %next : tensor<4x4xf32>, tensor<4x3xf32> }");
  EXPECT_EQ(fold.group("next").description, "rows of q, rows of k");
  EXPECT_EQ(fold.group("next").numClasses, 6);
  EXPECT_LE(fold.error(2), kTolerance);
}

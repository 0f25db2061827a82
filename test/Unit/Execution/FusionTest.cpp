// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels made of several operations give what the operations give one by one.

#include "Run.h"
#include <cmath>

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

TEST(Fusion, SoftmaxOfScaledAndMaskedScoresIsOneKernel) {
  Program program(R"(
    func.func @main(%x: tensor<2x3x40xf32>, %mask: tensor<1x3x40xf32>) -> tensor<2x3x40xf32> {
      %scale = arith.constant 0.125 : f32
      %low = arith.constant 0xFF800000 : f32
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<2x3x40xf32>
      %r = tensor.empty() : tensor<2x3xf32>
      %k = tensor.empty() : tensor<2x3x1xf32>
      %a = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (0, j, k)>, affine_map<(i, j, k) -> (i, j, k)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%x, %mask : tensor<2x3x40xf32>, tensor<1x3x40xf32>) outs(%e : tensor<2x3x40xf32>) {
      ^bb0(%v: f32, %m: f32, %o: f32):
        %p = arith.mulf %v, %scale : f32
        %s = arith.addf %p, %m : f32
        linalg.yield %s : f32
      } -> tensor<2x3x40xf32>
      %f = linalg.fill ins(%low : f32) outs(%r : tensor<2x3xf32>) -> tensor<2x3xf32>
      %max = linalg.reduce { arith.maximumf } ins(%a : tensor<2x3x40xf32>) outs(%f : tensor<2x3xf32>) dimensions = [2]
      %maxs = tensor.expand_shape %max [[0], [1, 2]] output_shape [2, 3, 1] : tensor<2x3xf32> into tensor<2x3x1xf32>
      %b = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, 0)>, affine_map<(i, j, k) -> (i, j, k)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%a, %maxs : tensor<2x3x40xf32>, tensor<2x3x1xf32>) outs(%e : tensor<2x3x40xf32>) {
      ^bb0(%v: f32, %m: f32, %o: f32):
        %d = arith.subf %v, %m : f32
        %s = math.exp %d : f32
        linalg.yield %s : f32
      } -> tensor<2x3x40xf32>
      %g = linalg.fill ins(%zero : f32) outs(%k : tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
      %sum = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, 0)>],
                             iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%b : tensor<2x3x40xf32>) outs(%g : tensor<2x3x1xf32>) {
      ^bb0(%v: f32, %o: f32):
        %s = arith.addf %v, %o : f32
        linalg.yield %s : f32
      } -> tensor<2x3x1xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, 0)>, affine_map<(i, j, k) -> (i, j, k)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%b, %sum : tensor<2x3x40xf32>, tensor<2x3x1xf32>) outs(%e : tensor<2x3x40xf32>) {
      ^bb0(%v: f32, %m: f32, %o: f32):
        %d = arith.divf %v, %m : f32
        linalg.yield %d : f32
      } -> tensor<2x3x40xf32>
      return %y : tensor<2x3x40xf32>
    })");
  auto x = randomFloats(240), mask = randomFloats(120, 2);
  auto y = program.run(
      {program.tensor("tensor<2x3x40xf32>", x), program.tensor("tensor<1x3x40xf32>", mask)});
  ASSERT_EQ(y.size(), 1u);
  std::vector<float> expected(240);
  for (int row = 0; row != 6; ++row) {
    double sum = 0;
    for (int k = 0; k != 40; ++k)
      sum += std::exp(double(x[row * 40 + k]) / 8 + mask[row % 3 * 40 + k]);
    for (int k = 0; k != 40; ++k)
      expected[row * 40 + k] = std::exp(double(x[row * 40 + k]) / 8 + mask[row % 3 * 40 + k]) / sum;
  }
  expectNear(y[0], expected, 2e-6f);
  EXPECT_EQ(program.statistics.kernelsCompiled, 1);
}

/// x·cos + rotate_half(x)·sin of heads that a linear has written next to each other.
TEST(Fusion, RotaryEmbedding) {
  Program program(R"(
    func.func @main(%x: tensor<5x24xf32>, %cos: tensor<5x8xf32>, %sin: tensor<5x8xf32>) -> tensor<3x5x8xf32> {
      %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [5, 3, 8] : tensor<5x24xf32> into tensor<5x3x8xf32>
      %e = tensor.empty() : tensor<3x5x8xf32>
      %q = linalg.transpose ins(%h : tensor<5x3x8xf32>) outs(%e : tensor<3x5x8xf32>) permutation = [1, 0, 2]
      %a = linalg.generic {indexing_maps = [affine_map<(h, t, d) -> (h, t, d)>, affine_map<(h, t, d) -> (t, d)>, affine_map<(h, t, d) -> (h, t, d)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%q, %cos : tensor<3x5x8xf32>, tensor<5x8xf32>) outs(%e : tensor<3x5x8xf32>) {
      ^bb0(%v: f32, %c: f32, %o: f32):
        %p = arith.mulf %v, %c : f32
        linalg.yield %p : f32
      } -> tensor<3x5x8xf32>
      %first = tensor.extract_slice %q[0, 0, 0] [3, 5, 4] [1, 1, 1] : tensor<3x5x8xf32> to tensor<3x5x4xf32>
      %second = tensor.extract_slice %q[0, 0, 4] [3, 5, 4] [1, 1, 1] : tensor<3x5x8xf32> to tensor<3x5x4xf32>
      %negative = arith.negf %second : tensor<3x5x4xf32>
      %rotated = tensor.concat dim(2) %negative, %first : (tensor<3x5x4xf32>, tensor<3x5x4xf32>) -> tensor<3x5x8xf32>
      %b = linalg.generic {indexing_maps = [affine_map<(h, t, d) -> (h, t, d)>, affine_map<(h, t, d) -> (t, d)>, affine_map<(h, t, d) -> (h, t, d)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%rotated, %sin : tensor<3x5x8xf32>, tensor<5x8xf32>) outs(%e : tensor<3x5x8xf32>) {
      ^bb0(%v: f32, %c: f32, %o: f32):
        %p = arith.mulf %v, %c : f32
        linalg.yield %p : f32
      } -> tensor<3x5x8xf32>
      %y = arith.addf %a, %b : tensor<3x5x8xf32>
      return %y : tensor<3x5x8xf32>
    })");
  auto x = randomFloats(120, 1), cos = randomFloats(40, 2), sin = randomFloats(40, 3);
  auto y =
      program.run({program.tensor("tensor<5x24xf32>", x), program.tensor("tensor<5x8xf32>", cos),
                   program.tensor("tensor<5x8xf32>", sin)});
  ASSERT_EQ(y.size(), 1u);
  std::vector<float> expected;
  for (int h = 0; h != 3; ++h)
    for (int t = 0; t != 5; ++t)
      for (int d = 0; d != 8; ++d) {
        auto at = [&](int k) { return x[t * 24 + h * 8 + k]; };
        expected.push_back(at(d) * cos[t * 8 + d] +
                           (d < 4 ? -at(d + 4) : at(d - 4)) * sin[t * 8 + d]);
      }
  expectNear(y[0], expected);
}

/// A value that is wanted outside and read inside, a reduction of the first dimension that must not
/// be joined, and a reader of a value at another place.
TEST(Fusion, KeepsWhatCannotBeJoinedApart) {
  Program program(R"(
    func.func @main(%x: tensor<6x5xf32>) -> (tensor<6x5xf32>, tensor<5xf32>, tensor<6x5xf32>, tensor<6x5xf32>) {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<6x5xf32>
      %r = tensor.empty() : tensor<5xf32>
      %a = arith.mulf %x, %x : tensor<6x5xf32>
      %f = linalg.fill ins(%zero : f32) outs(%r : tensor<5xf32>) -> tensor<5xf32>
      %sum = linalg.reduce { arith.addf } ins(%a : tensor<6x5xf32>) outs(%f : tensor<5xf32>) dimensions = [0]
      %b = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%a, %sum : tensor<6x5xf32>, tensor<5xf32>) outs(%e : tensor<6x5xf32>) {
      ^bb0(%v: f32, %s: f32, %o: f32):
        %d = arith.divf %v, %s : f32
        linalg.yield %d : f32
      } -> tensor<6x5xf32>
      // Reads row 5 - i of b.
      %c = linalg.generic {indexing_maps = [affine_map<(i, j) -> (-i + 5, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%b, %x : tensor<6x5xf32>, tensor<6x5xf32>) outs(%e : tensor<6x5xf32>) {
      ^bb0(%v: f32, %s: f32, %o: f32):
        %d = arith.subf %v, %s : f32
        linalg.yield %d : f32
      } -> tensor<6x5xf32>
      return %a, %sum, %b, %c : tensor<6x5xf32>, tensor<5xf32>, tensor<6x5xf32>, tensor<6x5xf32>
    })");
  auto x = randomFloats(30);
  auto y = program.run({program.tensor("tensor<6x5xf32>", x)});
  ASSERT_EQ(y.size(), 4u);
  std::vector<float> a(30), sum(5), b(30), c(30);
  for (int i = 0; i != 30; ++i)
    sum[i % 5] += a[i] = x[i] * x[i];
  for (int i = 0; i != 30; ++i)
    b[i] = a[i] / sum[i % 5];
  for (int i = 0; i != 30; ++i)
    c[i] = b[(5 - i / 5) * 5 + i % 5] - x[i];
  expectNear(y[0], a);
  expectNear(y[1], sum);
  expectNear(y[2], b);
  expectNear(y[3], c);
}

TEST(Fusion, EqualKernelsAreCompiledOnce) {
  Program program(R"(
    func.func @main(%x: tensor<1x8xf32>, %w: tensor<8x8xf32> {ptq.parameter = "w"}) -> tensor<1x8xf32> {
      %a = math.tanh %x : tensor<1x8xf32>
      %b = ptq.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %c = math.tanh %b : tensor<1x8xf32>
      %d = ptq.linear %c, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %e = math.tanh %d : tensor<1x8xf32>
      return %e : tensor<1x8xf32>
    })");
  ExecutorOptions options;
  options.kernels = std::make_shared<KernelCache>();
  std::vector<std::vector<Tensor>> samples{
      {program.tensor("tensor<1x8xf32>", randomFloats(8)),
       program.tensor("tensor<8x8xf32>", randomFloats(64, 2))}};
  program.runAll(samples, nullptr, options);
  EXPECT_EQ(program.statistics.kernelsCompiled, 1);
  // Another executor with the same cache compiles nothing.
  program.runAll(samples, nullptr, options);
  EXPECT_EQ(program.statistics.kernelsCompiled, 0);
}

/// Equal loops, but the second operation reads the first one's value elsewhere within the same
/// outer iteration.
TEST(Fusion, ReadsOfOtherElementsOfTheSameRow) {
  Program program(R"(
    func.func @main(%x: tensor<3x4x4xf32>) -> tensor<3x4x4xf32> {
      %e = tensor.empty() : tensor<3x4x4xf32>
      %a = arith.mulf %x, %x : tensor<3x4x4xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k, j)>, affine_map<(i, j, k) -> (i, j, k)>,
                                            affine_map<(i, j, k) -> (i, j, k)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%a, %x : tensor<3x4x4xf32>, tensor<3x4x4xf32>) outs(%e : tensor<3x4x4xf32>) {
      ^bb0(%v: f32, %w: f32, %o: f32):
        %s = arith.subf %v, %w : f32
        linalg.yield %s : f32
      } -> tensor<3x4x4xf32>
      return %y : tensor<3x4x4xf32>
    })");
  auto x = randomFloats(48);
  auto y = program.run({program.tensor("tensor<3x4x4xf32>", x)});
  ASSERT_EQ(y.size(), 1u);
  std::vector<float> expected(48);
  for (int i = 0; i != 48; ++i) {
    float other = x[i / 16 * 16 + i % 4 * 4 + i / 4 % 4];
    expected[i] = other * other - x[i];
  }
  expectNear(y[0], expected);
  EXPECT_EQ(program.statistics.kernelsCompiled, 1);
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contractions: named forms, transposed and permuted maps, folded views, initial values, 16 and 64
// bits.

#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

/// C[b, m, n] = init + Σ_k A[b, m, k]·B[b, k, n].
static std::vector<float> multiply(const std::vector<float> &a, const std::vector<float> &b,
                                   int batch, int m, int n, int k, float init = 0) {
  std::vector<float> c(batch * m * n);
  for (int t = 0; t != batch; ++t)
    for (int i = 0; i != m; ++i)
      for (int j = 0; j != n; ++j) {
        double sum = init;
        for (int l = 0; l != k; ++l)
          sum += double(a[(t * m + i) * k + l]) * b[(t * k + l) * n + j];
        c[(t * m + i) * n + j] = sum;
      }
  return c;
}

/// A matrix [rows, columns], transposed.
static std::vector<float> transpose(const std::vector<float> &x, int rows, int columns) {
  std::vector<float> y(x.size());
  for (int i = 0; i != rows; ++i)
    for (int j = 0; j != columns; ++j)
      y[j * rows + i] = x[i * columns + j];
  return y;
}

TEST(Contraction, MatmulAddsToItsInit) {
  for (float init : {0.0f, 2.5f}) {
    Program program(R"(
      func.func @main(%a: tensor<5x7xf32>, %b: tensor<7x3xf32>) -> tensor<5x3xf32> {
        %c = arith.constant )" +
                    std::to_string(init) + R"( : f32
        %e = tensor.empty() : tensor<5x3xf32>
        %f = linalg.fill ins(%c : f32) outs(%e : tensor<5x3xf32>) -> tensor<5x3xf32>
        %y = linalg.matmul ins(%a, %b : tensor<5x7xf32>, tensor<7x3xf32>) outs(%f : tensor<5x3xf32>) -> tensor<5x3xf32>
        return %y : tensor<5x3xf32>
      })");
    auto a = randomFloats(35, 1), b = randomFloats(21, 2);
    auto y =
        program.run({program.tensor("tensor<5x7xf32>", a), program.tensor("tensor<7x3xf32>", b)});
    ASSERT_EQ(y.size(), 1u);
    expectNear(y[0], multiply(a, b, 1, 5, 3, 7, init));
  }
}

TEST(Contraction, TransposedMaps) {
  // The same product from all four layouts of the operands, as named operations with maps.
  auto a = randomFloats(5 * 7, 1), b = randomFloats(7 * 3, 2);
  auto expected = multiply(a, b, 1, 5, 3, 7);
  for (bool transA : {false, true})
    for (bool transB : {false, true}) {
      std::string typeA = transA ? "tensor<7x5xf32>" : "tensor<5x7xf32>";
      std::string typeB = transB ? "tensor<3x7xf32>" : "tensor<7x3xf32>";
      Program program(
          "func.func @main(%a: " + typeA + ", %b: " + typeB + ") -> tensor<5x3xf32> {\n" +
          "%c = arith.constant dense<0.0> : tensor<5x3xf32>\n" +
          "%y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> " +
          (transA ? "(k, m)" : "(m, k)") + ">, affine_map<(m, n, k) -> " +
          (transB ? "(n, k)" : "(k, n)") +
          ">, affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : " + typeA + ", " + typeB +
          ") outs(%c : tensor<5x3xf32>) -> tensor<5x3xf32>\nreturn %y : tensor<5x3xf32>\n}");
      auto y = program.run({program.tensor(typeA, transA ? transpose(a, 5, 7) : a),
                            program.tensor(typeB, transB ? transpose(b, 7, 3) : b)});
      ASSERT_EQ(y.size(), 1u);
      expectNear(y[0], expected);
    }
}

TEST(Contraction, GenericLoopOrder) {
  // Reduction in the middle, output transposed, addition and product the other way round.
  Program program(R"(
    func.func @main(%a: tensor<5x7xf32>, %b: tensor<7x3xf32>) -> tensor<3x5xf32> {
      %c = arith.constant dense<0.0> : tensor<3x5xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(m, k, n) -> (m, k)>, affine_map<(m, k, n) -> (k, n)>,
                                            affine_map<(m, k, n) -> (n, m)>],
                           iterator_types = ["parallel", "reduction", "parallel"]}
          ins(%a, %b : tensor<5x7xf32>, tensor<7x3xf32>) outs(%c : tensor<3x5xf32>) {
      ^bb0(%x: f32, %w: f32, %o: f32):
        %p = arith.mulf %w, %x : f32
        %s = arith.addf %p, %o : f32
        linalg.yield %s : f32
      } -> tensor<3x5xf32>
      return %y : tensor<3x5xf32>
    })");
  auto a = randomFloats(35, 1), b = randomFloats(21, 2);
  auto y =
      program.run({program.tensor("tensor<5x7xf32>", a), program.tensor("tensor<7x3xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], transpose(multiply(a, b, 1, 5, 3, 7), 5, 3));
}

TEST(Contraction, TwoReductions) {
  Program program(R"(
    func.func @main(%a: tensor<5x3x4xf32>, %b: tensor<6x3x4xf32>) -> tensor<5x6xf32> {
      %c = arith.constant dense<0.0> : tensor<5x6xf32>
      %y = linalg.contract indexing_maps = [affine_map<(m, n, g, k) -> (m, g, k)>, affine_map<(m, n, g, k) -> (n, g, k)>,
                                            affine_map<(m, n, g, k) -> (m, n)>]
          ins(%a, %b : tensor<5x3x4xf32>, tensor<6x3x4xf32>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
      return %y : tensor<5x6xf32>
    })");
  auto a = randomFloats(60, 1), b = randomFloats(72, 2);
  auto y =
      program.run({program.tensor("tensor<5x3x4xf32>", a), program.tensor("tensor<6x3x4xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(a, transpose(b, 6, 12), 1, 5, 6, 12));
}

TEST(Contraction, VectorForms) {
  Program program(R"(
    func.func @main(%v: tensor<7xf32>, %b: tensor<7x3xf32>, %w: tensor<3xf32>)
        -> (tensor<3xf32>, tensor<7xf32>, tensor<f32>) {
      %c3 = arith.constant dense<0.0> : tensor<3xf32>
      %c7 = arith.constant dense<0.0> : tensor<7xf32>
      %c0 = arith.constant dense<1.0> : tensor<f32>
      %x = linalg.vecmat ins(%v, %b : tensor<7xf32>, tensor<7x3xf32>) outs(%c3 : tensor<3xf32>) -> tensor<3xf32>
      %y = linalg.matvec ins(%b, %w : tensor<7x3xf32>, tensor<3xf32>) outs(%c7 : tensor<7xf32>) -> tensor<7xf32>
      %z = linalg.dot ins(%v, %v : tensor<7xf32>, tensor<7xf32>) outs(%c0 : tensor<f32>) -> tensor<f32>
      return %x, %y, %z : tensor<3xf32>, tensor<7xf32>, tensor<f32>
    })");
  auto v = randomFloats(7, 1), b = randomFloats(21, 2), w = randomFloats(3, 3);
  auto y = program.run({program.tensor("tensor<7xf32>", v), program.tensor("tensor<7x3xf32>", b),
                        program.tensor("tensor<3xf32>", w)});
  ASSERT_EQ(y.size(), 3u);
  expectNear(y[0], multiply(v, b, 1, 1, 3, 7));
  expectNear(y[1], multiply(b, w, 1, 7, 1, 3));
  expectNear(y[2], multiply(v, v, 1, 1, 1, 7, 1));
}

/// Attention's scores for grouped queries: q [1, 6, 4, 8], k [1, 4, 2·8] through expand, transpose,
/// broadcast over groups of 3 heads, collapse and transpose. All of it is folded into the product's
/// strides.
TEST(Contraction, FoldsViewsOfItsOperands) {
  Program program(R"(
    func.func @main(%q: tensor<6x4x8xf32>, %k: tensor<4x16xf32>) -> tensor<6x4x4xf32> {
      %zero = arith.constant 0.0 : f32
      %x = tensor.expand_shape %k [[0, 1], [2, 3]] output_shape [1, 4, 2, 8] : tensor<4x16xf32> into tensor<1x4x2x8xf32>
      %e1 = tensor.empty() : tensor<1x2x4x8xf32>
      %heads = linalg.transpose ins(%x : tensor<1x4x2x8xf32>) outs(%e1 : tensor<1x2x4x8xf32>) permutation = [0, 2, 1, 3]
      %e2 = tensor.empty() : tensor<1x2x3x4x8xf32>
      %groups = linalg.generic {indexing_maps = [affine_map<(a, b, c, d, e) -> (a, b, d, e)>,
                                                 affine_map<(a, b, c, d, e) -> (a, b, c, d, e)>],
                                iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
          ins(%heads : tensor<1x2x4x8xf32>) outs(%e2 : tensor<1x2x3x4x8xf32>) {
      ^bb0(%in: f32, %out: f32):
        linalg.yield %in : f32
      } -> tensor<1x2x3x4x8xf32>
      %all = tensor.collapse_shape %groups [[0, 1, 2], [3], [4]] : tensor<1x2x3x4x8xf32> into tensor<6x4x8xf32>
      %e3 = tensor.empty() : tensor<6x8x4xf32>
      %t = linalg.transpose ins(%all : tensor<6x4x8xf32>) outs(%e3 : tensor<6x8x4xf32>) permutation = [0, 2, 1]
      %e4 = tensor.empty() : tensor<6x4x4xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e4 : tensor<6x4x4xf32>) -> tensor<6x4x4xf32>
      %y = linalg.batch_matmul ins(%q, %t : tensor<6x4x8xf32>, tensor<6x8x4xf32>) outs(%f : tensor<6x4x4xf32>) -> tensor<6x4x4xf32>
      return %y : tensor<6x4x4xf32>
    })");
  auto q = randomFloats(6 * 4 * 8, 1), k = randomFloats(4 * 16, 2);
  auto y =
      program.run({program.tensor("tensor<6x4x8xf32>", q), program.tensor("tensor<4x16xf32>", k)});
  ASSERT_EQ(y.size(), 1u);
  std::vector<float> right(6 * 8 * 4);
  for (int h = 0; h != 6; ++h)
    for (int t = 0; t != 4; ++t)
      for (int d = 0; d != 8; ++d)
        right[(h * 8 + d) * 4 + t] = k[t * 16 + h / 3 * 8 + d];
  expectNear(y[0], multiply(q, right, 6, 4, 4, 8));
  // One node: nothing was copied.
  EXPECT_EQ(program.statistics.operations, 1);
  EXPECT_EQ(program.statistics.kernelsCompiled, 0);
}

TEST(Contraction, WeightBroadcastOverTheBatch) {
  Program program(R"(
    func.func @main(%x: tensor<2x4x8xf32>, %w: tensor<3x8xf32>) -> tensor<2x4x3xf32> {
      %zero = arith.constant 0.0 : f32
      %e1 = tensor.empty() : tensor<8x3xf32>
      %t = linalg.transpose ins(%w : tensor<3x8xf32>) outs(%e1 : tensor<8x3xf32>) permutation = [1, 0]
      %e2 = tensor.empty() : tensor<2x8x3xf32>
      %wide = linalg.generic {indexing_maps = [affine_map<(b, k, n) -> (k, n)>, affine_map<(b, k, n) -> (b, k, n)>],
                              iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%t : tensor<8x3xf32>) outs(%e2 : tensor<2x8x3xf32>) {
      ^bb0(%in: f32, %out: f32):
        linalg.yield %in : f32
      } -> tensor<2x8x3xf32>
      %e3 = tensor.empty() : tensor<2x4x3xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e3 : tensor<2x4x3xf32>) -> tensor<2x4x3xf32>
      %y = linalg.batch_matmul ins(%x, %wide : tensor<2x4x8xf32>, tensor<2x8x3xf32>) outs(%f : tensor<2x4x3xf32>) -> tensor<2x4x3xf32>
      return %y : tensor<2x4x3xf32>
    })");
  auto x = randomFloats(64, 1), w = randomFloats(24, 2);
  auto y =
      program.run({program.tensor("tensor<2x4x8xf32>", x), program.tensor("tensor<3x8xf32>", w)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(x, transpose(w, 3, 8), 1, 8, 3, 8));
}

TEST(Contraction, StridedSlicesArePacked) {
  // Neither operand has a unit stride.
  Program program(R"(
    func.func @main(%a: tensor<5x14xf32>, %b: tensor<14x6xf32>) -> tensor<5x3xf32> {
      %c = arith.constant dense<0.0> : tensor<5x3xf32>
      %x = tensor.extract_slice %a[0, 1] [5, 7] [1, 2] : tensor<5x14xf32> to tensor<5x7xf32>
      %w = tensor.extract_slice %b[0, 0] [7, 3] [2, 2] : tensor<14x6xf32> to tensor<7x3xf32>
      %y = linalg.matmul ins(%x, %w : tensor<5x7xf32>, tensor<7x3xf32>) outs(%c : tensor<5x3xf32>) -> tensor<5x3xf32>
      return %y : tensor<5x3xf32>
    })");
  auto a = randomFloats(70, 1), b = randomFloats(84, 2);
  auto y =
      program.run({program.tensor("tensor<5x14xf32>", a), program.tensor("tensor<14x6xf32>", b)});
  std::vector<float> x, w;
  for (int i = 0; i != 35; ++i)
    x.push_back(a[i / 7 * 14 + 1 + i % 7 * 2]);
  for (int i = 0; i != 21; ++i)
    w.push_back(b[i / 3 * 2 * 6 + i % 3 * 2]);
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(x, w, 1, 5, 3, 7));
}

TEST(Contraction, HalfOperandsFloatSum) {
  Program program(R"(
    func.func @main(%a: tensor<5x7xf32>, %b: tensor<7x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf16>) {
      %c = arith.constant dense<0.5> : tensor<5x3xf32>
      %d = arith.constant dense<0.5> : tensor<5x3xf16>
      %x = arith.truncf %a : tensor<5x7xf32> to tensor<5x7xf16>
      %w = arith.truncf %b : tensor<7x3xf32> to tensor<7x3xf16>
      %y = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x3xf16>) outs(%c : tensor<5x3xf32>) -> tensor<5x3xf32>
      %z = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x3xf16>) outs(%d : tensor<5x3xf16>) -> tensor<5x3xf16>
      return %y, %z : tensor<5x3xf32>, tensor<5x3xf16>
    })");
  // Eighths are exact in f16, and so are their products' sums in f32.
  std::vector<float> a(35), b(21);
  for (int i = 0; i != 35; ++i)
    a[i] = (i * 5 % 17 - 8) / 8.f;
  for (int i = 0; i != 21; ++i)
    b[i] = (i * 7 % 13 - 6) / 8.f;
  auto y =
      program.run({program.tensor("tensor<5x7xf32>", a), program.tensor("tensor<7x3xf32>", b)});
  ASSERT_EQ(y.size(), 2u);
  auto expected = multiply(a, b, 1, 5, 3, 7, 0.5f);
  expectNear(y[0], expected, 0);
  expectNear(y[1], expected, 1e-3f);
}

TEST(Contraction, DoubleIsDouble) {
  Program program(R"(
    func.func @main(%a: tensor<1x2xf64>, %b: tensor<2x2xf64>) -> tensor<1x2xf64> {
      %c = arith.constant dense<0.0> : tensor<1x2xf64>
      %y = linalg.matmul ins(%a, %b : tensor<1x2xf64>, tensor<2x2xf64>) outs(%c : tensor<1x2xf64>) -> tensor<1x2xf64>
      return %y : tensor<1x2xf64>
    })");
  std::vector<double> a{1, 0x1p-40}, b{1, 2, 1, 3};
  auto y =
      program.run({program.tensor("tensor<1x2xf64>", a), program.tensor("tensor<2x2xf64>", b)});
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].as<double>()[0], 1 + 0x1p-40);
  EXPECT_EQ(y[0].as<double>()[1], 2 + 3 * 0x1p-40);
}

TEST(Contraction, IntegersAreLoops) {
  Program program(R"(
    func.func @main(%a: tensor<2x3xi8>, %b: tensor<3x2xi8>) -> tensor<2x2xi32> {
      %c = arith.constant dense<0> : tensor<2x2xi32>
      %y = linalg.matmul ins(%a, %b : tensor<2x3xi8>, tensor<3x2xi8>) outs(%c : tensor<2x2xi32>) -> tensor<2x2xi32>
      return %y : tensor<2x2xi32>
    })");
  std::vector<int8_t> a{127, -128, 3, 4, 5, -6}, b{127, 1, -128, 2, 5, 6};
  auto y = program.run({program.tensor("tensor<2x3xi8>", a), program.tensor("tensor<3x2xi8>", b)});
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].as<int32_t>().vec(),
            (std::vector<int32_t>{127 * 127 + 128 * 128 + 15, 127 - 256 + 18,
                                  4 * 127 - 5 * 128 - 30, 4 + 10 - 36}));
}

TEST(Contraction, DynamicSizes) {
  Program program(R"(
    func.func @main(%a: tensor<?x7xf32>, %b: tensor<7x?xf32>) -> tensor<?x?xf32> {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %zero = arith.constant 0.0 : f32
      %m = tensor.dim %a, %c0 : tensor<?x7xf32>
      %n = tensor.dim %b, %c1 : tensor<7x?xf32>
      %e = tensor.empty(%m, %n) : tensor<?x?xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
      %y = linalg.matmul ins(%a, %b : tensor<?x7xf32>, tensor<7x?xf32>) outs(%f : tensor<?x?xf32>) -> tensor<?x?xf32>
      return %y : tensor<?x?xf32>
    })");
  for (auto [m, n] : {std::pair(5, 3), std::pair(1, 4), std::pair(0, 2)}) {
    auto a = randomFloats(m * 7, 1), b = randomFloats(7 * n, 2);
    auto y = program.run({program.tensor("tensor<" + std::to_string(m) + "x7xf32>", a),
                          program.tensor("tensor<7x" + std::to_string(n) + "xf32>", b)});
    ASSERT_EQ(y.size(), 1u);
    expectNear(y[0], multiply(a, b, 1, m, n, 7));
  }
}

/// Packs an operand of more elements than one thread packs at a time.
TEST(Contraction, LargeStridedOperand) {
  Program program(R"(
    func.func @main(%a: tensor<300x800xf32>, %b: tensor<400x2xf32>) -> tensor<300x2xf32> {
      %c = arith.constant dense<0.0> : tensor<300x2xf32>
      %x = tensor.extract_slice %a[0, 1] [300, 400] [1, 2] : tensor<300x800xf32> to tensor<300x400xf32>
      %y = linalg.matmul ins(%x, %b : tensor<300x400xf32>, tensor<400x2xf32>)
             outs(%c : tensor<300x2xf32>) -> tensor<300x2xf32>
      return %y : tensor<300x2xf32>
    })");
  auto a = randomFloats(300 * 800, 1), b = randomFloats(800, 2);
  std::vector<float> x;
  for (int i = 0; i != 300 * 400; ++i)
    x.push_back(a[i / 400 * 800 + 1 + i % 400 * 2]);
  auto y = program.run(
      {program.tensor("tensor<300x800xf32>", a), program.tensor("tensor<400x2xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(x, b, 1, 300, 2, 400), 2e-6f);
}

/// Each matrix of a batch is packed anew.
TEST(Contraction, BatchOfHalves) {
  Program program(R"(
    func.func @main(%a: tensor<3x2x4xf32>, %b: tensor<3x4x5xf32>) -> tensor<3x2x5xf32> {
      %c = arith.constant dense<0.0> : tensor<3x2x5xf32>
      %x = arith.truncf %a : tensor<3x2x4xf32> to tensor<3x2x4xf16>
      %w = arith.truncf %b : tensor<3x4x5xf32> to tensor<3x4x5xf16>
      %y = linalg.batch_matmul ins(%x, %w : tensor<3x2x4xf16>, tensor<3x4x5xf16>)
             outs(%c : tensor<3x2x5xf32>) -> tensor<3x2x5xf32>
      return %y : tensor<3x2x5xf32>
    })");
  std::vector<float> a(24), b(60);
  for (int i = 0; i != 24; ++i)
    a[i] = (i * 5 % 17 - 8) / 8.f;
  for (int i = 0; i != 60; ++i)
    b[i] = (i * 7 % 13 - 6) / 8.f;
  auto y =
      program.run({program.tensor("tensor<3x2x4xf32>", a), program.tensor("tensor<3x4x5xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(a, b, 3, 2, 5, 4), 0);
}

/// Two reductions that are no single stride of the right operand: the product is summed up in
/// parts.
TEST(Contraction, ReductionsThatDoNotMerge) {
  Program program(R"(
    func.func @main(%a: tensor<5x3x4xf32>, %b: tensor<4x6x3xf32>) -> tensor<5x6xf32> {
      %c = arith.constant dense<0.0> : tensor<5x6xf32>
      %y = linalg.contract indexing_maps = [affine_map<(m, n, g, k) -> (m, g, k)>,
                                            affine_map<(m, n, g, k) -> (k, n, g)>,
                                            affine_map<(m, n, g, k) -> (m, n)>]
          ins(%a, %b : tensor<5x3x4xf32>, tensor<4x6x3xf32>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
      return %y : tensor<5x6xf32>
    })");
  auto a = randomFloats(60, 1), b = randomFloats(72, 2);
  std::vector<float> right(72);
  for (int g = 0; g != 3; ++g)
    for (int k = 0; k != 4; ++k)
      for (int n = 0; n != 6; ++n)
        right[(g * 4 + k) * 6 + n] = b[(k * 6 + n) * 3 + g];
  auto y =
      program.run({program.tensor("tensor<5x3x4xf32>", a), program.tensor("tensor<4x6x3xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(a, right, 1, 5, 6, 12));
}

/// A collapse of exchanged dimensions has no single stride: the operand must be materialized.
TEST(Contraction, ViewsThatDoNotFold) {
  Program program(R"(
    func.func @main(%a: tensor<2x4xf32>, %b: tensor<3x4x5xf32>) -> tensor<2x15xf32> {
      %c = arith.constant dense<0.0> : tensor<2x15xf32>
      %e = tensor.empty() : tensor<4x5x3xf32>
      %t = linalg.transpose ins(%b : tensor<3x4x5xf32>) outs(%e : tensor<4x5x3xf32>) permutation = [1, 2, 0]
      %w = tensor.collapse_shape %t [[0], [1, 2]] : tensor<4x5x3xf32> into tensor<4x15xf32>
      %y = linalg.matmul ins(%a, %w : tensor<2x4xf32>, tensor<4x15xf32>)
             outs(%c : tensor<2x15xf32>) -> tensor<2x15xf32>
      return %y : tensor<2x15xf32>
    })");
  auto a = randomFloats(8, 1), b = randomFloats(60, 2);
  std::vector<float> right(60);
  for (int k = 0; k != 4; ++k)
    for (int i = 0; i != 5; ++i)
      for (int j = 0; j != 3; ++j)
        right[k * 15 + i * 3 + j] = b[(j * 4 + k) * 5 + i];
  auto y =
      program.run({program.tensor("tensor<2x4xf32>", a), program.tensor("tensor<3x4x5xf32>", b)});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], multiply(a, right, 1, 2, 15, 4));
}

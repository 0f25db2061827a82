// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalars at function level, and kernels of dynamic shape that take them.

#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

TEST(Scalars, SizesArithmeticAndElements) {
  Program program(R"(
    func.func @main(%x: tensor<?x3xf32>, %f: tensor<2xf16>) -> (tensor<4xi64>, tensor<f32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c3 = arith.constant 3 : i64
      %n = tensor.dim %x, %c0 : tensor<?x3xf32>
      %i = arith.index_cast %n : index to i64
      %product = arith.muli %i, %c3 : i64
      %quotient = arith.divsi %product, %i : i64
      %less = arith.cmpi slt, %i, %c3 : i64
      %chosen = arith.select %less, %i, %c3 : i64
      %y = tensor.from_elements %i, %product, %quotient, %chosen : tensor<4xi64>
      %h = tensor.extract %f[%c1] : tensor<2xf16>
      %w = arith.extf %h : f16 to f32
      %s = arith.addf %w, %w : f32
      %z = tensor.from_elements %s : tensor<f32>
      return %y, %z : tensor<4xi64>, tensor<f32>
    })");
  std::vector<uint16_t> halves{0, 0x3E00 /* 1.5 */};
  Tensor f = program.tensor("tensor<2xf16>", halves);
  for (int64_t n : {2, 5}) {
    auto y = program.run(
        {program.tensor("tensor<" + std::to_string(n) + "x3xf32>", randomFloats(3 * n)), f});
    ASSERT_EQ(y.size(), 2u);
    EXPECT_EQ(y[0].as<int64_t>().vec(),
              (std::vector<int64_t>{n, 3 * n, 3, std::min<int64_t>(n, 3)}));
    EXPECT_EQ(y[1].as<float>()[0], 3);
  }
}

static const char *const dynamicLoop = R"(
    func.func @main(%x: tensor<?x?xf32>, %y: tensor<?xf32>, %k: tensor<f32>) -> tensor<?x?xf32> {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %m = tensor.dim %x, %c0 : tensor<?x?xf32>
      %n = tensor.dim %x, %c1 : tensor<?x?xf32>
      %scale = tensor.extract %k[] : tensor<f32>
      %e = tensor.empty(%m, %n) : tensor<?x?xf32>
      %z = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%x, %y : tensor<?x?xf32>, tensor<?xf32>) outs(%e : tensor<?x?xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %i = linalg.index 0 : index
        %last = arith.subi %m, %c1 : index
        %isLast = arith.cmpi eq, %i, %last : index
        %p = arith.mulf %a, %scale : f32
        %s = arith.addf %p, %b : f32
        %r = arith.select %isLast, %s, %a : f32
        linalg.yield %r : f32
      } -> tensor<?x?xf32>
      return %z : tensor<?x?xf32>
    })";

TEST(Scalars, CapturedByKernels) {
  Program program(dynamicLoop);
  for (auto [m, n] : {std::pair(3, 4), std::pair(2, 1), std::pair(1, 9)}) {
    auto x = randomFloats(m * n, 1), y = randomFloats(n, 2);
    auto z = program.run(
        {program.tensor("tensor<" + std::to_string(m) + "x" + std::to_string(n) + "xf32>", x),
         program.tensor("tensor<" + std::to_string(n) + "xf32>", y),
         program.tensor("tensor<f32>", {0.5f})});
    ASSERT_EQ(z.size(), 1u);
    std::vector<float> expected = x;
    for (int j = 0; j != n; ++j)
      expected[(m - 1) * n + j] = x[(m - 1) * n + j] * 0.5f + y[j];
    expectNear(z[0], expected);
  }
}

TEST(Scalars, DynamicSizesThatDisagree) {
  Program program(dynamicLoop);
  std::string error = program.error(std::vector<Tensor>{
      program.tensor("tensor<3x4xf32>", randomFloats(12)), program.tensor("tensor<2xf32>", {1, 2}),
      program.tensor("tensor<f32>", {1})});
  EXPECT_NE(error.find("the operands' sizes do not agree"), std::string::npos) << error;
}

TEST(Scalars, DivisionByZeroIsAnError) {
  Program program(R"(
    func.func @main(%x: tensor<i64>) -> tensor<i64> {
      %one = arith.constant 1 : i64
      %n = tensor.extract %x[] : tensor<i64>
      %q = arith.divsi %one, %n : i64
      %y = tensor.from_elements %q : tensor<i64>
      return %y : tensor<i64>
    })");
  std::string error =
      program.error(std::vector<Tensor>{program.tensor("tensor<i64>", std::vector<int64_t>{0})});
  EXPECT_NE(error.find("test.mlir:5:12: 'arith.divsi'"), std::string::npos) << error;
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reshapes, transposes, slices, concatenation, padding.

#include "../../../lib/Execution/StridedCopy.h"
#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

/// 0, 1, 2, …
static std::vector<float> count(size_t n) {
  std::vector<float> values(n);
  for (size_t i = 0; i != n; ++i)
    values[i] = i;
  return values;
}

TEST(StridedCopy, AllPermutations) {
  const int64_t shape[] = {3, 40, 5, 37};
  auto from = count(3 * 40 * 5 * 37);
  llvm::SmallVector<int64_t> strides = rowMajorStrides(shape);
  llvm::SmallVector<int64_t> order{0, 1, 2, 3};
  do {
    llvm::SmallVector<int64_t> permuted, permutedStrides;
    for (int64_t d : order) {
      permuted.push_back(shape[d]);
      permutedStrides.push_back(strides[d]);
    }
    std::vector<float> to(from.size(), -1);
    copyStrided(reinterpret_cast<char *>(to.data()), rowMajorStrides(permuted),
                reinterpret_cast<const char *>(from.data()), permutedStrides, permuted, 4);
    size_t next = 0;
    for (int64_t a = 0; a != permuted[0]; ++a)
      for (int64_t b = 0; b != permuted[1]; ++b)
        for (int64_t c = 0; c != permuted[2]; ++c)
          for (int64_t d = 0; d != permuted[3]; ++d)
            ASSERT_EQ(to[next++], from[a * permutedStrides[0] + b * permutedStrides[1] +
                                       c * permutedStrides[2] + d * permutedStrides[3]]);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(StridedCopy, BroadcastsNegativeStridesAndWidths) {
  std::vector<uint16_t> from{1, 2, 3}, to(6);
  copyStrided(reinterpret_cast<char *>(to.data()), {3, 1},
              reinterpret_cast<const char *>(from.data() + 2), {0, -1}, {2, 3}, 2);
  EXPECT_EQ(to, (std::vector<uint16_t>{3, 2, 1, 3, 2, 1}));
  std::vector<uint8_t> bytes(4, 9);
  copyStrided(reinterpret_cast<char *>(bytes.data()), {1}, "a", {0}, {0}, 1);
  EXPECT_EQ(bytes, std::vector<uint8_t>(4, 9));
  std::vector<uint64_t> wide{5, 6}, wideTo(2);
  copyStrided(reinterpret_cast<char *>(wideTo.data()), {1},
              reinterpret_cast<const char *>(wide.data()), {1}, {2}, 8);
  EXPECT_EQ(wideTo, wide);
}

TEST(Shapes, ReshapesShareTheirData) {
  Program program(R"(
    func.func @main(%x: tensor<2x6xf32>, %shape: tensor<2xi64>) -> (tensor<12xf32>, tensor<2x3x2xf32>, tensor<?x?xf32>) {
      %a = tensor.collapse_shape %x [[0, 1]] : tensor<2x6xf32> into tensor<12xf32>
      %b = tensor.expand_shape %x [[0], [1, 2]] output_shape [2, 3, 2] : tensor<2x6xf32> into tensor<2x3x2xf32>
      %c = tensor.reshape %x(%shape) : (tensor<2x6xf32>, tensor<2xi64>) -> tensor<?x?xf32>
      return %a, %b, %c : tensor<12xf32>, tensor<2x3x2xf32>, tensor<?x?xf32>
    })");
  Tensor x = program.tensor("tensor<2x6xf32>", count(12));
  auto y = program.run({x, program.tensor("tensor<2xi64>", std::vector<int64_t>{4, 3})});
  ASSERT_EQ(y.size(), 3u);
  for (const Tensor &tensor : y)
    EXPECT_EQ(tensor.data, x.data);
  EXPECT_EQ(y[2].type.getShape().vec(), (std::vector<int64_t>{4, 3}));
  EXPECT_NE(program
                .error(std::vector<Tensor>{
                    x, program.tensor("tensor<2xi64>", std::vector<int64_t>{5, 3})})
                .find("cannot reshape [2x6] to [5x3]"),
            std::string::npos);
}

TEST(Shapes, TransposeSliceConcat) {
  Program program(R"(
    func.func @main(%x: tensor<3x4xf32>) -> (tensor<4x3xf32>, tensor<2x2xf32>, tensor<2xf32>, tensor<3x6xf32>) {
      %e = tensor.empty() : tensor<4x3xf32>
      %t = linalg.transpose ins(%x : tensor<3x4xf32>) outs(%e : tensor<4x3xf32>) permutation = [1, 0]
      %s = tensor.extract_slice %x[1, 0] [2, 2] [1, 3] : tensor<3x4xf32> to tensor<2x2xf32>
      %r = tensor.extract_slice %x[2, 1] [1, 2] [1, 1] : tensor<3x4xf32> to tensor<2xf32>
      %h = tensor.extract_slice %x[0, 2] [3, 2] [1, 1] : tensor<3x4xf32> to tensor<3x2xf32>
      %c = tensor.concat dim(1) %h, %x : (tensor<3x2xf32>, tensor<3x4xf32>) -> tensor<3x6xf32>
      return %t, %s, %r, %c : tensor<4x3xf32>, tensor<2x2xf32>, tensor<2xf32>, tensor<3x6xf32>
    })");
  auto y = program.run({program.tensor("tensor<3x4xf32>", count(12))});
  ASSERT_EQ(y.size(), 4u);
  expectNear(y[0], {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}, 0);
  expectNear(y[1], {4, 7, 8, 11}, 0);
  expectNear(y[2], {9, 10}, 0);
  expectNear(y[3], {2, 3, 0, 1, 2, 3, 6, 7, 4, 5, 6, 7, 10, 11, 8, 9, 10, 11}, 0);
}

static const char *const cache = R"(
    func.func @main(%cache: tensor<5x2xf32>, %row: tensor<1x2xf32>, %position: tensor<i64>, %n: tensor<i64>) -> (tensor<5x2xf32>, tensor<?x2xf32>) {
      %p = tensor.extract %position[] : tensor<i64>
      %m = tensor.extract %n[] : tensor<i64>
      %at = arith.index_cast %p : i64 to index
      %size = arith.index_cast %m : i64 to index
      %new = tensor.insert_slice %row into %cache[%at, 0] [1, 2] [1, 1] : tensor<1x2xf32> into tensor<5x2xf32>
      %tail = tensor.extract_slice %new[%at, 0] [%size, 2] [1, 1] : tensor<5x2xf32> to tensor<?x2xf32>
      return %new, %tail : tensor<5x2xf32>, tensor<?x2xf32>
    })";

TEST(Shapes, DynamicSlices) {
  Program program(cache);
  auto scalar = [&](int64_t value) {
    return program.tensor("tensor<i64>", std::vector<int64_t>{value});
  };
  Tensor cacheTensor = program.tensor("tensor<5x2xf32>", count(10)),
         row = program.tensor("tensor<1x2xf32>", {-1, -2});
  auto y = program.run({cacheTensor, row, scalar(3), scalar(2)});
  ASSERT_EQ(y.size(), 2u);
  expectNear(y[0], {0, 1, 2, 3, 4, 5, -1, -2, 8, 9}, 0);
  EXPECT_EQ(y[1].type.getShape().vec(), (std::vector<int64_t>{2, 2}));
  expectNear(y[1], {-1, -2, 8, 9}, 0);
  // The argument is not written to.
  EXPECT_EQ(cacheTensor.as<float>()[6], 6);
  for (auto [position, size] : {std::pair(5, 0), std::pair(-1, 0), std::pair(3, 3)}) {
    std::string error =
        program.error(std::vector<Tensor>{cacheTensor, row, scalar(position), scalar(size)});
    EXPECT_NE(error.find("is not within a tensor of shape [5x2]"), std::string::npos) << error;
  }
}

TEST(Shapes, Pad) {
  Program program(R"(
    func.func @main(%x: tensor<2x2xf32>) -> tensor<4x5xf32> {
      %v = arith.constant 7.0 : f32
      %y = tensor.pad %x low[1, 2] high[1, 1] {
      ^bb0(%i: index, %j: index):
        tensor.yield %v : f32
      } : tensor<2x2xf32> to tensor<4x5xf32>
      return %y : tensor<4x5xf32>
    })");
  auto y = program.run({program.tensor("tensor<2x2xf32>", {1, 2, 3, 4})});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], {7, 7, 7, 7, 7, 7, 7, 1, 2, 7, 7, 7, 3, 4, 7, 7, 7, 7, 7, 7}, 0);
}

TEST(Shapes, InsertIntoEmptyAndStrided) {
  Program program(R"(
    func.func @main(%x: tensor<2xf32>, %y: tensor<2xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %a = tensor.insert_slice %x into %e[0] [2] [2] : tensor<2xf32> into tensor<4xf32>
      %b = tensor.insert_slice %y into %a[1] [2] [2] : tensor<2xf32> into tensor<4xf32>
      return %b : tensor<4xf32>
    })");
  auto y = program.run(
      {program.tensor("tensor<2xf32>", {1, 2}), program.tensor("tensor<2xf32>", {3, 4})});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], {1, 3, 2, 4}, 0);
}

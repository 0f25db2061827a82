// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.expand_groups, and an integer layer whose weight it makes.

#include "Run.h"

#include "ptq/Numerics/Packing.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

namespace {

/// 3 rows of 12 codes of 4 bits in groups of 4, by the definition.
struct Groups {
  static constexpr int rows = 3, columns = 12, groupSize = 4, groups = 3;
  std::vector<int8_t> codes, scales, zeroPoints;
  std::vector<uint32_t> words;

  Groups() {
    for (int i = 0; i < rows * columns; ++i)
      codes.push_back(static_cast<int8_t>((i * 5 + i / 7) % 16 - 8));
    for (int i = 0; i < rows * groups; ++i) {
      scales.push_back(static_cast<int8_t>(i * 2 + 1));
      zeroPoints.push_back(static_cast<int8_t>(i * 7 % 16 - 8));
    }
    words = numerics::packCodes(codes, rows, columns, 4);
  }
  int8_t expected(int i) const {
    int group = i / columns * groups + i % columns / groupSize;
    return static_cast<int8_t>((codes[i] - zeroPoints[group]) * scales[group]);
  }
};

TEST(ExpandGroups, ByDefinition) {
  Groups groups;
  Program program(R"(
    func.func @main(%c: tensor<3x2xi32>, %s: tensor<3x3xi8>, %z: tensor<3x3xi8>) -> tensor<3x12xi8> {
      %w = ptq.expand_groups %c, %s, %z {bits = 4} : (tensor<3x2xi32>, tensor<3x3xi8>, tensor<3x3xi8>) -> tensor<3x12xi8>
      return %w : tensor<3x12xi8>
    })");
  auto y = program.run({program.tensor("tensor<3x2xi32>", groups.words),
                        program.tensor("tensor<3x3xi8>", groups.scales),
                        program.tensor("tensor<3x3xi8>", groups.zeroPoints)});
  for (int i = 0; i < groups.rows * groups.columns; ++i)
    EXPECT_EQ(y[0].as<int8_t>()[i], groups.expected(i)) << i;
}

TEST(ExpandGroups, MakesALayersWeight) {
  Groups groups;
  Program program(R"(
    func.func @main(%q: tensor<2x12xi8>, %c: tensor<3x2xi32>, %s: tensor<3x3xi8>, %z: tensor<3x3xi8>) -> tensor<2x3xf32> {
      %xs = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
      %ws = arith.constant dense<[[1.0], [2.0], [0.5]]> : tensor<3x1xf32>
      %w = ptq.expand_groups %c, %s, %z {bits = 4} : (tensor<3x2xi32>, tensor<3x3xi8>, tensor<3x3xi8>) -> tensor<3x12xi8>
      %y = ptq.integer_linear %q, %xs, %w, %ws
             {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>, layer = "a",
              weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
           : (tensor<2x12xi8>, tensor<2xf32>, tensor<3x12xi8>, tensor<3x1xf32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    })");
  std::vector<int8_t> q;
  for (int i = 0; i < 24; ++i)
    q.push_back(static_cast<int8_t>(i * 11 - 128));
  auto y = program.run({program.tensor("tensor<2x12xi8>", q),
                        program.tensor("tensor<3x2xi32>", groups.words),
                        program.tensor("tensor<3x3xi8>", groups.scales),
                        program.tensor("tensor<3x3xi8>", groups.zeroPoints)});
  const float inputScales[] = {0.5f, 0.25f}, weightScales[] = {1.0f, 2.0f, 0.5f};
  for (int m = 0; m < 2; ++m)
    for (int n = 0; n < 3; ++n) {
      int sum = 0;
      for (int k = 0; k < 12; ++k)
        sum += q[m * 12 + k] * groups.expected(n * 12 + k);
      EXPECT_EQ(y[0].as<float>()[m * 3 + n], float(sum) * weightScales[n] * inputScales[m]);
    }
}

} // namespace

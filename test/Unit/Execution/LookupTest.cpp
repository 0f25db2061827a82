// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq.lookup_dequantize and the runtime's call for it: element types, offsets, operands of dynamic
// shape that do not fit.

#include "Run.h"

#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/Packing.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

namespace {

/// 3 rows of 11 codes of 3 bits in groups of 4, by the definition.
struct Lookup {
  static constexpr int rows = 3, columns = 11, groupSize = 4, groups = 3;
  std::vector<int8_t> codes;
  std::vector<float> table = randomFloats(8, 4), scales = randomFloats(rows * groups, 5);
  std::vector<uint32_t> words;
  float offset = 0.4f;

  Lookup() {
    for (int i = 0; i < rows * columns; ++i)
      codes.push_back(static_cast<int8_t>((i * 5 + i / 7) % 8 - 4));
    words = numerics::packCodes(codes, rows, columns, 3);
  }
  template <typename T> T expected(int i) const {
    T product = T(table[codes[i] + 4]) * T(scales[i / columns * groups + i % columns / groupSize]);
    return product + T(offset);
  }
  std::vector<Tensor> operands(Program &program) const {
    return {program.tensor("tensor<3x2xi32>", words), program.tensor("tensor<8xf32>", table),
            program.tensor("tensor<3x3xf32>", scales), program.tensor("tensor<1xf32>", {offset})};
  }
};

std::string functionOf(const std::string &element) {
  return R"(
    func.func @main(%c: tensor<3x2xi32>, %t: tensor<8xf32>, %s: tensor<3x3xf32>, %o: tensor<1xf32>) -> tensor<3x11x)" +
         element + R"(> {
      %w = ptq.lookup_dequantize %c, %t, %s offset %o {bits = 3, group_size = 4}
         : (tensor<3x2xi32>, tensor<8xf32>, tensor<3x3xf32>, tensor<1xf32>) -> tensor<3x11x)" +
         element + R"(>
      return %w : tensor<3x11x)" +
         element + R"(>
    })";
}

TEST(Lookup, InFloat) {
  Lookup lookup;
  Program program(functionOf("f32"));
  auto y = program.run(lookup.operands(program));
  for (int i = 0; i < lookup.rows * lookup.columns; ++i)
    EXPECT_EQ(y[0].as<float>()[i], lookup.expected<float>(i)) << i;
}

TEST(Lookup, InDouble) {
  Lookup lookup;
  Program program(functionOf("f64"));
  auto y = program.run(lookup.operands(program));
  for (int i = 0; i < lookup.rows * lookup.columns; ++i)
    EXPECT_EQ(y[0].as<double>()[i], lookup.expected<double>(i)) << i;
}

TEST(Lookup, RoundsOnceToNarrowTypes) {
  Lookup lookup;
  for (std::string type : {"f16", "bf16"}) {
    Program program(functionOf(type));
    auto y = program.run(lookup.operands(program));
    for (int i = 0; i < lookup.rows * lookup.columns; ++i) {
      float exact = lookup.expected<float>(i);
      EXPECT_EQ(y[0].as<uint16_t>()[i],
                type == "f16" ? checkpoint::floatToHalf(exact) : checkpoint::floatToBFloat16(exact))
          << type << " " << i;
    }
  }
}

TEST(Lookup, OperandsThatDoNotFit) {
  Program program(R"(
    func.func @main(%c: tensor<?x?xi32>, %t: tensor<?xf32>, %s: tensor<?x?xf32>) -> tensor<3x11xf32> {
      %w = ptq.lookup_dequantize %c, %t, %s {bits = 3, group_size = 4}
         : (tensor<?x?xi32>, tensor<?xf32>, tensor<?x?xf32>) -> tensor<3x11xf32>
      return %w : tensor<3x11xf32>
    })");
  Lookup lookup;
  auto error = [&](int broken) {
    std::vector<Tensor> operands = lookup.operands(program);
    operands.pop_back();
    if (broken == 0)
      operands[0] = program.tensor("tensor<3x1xi32>", std::vector<int32_t>(3));
    if (broken == 1)
      operands[1] = program.tensor("tensor<4xf32>", std::vector<float>(4));
    if (broken == 2)
      operands[2] = program.tensor("tensor<3x2xf32>", std::vector<float>(6));
    return program.error({operands});
  };
  EXPECT_NE(error(0).find("needs 6 words, has 3"), std::string::npos) << error(0);
  EXPECT_NE(error(1).find("needs 8 entries, has 4"), std::string::npos) << error(1);
  EXPECT_NE(error(2).find("needs 9 scales, has 6"), std::string::npos) << error(2);
}

TEST(Lookup, RuntimeCallSaysWhatDoesNotFit) {
  Lookup lookup;
  auto error = [&](int columns, int bits, int groupSize) {
    Program program(R"(
      func.func private @ptq_rt_lookup_dequantize(tensor<?x?xi32>, tensor<?xf32>, tensor<?x?xf32>, tensor<?xf32>, i32, i32, i32) -> tensor<?x?xf32>
      func.func @main(%c: tensor<?x?xi32>, %t: tensor<?xf32>, %s: tensor<?x?xf32>, %o: tensor<?xf32>) -> tensor<?x?xf32> {
        %columns = arith.constant )" +
                    std::to_string(columns) + R"( : i32
        %bits = arith.constant )" +
                    std::to_string(bits) + R"( : i32
        %group = arith.constant )" +
                    std::to_string(groupSize) + R"( : i32
        %w = call @ptq_rt_lookup_dequantize(%c, %t, %s, %o, %columns, %bits, %group) : (tensor<?x?xi32>, tensor<?xf32>, tensor<?x?xf32>, tensor<?xf32>, i32, i32, i32) -> tensor<?x?xf32>
        return %w : tensor<?x?xf32>
      })");
    return program.error({lookup.operands(program)});
  };
  auto expect = [&](const std::string &message, const char *part) {
    EXPECT_NE(message.find(part), std::string::npos)
        << "'" << message << "' lacks '" << part << "'";
  };
  expect(error(40, 3, 4), "words of the codes have 6 elements instead of 12");
  expect(error(11, 2, 4), "words of the codes have 6 elements instead of 3");
  expect(error(16, 4, 4), "entries of the table have 8 elements instead of 16");
  expect(error(11, 3, 2), "scales have 9 elements instead of 18");
  expect(error(11, 9, 4), "2 to 8 bits, not 9");
  expect(error(11, 3, 0), "groups of 0");
  expect(error(-1, 3, 4), "no -1 columns");
}

} // namespace

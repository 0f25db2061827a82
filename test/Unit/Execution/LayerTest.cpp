// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptq operations: linear layers in every precision, packed weights, quantize and dequantize.

#include "Run.h"

#include "ptq/Checkpoint/Float16.h"
#include "ptq/Numerics/Packing.h"
#include <cmath>

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

/// y = x·wᵀ + b.
static std::vector<float> linear(const std::vector<float> &x, const std::vector<float> &w,
                                 const std::vector<float> &b, int in, int out) {
  std::vector<float> y(x.size() / in * out);
  for (size_t i = 0; i != y.size(); ++i) {
    double sum = b.empty() ? 0 : b[i % out];
    for (int k = 0; k != in; ++k)
      sum += double(x[i / out * in + k]) * w[i % out * in + k];
    y[i] = sum;
  }
  return y;
}

TEST(Layers, Linear) {
  Program program(R"(
    func.func @main(%x: tensor<2x3x8xf32>, %w: tensor<5x8xf32>, %b: tensor<5xf32>) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
      %y = ptq.linear %x, %w : (tensor<2x3x8xf32>, tensor<5x8xf32>) -> tensor<2x3x5xf32>
      %z = ptq.linear %x, %w bias %b : (tensor<2x3x8xf32>, tensor<5x8xf32>, tensor<5xf32>) -> tensor<2x3x5xf32>
      return %y, %z : tensor<2x3x5xf32>, tensor<2x3x5xf32>
    })");
  auto x = randomFloats(48, 1), w = randomFloats(40, 2), b = randomFloats(5, 3);
  auto y = program.run({program.tensor("tensor<2x3x8xf32>", x),
                        program.tensor("tensor<5x8xf32>", w), program.tensor("tensor<5xf32>", b)});
  ASSERT_EQ(y.size(), 2u);
  expectNear(y[0], linear(x, w, {}, 8, 5));
  expectNear(y[1], linear(x, w, b, 8, 5));
}

TEST(Layers, NarrowLinearRoundsOnce) {
  for (std::string type : {"f16", "bf16"}) {
    std::string x = "tensor<6x8x" + type + ">", w = "tensor<5x8x" + type + ">",
                b = "tensor<5x" + type + ">", y = "tensor<6x5x" + type + ">";
    Program program("func.func @main(%x: " + x + ", %w: " + w + ", %b: " + b + ") -> " + y +
                    " {\n%y = ptq.linear %x, %w bias %b : (" + x + ", " + w + ", " + b + ") -> " +
                    y + "\nreturn %y : " + y + "\n}");
    auto narrow = [&](float value) {
      return type == "f16" ? checkpoint::floatToHalf(value) : checkpoint::floatToBFloat16(value);
    };
    auto widen = [&](uint16_t bits) {
      return type == "f16" ? checkpoint::halfToFloat(bits) : checkpoint::bfloat16ToFloat(bits);
    };
    auto tensorOf = [&](const std::string &typeText, std::vector<float> &values) {
      std::vector<uint16_t> bits;
      for (float &value : values) {
        bits.push_back(narrow(value));
        value = widen(bits.back());
      }
      return program.tensor(typeText, bits);
    };
    // Multiples of 1/8: all sums are exact in float32.
    std::vector<float> xs(48), ws(40), bs(5);
    for (int i = 0; i != 48; ++i)
      xs[i] = (i * 5 % 17 - 8) / 8.f;
    for (int i = 0; i != 40; ++i)
      ws[i] = (i * 7 % 13 - 6) / 8.f;
    for (int i = 0; i != 5; ++i)
      bs[i] = 100.125f + i;
    auto result = program.run({tensorOf(x, xs), tensorOf(w, ws), tensorOf(b, bs)});
    ASSERT_EQ(result.size(), 1u);
    auto expected = linear(xs, ws, bs, 8, 5);
    for (int i = 0; i != 30; ++i)
      EXPECT_EQ(result[0].as<uint16_t>()[i], narrow(expected[i])) << type << " " << i;
  }
}

TEST(Layers, DoubleLinear) {
  Program program(R"(
    func.func @main(%x: tensor<1x2xf64>, %w: tensor<1x2xf64>, %b: tensor<1xf64>) -> tensor<1x1xf64> {
      %y = ptq.linear %x, %w bias %b : (tensor<1x2xf64>, tensor<1x2xf64>, tensor<1xf64>) -> tensor<1x1xf64>
      return %y : tensor<1x1xf64>
    })");
  std::vector<double> x{1, 0x1p-40}, w{1, 1}, b{0x1p-50};
  auto y = program.run({program.tensor("tensor<1x2xf64>", x), program.tensor("tensor<1x2xf64>", w),
                        program.tensor("tensor<1xf64>", b)});
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].as<double>()[0], 1 + 0x1p-40 + 0x1p-50);
}

/// All granularities, with zero points and a group index.
static void checkWeightOnly(const std::string &scheme, int bits, int scaleRows, int groups,
                            bool asymmetric, bool indexed) {
  const int in = 12, out = 3;
  std::string words = std::to_string(numerics::packedWords(in, bits));
  std::string scales =
      "tensor<" + std::to_string(scaleRows) + "x" + std::to_string(groups) + "xf32>";
  std::string zeros = "tensor<" + std::to_string(scaleRows) + "x" + std::to_string(groups) + "xi8>";
  std::string arguments = "%x: tensor<4x12xf32>, %q: tensor<3x" + words + "xi32>, %s: " + scales;
  std::string operands = "%x, %q, %s",
              types = "tensor<4x12xf32>, tensor<3x" + words + "xi32>, " + scales;
  if (asymmetric) {
    arguments += ", %z: " + zeros;
    operands += " zero_points %z";
    types += ", " + zeros;
  }
  if (indexed) {
    arguments += ", %g: tensor<12xi32>";
    operands += " group_index %g";
    types += ", tensor<12xi32>";
  }
  Program program("func.func @main(" + arguments +
                  ") -> tensor<4x3xf32> {\n%y = ptq.weight_only_linear " + operands +
                  " {scheme = " + scheme + "} : (" + types +
                  ") -> tensor<4x3xf32>\nreturn %y : tensor<4x3xf32>\n}");
  std::vector<int8_t> codes(in * out);
  for (int i = 0; i != in * out; ++i)
    codes[i] = (i * 7 + 3) % (1 << bits) - (1 << (bits - 1));
  std::vector<float> scaleValues(scaleRows * groups);
  std::vector<int8_t> zeroValues(scaleRows * groups);
  for (size_t i = 0; i != scaleValues.size(); ++i) {
    scaleValues[i] = 0.25f + i * 0.125f;
    zeroValues[i] = asymmetric ? int(i % 3) - 1 : 0;
  }
  std::vector<int32_t> index(in);
  for (int k = 0; k != in; ++k)
    index[k] = indexed ? (k * 5) % groups : k * groups / in;
  std::vector<float> w(in * out);
  for (int n = 0; n != out; ++n)
    for (int k = 0; k != in; ++k) {
      int at = (scaleRows == 1 ? 0 : n * groups) + index[k];
      w[n * in + k] = (codes[n * in + k] - zeroValues[at]) * scaleValues[at];
    }
  auto packed = numerics::packCodes(codes, out, in, bits);
  auto x = randomFloats(48);
  std::vector<Tensor> inputs{program.tensor("tensor<4x12xf32>", x),
                             program.tensor("tensor<3x" + words + "xi32>", packed),
                             program.tensor(scales, scaleValues)};
  if (asymmetric)
    inputs.push_back(program.tensor(zeros, zeroValues));
  if (indexed)
    inputs.push_back(program.tensor("tensor<12xi32>", index));
  auto y = program.run(inputs);
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], linear(x, w, {}, in, out));
}

TEST(Layers, WeightOnlyLinear) {
  checkWeightOnly("#ptq.scheme<bits = 4, symmetric, per_group(4)>", 4, 3, 3, false, false);
  checkWeightOnly("#ptq.scheme<bits = 4, symmetric, per_group(4)>", 4, 3, 3, false, true);
  checkWeightOnly("#ptq.scheme<bits = 3, asymmetric, per_group(6)>", 3, 3, 2, true, false);
  checkWeightOnly("#ptq.scheme<bits = 8, asymmetric, per_channel>", 8, 3, 1, true, false);
  checkWeightOnly("#ptq.scheme<bits = 8, symmetric, per_tensor>", 8, 1, 1, false, false);
}

TEST(Layers, GroupIndexOutOfRange) {
  Program program(R"(
    func.func @main(%x: tensor<1x8xf32>, %q: tensor<1x1xi32>, %s: tensor<1x2xf32>, %g: tensor<8xi32>) -> tensor<1x1xf32> {
      %y = ptq.weight_only_linear %x, %q, %s group_index %g {scheme = #ptq.scheme<bits = 4, symmetric, per_group(4)>}
        : (tensor<1x8xf32>, tensor<1x1xi32>, tensor<1x2xf32>, tensor<8xi32>) -> tensor<1x1xf32>
      return %y : tensor<1x1xf32>
    })");
  std::vector<int32_t> index{0, 1, 0, 1, 0, 1, 0, 2};
  std::string error = program.error(std::vector<Tensor>{
      program.tensor("tensor<1x8xf32>", randomFloats(8)),
      program.tensor("tensor<1x1xi32>", std::vector<int32_t>{0}),
      program.tensor("tensor<1x2xf32>", {1, 1}), program.tensor("tensor<8xi32>", index)});
  EXPECT_NE(error.find("group_index[7] is 2"), std::string::npos) << error;
}

static const char *const sparseLayer = R"(
  func.func @main(%x: tensor<4x8xf32>, %q: tensor<3x1xi32>, %s: tensor<3x1xf32>, %o: tensor<4xi32>, %c: tensor<4xi32>, %v: tensor<4xf16>) -> tensor<4x3xf32> {
    %y = ptq.weight_only_linear %x, %q, %s sparse(%o, %c, %v) {layer = "up", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
      : (tensor<4x8xf32>, tensor<3x1xi32>, tensor<3x1xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xf16>) -> tensor<4x3xf32>
    return %y : tensor<4x3xf32>
  })";

/// The inputs of sparseLayer; its values are 1.5, -2, 0.25 and 8 in float16.
static std::vector<Tensor> sparseInputs(Program &program, const std::vector<float> &x,
                                        const std::vector<int8_t> &codes,
                                        const std::vector<int32_t> &offsets,
                                        const std::vector<int32_t> &columns) {
  return {program.tensor("tensor<4x8xf32>", x),
          program.tensor("tensor<3x1xi32>", numerics::packCodes(codes, 3, 8, 4)),
          program.tensor("tensor<3x1xf32>", {0.25f, 0.5f, 2}),
          program.tensor("tensor<4xi32>", offsets),
          program.tensor("tensor<4xi32>", columns),
          program.tensor("tensor<4xf16>", std::vector<uint16_t>{0x3E00, 0xC000, 0x3400, 0x4800})};
}

TEST(Layers, SparsePartIsAdded) {
  Program program(sparseLayer);
  std::vector<int8_t> codes(24);
  for (int i = 0; i != 24; ++i)
    codes[i] = i * 7 % 16 - 8;
  const float scales[] = {0.25f, 0.5f, 2};
  std::vector<float> w(24), x = randomFloats(32);
  for (int i = 0; i != 24; ++i)
    w[i] = codes[i] * scales[i / 8];
  // The second row has none.
  w[0] += 1.5f;
  w[7] -= 2;
  w[16 + 2] += 0.25f;
  w[16 + 6] += 8;
  auto y = program.run(sparseInputs(program, x, codes, {0, 2, 2, 4}, {0, 7, 2, 6}));
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], linear(x, w, {}, 8, 3));
}

TEST(Layers, SparsePartThatIsNone) {
  Program program(sparseLayer);
  auto error = [&](const std::vector<int32_t> &offsets, const std::vector<int32_t> &columns) {
    return program.error(
        sparseInputs(program, randomFloats(32), std::vector<int8_t>(24), offsets, columns));
  };
  auto has = [](const std::string &text, const char *part) {
    return text.find(part) != std::string::npos;
  };
  std::string descending = error({0, 1000, 2, 4}, {0, 7, 2, 6});
  EXPECT_TRUE(has(descending, "must not descend")) << descending;
  std::string shorter = error({0, 2, 2, 3}, {0, 7, 2, 6});
  EXPECT_TRUE(has(shorter, "end with the number of values")) << shorter;
  std::string negative = error({0, -1, 2, 4}, {0, 7, 2, 6});
  EXPECT_TRUE(has(negative, "must not descend")) << negative;
  std::string beyond = error({0, 2, 2, 4}, {0, 8, 2, 6});
  EXPECT_TRUE(has(beyond, "must ascend and be below 8")) << beyond;
  std::string twice = error({0, 2, 2, 4}, {0, 7, 6, 6});
  EXPECT_TRUE(has(twice, "must ascend")) << twice;
}

TEST(Layers, QuantizeAndDequantizePerToken) {
  Program program(R"(
    func.func @main(%x: tensor<2x4xf32>, %s: tensor<2xf32>, %z: tensor<2xi8>) -> (tensor<2x4xi8>, tensor<2x4xf32>) {
      %q = ptq.quantize %x, %s zero_points %z {scheme = #ptq.scheme<bits = 8, asymmetric, per_token>}
        : (tensor<2x4xf32>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x4xi8>
      %y = ptq.dequantize %q, %s zero_points %z {scheme = #ptq.scheme<bits = 8, asymmetric, per_token>}
        : (tensor<2x4xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x4xf32>
      return %q, %y : tensor<2x4xi8>, tensor<2x4xf32>
    })");
  float nan = std::nanf("");
  auto y = program.run(
      {program.tensor("tensor<2x4xf32>", {0.25f, 0.75f, -0.25f, 1000, 5, nan, -1000, 3}),
       program.tensor("tensor<2xf32>", {0.5f, 2}),
       program.tensor("tensor<2xi8>", std::vector<int8_t>{3, -7})});
  ASSERT_EQ(y.size(), 2u);
  // 0.5, 1.5 and −0.5 are ties: to even; 2.5 → 2, 1.5 → 2.
  EXPECT_EQ(y[0].as<int8_t>().vec(), (std::vector<int8_t>{3, 5, 3, 127, -5, -7, -128, -5}));
  expectNear(y[1], {0, 1, 0, 62, 4, 0, -242, 4}, 0);
}

// Without zero points rows of bytes go a shorter way.
TEST(Layers, DequantizeRows) {
  struct {
    const char *granularity, *shape;
    std::vector<float> scales, values;
  } cases[] = {
      {"per_tensor", "1", {0.5f}, {1, -64, 63.5f, 0, 1.5f, 2}},
      {"per_channel", "2", {0.5f, 2}, {1, -64, 63.5f, 0, 6, 8}},
      {"per_token", "2", {3, 2}, {6, -384, 381, 0, 6, 8}},
      {"per_group(3)", "2x1", {3, 2}, {6, -384, 381, 0, 6, 8}},
  };
  for (auto &c : cases) {
    std::string scales = std::string("tensor<") + c.shape + "xf32>";
    Program program("func.func @main(%q: tensor<2x3xi8>, %s: " + scales +
                    ") -> tensor<2x3xf32> { %y = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits "
                    "= 8, symmetric, " +
                    c.granularity + ">} : (tensor<2x3xi8>, " + scales +
                    ") -> tensor<2x3xf32> return %y : tensor<2x3xf32> }");
    auto y =
        program.run({program.tensor("tensor<2x3xi8>", std::vector<int8_t>{2, -128, 127, 0, 3, 4}),
                     program.tensor(scales, c.scales)});
    ASSERT_EQ(y.size(), 1u) << c.granularity;
    expectNear(y[0], c.values, 0);
  }
}

TEST(Layers, QuantizeGranularities) {
  // The scale of each element is visible in its code: x = 64 everywhere.
  struct {
    const char *granularity, *shape;
    std::vector<float> scales;
    std::vector<int8_t> codes;
  } cases[] = {{"per_tensor", "1", {2}, {32, 32, 32, 32, 32, 32, 32, 32}},
               {"per_channel", "2", {1, 2}, {64, 64, 64, 64, 32, 32, 32, 32}},
               {"per_token", "2", {4, 8}, {16, 16, 16, 16, 8, 8, 8, 8}},
               {"per_group(2)", "2x2", {1, 2, 4, 8}, {64, 64, 32, 32, 16, 16, 8, 8}}};
  for (auto &each : cases) {
    std::string scales = std::string("tensor<") + each.shape + "xf32>";
    Program program("func.func @main(%x: tensor<2x4xf32>, %s: " + scales +
                    ") -> tensor<2x4xi8> {\n%q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = "
                    "8, symmetric, " +
                    each.granularity + ">} : (tensor<2x4xf32>, " + scales +
                    ") -> tensor<2x4xi8>\nreturn %q : tensor<2x4xi8>\n}");
    auto q = program.run({program.tensor("tensor<2x4xf32>", std::vector<float>(8, 64.f)),
                          program.tensor(scales, each.scales)});
    ASSERT_EQ(q.size(), 1u);
    EXPECT_EQ(q[0].as<int8_t>().vec(), each.codes) << each.granularity;
  }
}

TEST(Layers, FourBitElements) {
  Program program(R"(
    func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xi32>) {
      %s = arith.constant dense<1.0> : tensor<1xf32>
      %q = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_tensor>} : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xi4>
      %y = ptq.dequantize %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_tensor>} : (tensor<4xi4>, tensor<1xf32>) -> tensor<4xf32>
      %w = arith.extsi %q : tensor<4xi4> to tensor<4xi32>
      return %y, %w : tensor<4xf32>, tensor<4xi32>
    })");
  auto y = program.run({program.tensor("tensor<4xf32>", {-9, -1, 3, 12})});
  ASSERT_EQ(y.size(), 2u);
  expectNear(y[0], {-8, -1, 3, 7}, 0);
  EXPECT_EQ(y[1].as<int32_t>().vec(), (std::vector<int32_t>{-8, -1, 3, 7}));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled kernels: elementwise operations, broadcasts, reductions, gathers, 16-bit arithmetic.

#include "Run.h"

#include "ptq/Checkpoint/Float16.h"
#include <cmath>

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

TEST(Loops, BroadcastsByMaps) {
  Program program(R"(
    func.func @main(%x: tensor<3x4xf32>, %row: tensor<4xf32>, %column: tensor<3x1xf32>) -> tensor<3x4xf32> {
      %e = tensor.empty() : tensor<3x4xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
                                            affine_map<(i, j) -> (i, 0)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%x, %row, %column : tensor<3x4xf32>, tensor<4xf32>, tensor<3x1xf32>) outs(%e : tensor<3x4xf32>) {
      ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
        %p = arith.mulf %a, %b : f32
        %s = arith.subf %p, %c : f32
        linalg.yield %s : f32
      } -> tensor<3x4xf32>
      return %y : tensor<3x4xf32>
    })");
  auto x = randomFloats(12), row = randomFloats(4, 2), column = randomFloats(3, 3);
  auto y = program.run({program.tensor("tensor<3x4xf32>", x), program.tensor("tensor<4xf32>", row),
                        program.tensor("tensor<3x1xf32>", column)});
  std::vector<float> expected;
  for (int i = 0; i != 3; ++i)
    for (int j = 0; j != 4; ++j)
      expected.push_back(x[i * 4 + j] * row[j] - column[i]);
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], expected);
}

TEST(Loops, IndicesAndIntegers) {
  Program program(R"(
    func.func @main() -> tensor<3x5xi64> {
      %e = tensor.empty() : tensor<3x5xi64>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
          outs(%e : tensor<3x5xi64>) {
      ^bb0(%o: i64):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %a = arith.index_cast %i : index to i64
        %b = arith.index_cast %j : index to i64
        %c10 = arith.constant 10 : i64
        %t = arith.muli %a, %c10 : i64
        %s = arith.addi %t, %b : i64
        linalg.yield %s : i64
      } -> tensor<3x5xi64>
      return %y : tensor<3x5xi64>
    })");
  auto y = program.run({});
  ASSERT_EQ(y.size(), 1u);
  for (int i = 0; i != 15; ++i)
    EXPECT_EQ(y[0].as<int64_t>()[i], i / 5 * 10 + i % 5);
}

/// One math function over all elements, in f32 and f64.
static void checkMath(const char *operation, double (*expected)(double), double from, double to) {
  for (const char *type : {"f32", "f64"}) {
    std::string t = type;
    Program program("func.func @main(%x: tensor<1003x" + t + ">) -> tensor<1003x" + t +
                    "> {\n %y = " + operation + " %x : tensor<1003x" + t +
                    ">\n return %y : tensor<1003x" + t + ">\n}");
    std::vector<double> x(1003);
    for (size_t i = 0; i != x.size(); ++i)
      x[i] = from + (to - from) * i / 1002;
    std::vector<float> x32(x.begin(), x.end());
    bool isFloat = t == "f32";
    auto y = program.run({isFloat ? program.tensor("tensor<1003xf32>", x32)
                                  : program.tensor("tensor<1003xf64>", x)});
    ASSERT_EQ(y.size(), 1u);
    for (size_t i = 0; i != x.size(); ++i) {
      double reference = expected(isFloat ? x32[i] : x[i]);
      double value = isFloat ? y[0].as<float>()[i] : y[0].as<double>()[i];
      double ulp = isFloat ? 0x1p-23 : 0x1p-52;
      ASSERT_LE(std::abs(value - reference), 6 * ulp * std::max(std::abs(reference), 1e-30))
          << operation << " " << type << " of " << x[i];
    }
  }
}

TEST(Loops, MathFunctions) {
  checkMath("math.exp", std::exp, -20, 20);
  checkMath("math.tanh", std::tanh, -5, 5);
  checkMath("math.erf", std::erf, -4, 4);
  checkMath("math.log", std::log, 0.01, 50);
  checkMath("math.sqrt", std::sqrt, 0, 50);
  checkMath("math.absf", std::fabs, -3, 3);
  checkMath("math.cos", std::cos, -1.5, 1.5);
  checkMath("math.rsqrt", [](double x) { return 1 / std::sqrt(x); }, 0.01, 50);
  checkMath("arith.negf", [](double x) { return -x; }, -3, 3);
}

TEST(Loops, Powers) {
  Program program(R"(
    func.func @main(%x: tensor<7xf32>, %n: tensor<7xi32>) -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>) {
      %e = tensor.empty() : tensor<7xf32>
      %y:4 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>,
                                              affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                             iterator_types = ["parallel"]}
          ins(%x, %n : tensor<7xf32>, tensor<7xi32>)
          outs(%e, %e, %e, %e : tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>) {
      ^bb0(%a: f32, %b: i32, %o0: f32, %o1: f32, %o2: f32, %o3: f32):
        %c5 = arith.constant 5 : i64
        %c0 = arith.constant 0 : i32
        %m3 = arith.constant -3 : i32
        %p = math.fpowi %a, %c5 : f32, i64
        %q = math.fpowi %a, %m3 : f32, i32
        %r = math.fpowi %a, %c0 : f32, i32
        %s = math.fpowi %a, %b : f32, i32
        linalg.yield %p, %q, %r, %s : f32, f32, f32, f32
      } -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>)
      return %y#0, %y#1, %y#2, %y#3 : tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>
    })");
  std::vector<float> x{-3, -0.5, 0.25, 1, 1.5, 2, 7};
  std::vector<int32_t> n{3, 2, -2, 9, 0, -1, 4};
  auto y = program.run({program.tensor("tensor<7xf32>", x), program.tensor("tensor<7xi32>", n)});
  ASSERT_EQ(y.size(), 4u);
  for (int i = 0; i != 7; ++i) {
    EXPECT_FLOAT_EQ(y[0].as<float>()[i], std::pow(x[i], 5.f));
    EXPECT_FLOAT_EQ(y[1].as<float>()[i], std::pow(x[i], -3.f));
    EXPECT_FLOAT_EQ(y[2].as<float>()[i], 1);
    EXPECT_FLOAT_EQ(y[3].as<float>()[i], std::pow(x[i], float(n[i])));
  }
}

/// A reduction of tensor<5x6x37xf32> over one dimension, started from 1.
static void checkReduction(unsigned dim, const char *combine, float (*expected)(float, float)) {
  const int sizes[] = {5, 6, 37};
  std::string loops[] = {"i", "j", "k"}, kept, shape, iterators;
  for (unsigned d = 0; d != 3; ++d) {
    iterators += std::string(d ? ", " : "") + (d == dim ? "\"reduction\"" : "\"parallel\"");
    if (d == dim)
      continue;
    kept += (kept.empty() ? "" : ", ") + loops[d];
    shape += std::to_string(sizes[d]) + "x";
  }
  std::string type = "tensor<" + shape + "f32>";
  Program program("func.func @main(%x: tensor<5x6x37xf32>) -> " + type + " {\n" +
                  "%one = arith.constant 1.0 : f32\n%e = tensor.empty() : " + type +
                  "\n%f = linalg.fill ins(%one : f32) outs(%e : " + type + ") -> " + type +
                  "\n%y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, "
                  "affine_map<(i, j, k) -> (" +
                  kept + ")>], iterator_types = [" + iterators +
                  "]} ins(%x : tensor<5x6x37xf32>) outs(%f : " + type +
                  ") {\n^bb0(%a: f32, %o: f32):\n%r = " + combine +
                  " %a, %o : f32\nlinalg.yield %r : f32\n} -> " + type + "\nreturn %y : " + type +
                  "\n}");
  auto x = randomFloats(5 * 6 * 37);
  auto y = program.run({program.tensor("tensor<5x6x37xf32>", x)});
  ASSERT_EQ(y.size(), 1u);
  std::vector<float> result(5 * 6 * 37 / sizes[dim], 1.f);
  for (int i = 0; i != 5; ++i)
    for (int j = 0; j != 6; ++j)
      for (int k = 0; k != 37; ++k) {
        int to = dim == 0 ? j * 37 + k : dim == 1 ? i * 37 + k : i * 6 + j;
        result[to] = expected(x[(i * 6 + j) * 37 + k], result[to]);
      }
  expectNear(y[0], result, 2e-6f);
}

TEST(Loops, ReductionsOverAnyDimension) {
  for (unsigned dim : {0, 1, 2}) {
    checkReduction(dim, "arith.addf", [](float a, float b) { return a + b; });
    checkReduction(dim, "arith.maximumf", [](float a, float b) { return std::max(a, b); });
  }
}

TEST(Loops, MaximumWithPosition) {
  Program program(R"(
    func.func @main(%x: tensor<4x50xf32>) -> (tensor<4xf32>, tensor<4xi64>) {
      %low = arith.constant 0xFF800000 : f32
      %zero = arith.constant 0 : i64
      %e = tensor.empty() : tensor<4xf32>
      %n = tensor.empty() : tensor<4xi64>
      %f = linalg.fill ins(%low : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
      %g = linalg.fill ins(%zero : i64) outs(%n : tensor<4xi64>) -> tensor<4xi64>
      %y:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>],
                             iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<4x50xf32>) outs(%f, %g : tensor<4xf32>, tensor<4xi64>) {
      ^bb0(%a: f32, %m: f32, %p: i64):
        %j = linalg.index 1 : index
        %at = arith.index_cast %j : index to i64
        %max = arith.maximumf %a, %m : f32
        %more = arith.cmpf ogt, %a, %m : f32
        %pos = arith.select %more, %at, %p : i64
        linalg.yield %max, %pos : f32, i64
      } -> (tensor<4xf32>, tensor<4xi64>)
      return %y#0, %y#1 : tensor<4xf32>, tensor<4xi64>
    })");
  auto x = randomFloats(200);
  auto y = program.run({program.tensor("tensor<4x50xf32>", x)});
  ASSERT_EQ(y.size(), 2u);
  for (int i = 0; i != 4; ++i) {
    auto *row = x.data() + i * 50;
    auto *largest = std::max_element(row, row + 50);
    EXPECT_EQ(y[0].as<float>()[i], *largest);
    EXPECT_EQ(y[1].as<int64_t>()[i], largest - row);
  }
}

TEST(Loops, NamedOperations) {
  Program program(R"(
    func.func @main(%x: tensor<3x4xf32>, %b: tensor<4xf32>) -> (tensor<3xf32>, tensor<3x4xf32>, tensor<3x4xf32>) {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<3xf32>
      %e2 = tensor.empty() : tensor<3x4xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
      %sum = linalg.reduce { arith.addf } ins(%x : tensor<3x4xf32>) outs(%f : tensor<3xf32>) dimensions = [1]
      %wide = linalg.broadcast ins(%b : tensor<4xf32>) outs(%e2 : tensor<3x4xf32>) dimensions = [0]
      %product = linalg.map { arith.mulf } ins(%x, %wide : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e2 : tensor<3x4xf32>)
      %more = linalg.add ins(%product, %x : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e2 : tensor<3x4xf32>) -> tensor<3x4xf32>
      return %sum, %product, %more : tensor<3xf32>, tensor<3x4xf32>, tensor<3x4xf32>
    })");
  auto x = randomFloats(12), b = randomFloats(4, 2);
  auto y = program.run({program.tensor("tensor<3x4xf32>", x), program.tensor("tensor<4xf32>", b)});
  ASSERT_EQ(y.size(), 3u);
  std::vector<float> sum(3), product(12), more(12);
  for (int i = 0; i != 12; ++i) {
    sum[i / 4] += x[i];
    product[i] = x[i] * b[i % 4];
    more[i] = product[i] + x[i];
  }
  expectNear(y[0], sum);
  expectNear(y[1], product);
  expectNear(y[2], more);
}

TEST(Loops, Softmax) {
  Program program(R"(
    func.func @main(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
      %e = tensor.empty() : tensor<2x3x4xf32>
      %a = linalg.softmax dimension(2) ins(%x : tensor<2x3x4xf32>) outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
      %b = linalg.softmax dimension(1) ins(%x : tensor<2x3x4xf32>) outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
      return %a, %b : tensor<2x3x4xf32>, tensor<2x3x4xf32>
    })");
  auto x = randomFloats(24);
  x[5] = 90; // exp(90) is infinite: the maximum must be taken off first
  auto y = program.run({program.tensor("tensor<2x3x4xf32>", x)});
  ASSERT_EQ(y.size(), 2u);
  std::vector<float> last(24), middle(24);
  for (int i = 0; i != 2; ++i)
    for (int j = 0; j != 3; ++j)
      for (int k = 0; k != 4; ++k) {
        double overLast = 0, overMiddle = 0;
        for (int n = 0; n != 4; ++n)
          overLast += std::exp(double(x[(i * 3 + j) * 4 + n]) - x[(i * 3 + j) * 4 + k]);
        for (int n = 0; n != 3; ++n)
          overMiddle += std::exp(double(x[(i * 3 + n) * 4 + k]) - x[(i * 3 + j) * 4 + k]);
        last[(i * 3 + j) * 4 + k] = 1 / overLast;
        middle[(i * 3 + j) * 4 + k] = 1 / overMiddle;
      }
  expectNear(y[0], last, 1e-6f);
  expectNear(y[1], middle, 1e-6f);
}

static const char *const gather = R"(
    func.func @main(%ids: tensor<2x3xi64>, %table: tensor<5x4xf32>) -> tensor<2x3x4xf32> {
      %c0 = arith.constant 0 : i64
      %c5 = arith.constant 5 : index
      %e = tensor.empty() : tensor<2x3x4xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j)>, affine_map<(i, j, k) -> (i, j, k)>],
                           iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%ids : tensor<2x3xi64>) outs(%e : tensor<2x3x4xf32>) {
      ^bb0(%id: i64, %o: f32):
        %at = arith.index_cast %id : i64 to index
        %k = linalg.index 2 : index
        %below = arith.cmpi slt, %at, %c5 : index
        cf.assert %below, "id must be smaller than the table"
        %positive = arith.cmpi sge, %id, %c0 : i64
        cf.assert %positive, "id must not be negative"
        %v = tensor.extract %table[%at, %k] : tensor<5x4xf32>
        linalg.yield %v : f32
      } -> tensor<2x3x4xf32>
      return %y : tensor<2x3x4xf32>
    })";

TEST(Loops, Gather) {
  Program program(gather);
  auto table = randomFloats(20);
  std::vector<int64_t> ids{4, 0, 3, 1, 1, 2};
  auto y = program.run(
      {program.tensor("tensor<2x3xi64>", ids), program.tensor("tensor<5x4xf32>", table)});
  ASSERT_EQ(y.size(), 1u);
  for (int i = 0; i != 24; ++i)
    EXPECT_EQ(y[0].as<float>()[i], table[ids[i / 4] * 4 + i % 4]);
}

TEST(Loops, GatherOutOfRange) {
  Program program(gather);
  auto table = program.tensor("tensor<5x4xf32>", randomFloats(20));
  for (auto [id, message] :
       {std::pair<int64_t, std::string>(5, "id must be smaller than the table"),
        {-1, "id must not be negative"},
        {INT64_MAX, "id must be smaller than the table"}}) {
    std::vector<int64_t> ids{0, 1, 2, id, 4, 0};
    std::string error =
        program.error(std::vector<Tensor>{program.tensor("tensor<2x3xi64>", ids), table});
    // The bounds of tensor.extract are checked as well; the first check that fails is reported.
    EXPECT_NE(error.find(message), std::string::npos) << error;
    EXPECT_NE(error.find("test.mlir:"), std::string::npos) << error;
  }
}

TEST(Loops, IntegerDivision) {
  Program program(R"(
    func.func @main(%x: tensor<4xi32>, %y: tensor<4xi32>) -> tensor<4xi32> {
      %z = arith.divsi %x, %y : tensor<4xi32>
      return %z : tensor<4xi32>
    })");
  std::vector<int32_t> x{7, -7, INT32_MIN, 9}, y{2, 2, 1, -4}, zero{1, 0, 1, 1},
      overflow{1, 1, -1, 1};
  auto z = program.run({program.tensor("tensor<4xi32>", x), program.tensor("tensor<4xi32>", y)});
  ASSERT_EQ(z.size(), 1u);
  for (int i = 0; i != 4; ++i)
    EXPECT_EQ(z[0].as<int32_t>()[i], x[i] / y[i]);
  for (auto &divisor : {zero, overflow}) {
    std::string error = program.error(std::vector<Tensor>{
        program.tensor("tensor<4xi32>", x), program.tensor("tensor<4xi32>", divisor)});
    EXPECT_NE(error.find("integer division by zero or overflow"), std::string::npos) << error;
  }
}

/// x·y + z, with a rounding after each operation.
template <typename Widen, typename Narrow>
static void checkNarrowFloats(const char *type, Widen widen, Narrow narrow) {
  std::string t = std::string("tensor<99x") + type + ">";
  Program program("func.func @main(%x: " + t + ", %y: " + t + ", %z: " + t + ") -> " + t +
                  " {\n%p = arith.mulf %x, %y : " + t + "\n%s = arith.addf %p, %z : " + t +
                  "\nreturn %s : " + t + "\n}");
  auto x = randomFloats(99, 1), y = randomFloats(99, 2), z = randomFloats(99, 3);
  std::vector<uint16_t> bits[3];
  for (int i = 0; i != 99; ++i) {
    bits[0].push_back(narrow(x[i] * 100));
    bits[1].push_back(narrow(y[i]));
    bits[2].push_back(narrow(z[i]));
  }
  auto s = program.run(
      {program.tensor(t, bits[0]), program.tensor(t, bits[1]), program.tensor(t, bits[2])});
  ASSERT_EQ(s.size(), 1u);
  for (int i = 0; i != 99; ++i) {
    float product = widen(narrow(widen(bits[0][i]) * widen(bits[1][i])));
    EXPECT_EQ(s[0].as<uint16_t>()[i], narrow(product + widen(bits[2][i]))) << i;
  }
}

/// √(x·x + y) + x in one body, among which is a function.
template <typename Widen, typename Narrow>
static void checkNarrowBody(std::string type, Widen widen, Narrow narrow) {
  std::string t = "tensor<99x" + type + ">";
  Program program("#map = affine_map<(d0) -> (d0)>\nfunc.func @main(%x: " + t + ", %y: " + t +
                  ") -> " + t + " {\n%e = tensor.empty() : " + t +
                  "\n%z = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = "
                  "[\"parallel\"]} ins(%x, %y : " +
                  t + ", " + t + ") outs(%e : " + t + ") {\n^bb0(%a: " + type + ", %b: " + type +
                  ", %o: " + type + "):\n%p = arith.mulf %a, %a : " + type +
                  "\n%s = arith.addf %p, %b : " + type + "\n%r = math.sqrt %s : " + type +
                  "\n%q = arith.addf %r, %a : " + type + "\nlinalg.yield %q : " + type + "\n} -> " +
                  t + "\nreturn %z : " + t + "\n}");
  auto x = randomFloats(99, 1), y = randomFloats(99, 2);
  std::vector<uint16_t> bits[2];
  for (int i = 0; i != 99; ++i) {
    bits[0].push_back(narrow(x[i]));
    bits[1].push_back(narrow(std::abs(y[i])));
  }
  auto z = program.run({program.tensor(t, bits[0]), program.tensor(t, bits[1])});
  ASSERT_EQ(z.size(), 1u);
  for (int i = 0; i != 99; ++i) {
    auto rounded = [&](float value) { return widen(narrow(value)); };
    float a = widen(bits[0][i]), sum = rounded(rounded(a * a) + widen(bits[1][i]));
    EXPECT_EQ(z[0].as<uint16_t>()[i], narrow(rounded(std::sqrt(sum)) + a)) << i;
  }
}

TEST(Loops, NarrowFloatsRoundAfterEachOperation) {
  checkNarrowFloats("f16", checkpoint::halfToFloat, checkpoint::floatToHalf);
  checkNarrowFloats("bf16", checkpoint::bfloat16ToFloat, checkpoint::floatToBFloat16);
  checkNarrowBody("f16", checkpoint::halfToFloat, checkpoint::floatToHalf);
  checkNarrowBody("bf16", checkpoint::bfloat16ToFloat, checkpoint::floatToBFloat16);
}

/// Terms that cancel: in float32 only their order decides what is left.
TEST(Loops, SumsOfFloatsAreAccumulatedInDouble) {
  Program program(R"(
    #point = affine_map<(d0) -> (d0)>
    #all = affine_map<(d0) -> ()>
    func.func @main(%x: tensor<99xf32>) -> tensor<f32> {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<f32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
      %s = linalg.generic {indexing_maps = [#point, #all], iterator_types = ["reduction"]}
             ins(%x : tensor<99xf32>) outs(%f : tensor<f32>) {
      ^bb0(%a: f32, %o: f32):
        %n = arith.addf %a, %o : f32
        linalg.yield %n : f32
      } -> tensor<f32>
      return %s : tensor<f32>
    })");
  std::vector<float> x = randomFloats(99, 1);
  x[3] = 1e8f, x[50] = -1e8f;
  double sum = std::accumulate(x.begin(), x.end(), 0.0);
  auto s = program.run({program.tensor("tensor<99xf32>", x)});
  ASSERT_EQ(s.size(), 1u);
  EXPECT_EQ(s[0].as<float>()[0], float(sum));
}

/// The same arithmetic as on a GPU; large angles too.
TEST(Loops, SinAndCosAreWithinAnUlp) {
  Program program(R"(
    func.func @main(%x: tensor<2000xf32>) -> (tensor<2000xf32>, tensor<2000xf32>) {
      %s = math.sin %x : tensor<2000xf32>
      %c = math.cos %x : tensor<2000xf32>
      return %s, %c : tensor<2000xf32>, tensor<2000xf32>
    })");
  std::vector<float> x = randomFloats(2000, 1);
  for (auto [i, value] : llvm::enumerate(x))
    value = std::ldexp(value, int(i % 41) - 3);
  x[0] = 0, x[1] = INFINITY, x[2] = NAN, x[3] = 3e38f;
  auto y = program.run({program.tensor("tensor<2000xf32>", x)});
  ASSERT_EQ(y.size(), 2u);
  auto check = [&](int i, float value, double exact) {
    float nearest = exact;
    double ulp = std::abs(double(std::nextafter(nearest, INFINITY)) - nearest);
    EXPECT_LE(std::abs(value - exact), ulp) << x[i];
  };
  for (int i = 4; i != 2000; ++i) {
    check(i, y[0].as<float>()[i], std::sin(double(x[i])));
    check(i, y[1].as<float>()[i], std::cos(double(x[i])));
  }
  EXPECT_EQ(y[0].as<float>()[0], 0);
  EXPECT_EQ(y[1].as<float>()[0], 1);
  for (int i : {1, 2})
    EXPECT_TRUE(std::isnan(y[0].as<float>()[i])) << x[i];
  EXPECT_LE(std::abs(y[0].as<float>()[3]), 1);
}

TEST(Loops, TruncationRoundsHalfToEven) {
  Program program(R"(
    func.func @main(%x: tensor<4xf32>) -> (tensor<4xbf16>, tensor<4xf16>) {
      %b = arith.truncf %x : tensor<4xf32> to tensor<4xbf16>
      %h = arith.truncf %x : tensor<4xf32> to tensor<4xf16>
      return %b, %h : tensor<4xbf16>, tensor<4xf16>
    })");
  std::vector<float> x{1.00390625f /* 1 + 2^-8 */, 1.01171875f /* 1 + 3·2^-8 */,
                       1.00048828125f /* 1 + 2^-11 */, 1e-40f};
  auto y = program.run({program.tensor("tensor<4xf32>", x)});
  ASSERT_EQ(y.size(), 2u);
  for (int i = 0; i != 4; ++i) {
    EXPECT_EQ(y[0].as<uint16_t>()[i], checkpoint::floatToBFloat16(x[i])) << i;
    EXPECT_EQ(y[1].as<uint16_t>()[i], checkpoint::floatToHalf(x[i])) << i;
  }
}

TEST(Loops, BooleansTakeAByte) {
  Program program(R"(
    func.func @main(%x: tensor<5xf32>, %m: tensor<5xi1>) -> (tensor<5xi1>, tensor<5xf32>) {
      %zero = arith.constant dense<0.0> : tensor<5xf32>
      %fixed = arith.constant dense<[true, false, true, true, false]> : tensor<5xi1>
      %positive = arith.cmpf ogt, %x, %zero : tensor<5xf32>
      %both = arith.andi %positive, %m : tensor<5xi1>
      %y = arith.select %fixed, %x, %zero : tensor<5xi1>, tensor<5xf32>
      return %both, %y : tensor<5xi1>, tensor<5xf32>
    })");
  std::vector<uint8_t> mask{1, 1, 0, 1, 1};
  std::vector<float> x{1, -1, 2, 3, 4};
  auto y = program.run({program.tensor("tensor<5xf32>", x), program.tensor("tensor<5xi1>", mask)});
  ASSERT_EQ(y.size(), 2u);
  EXPECT_EQ(y[0].as<uint8_t>().vec(), (std::vector<uint8_t>{1, 0, 0, 1, 1}));
  EXPECT_EQ(y[1].as<float>().vec(), (std::vector<float>{1, 0, 2, 3, 0}));
}

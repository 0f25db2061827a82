// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random small graphs of supported and unsupported operations: whatever is found, applying random
// scales to all of it changes no output.

#include "ChannelScaleRun.h"

using namespace ptq;
using namespace ptq::test;

namespace {

/// Writes a function over values of shape [4, columns], columns a multiple of 4.
class GraphWriter {
public:
  explicit GraphWriter(unsigned seed) : generator(seed) {
    text = R"(
      %zero = arith.constant 0.0 : f32
      %e4 = tensor.empty() : tensor<4xf32>
      %z4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<4xf32>) -> tensor<4xf32>
      %eps = arith.constant dense<0.01> : tensor<4xf32>
)";
    values.push_back({"%x", 8});
  }

  std::string write(int steps) {
    for (int i = 0; i < steps; ++i)
      step();
    // Whatever nobody reads goes into a head, so that everything counts; some values are returned,
    // and so must not change.
    for (size_t i = 0, e = values.size(); i < e; ++i)
      if (Value value = values[i]; !value.layer &&
                                   text.find(value.name + " ") == text.rfind(value.name + " ") &&
                                   text.find(value.name + ",") == std::string::npos)
        head(value);
    std::string results, types;
    for (const Value &value : values)
      if (value.layer || pick(16) == 0) {
        results += (results.empty() ? "" : ", ") + value.name;
        types += (types.empty() ? "" : ", ") + type(value.columns);
      }
    return "func.func @main(%x: tensor<4x8xf32>) -> (" + types + ") {" + text + "return " +
           results + " : " + types + " }";
  }

private:
  struct Value {
    std::string name;
    int columns;
    bool layer = false; ///< A head: nobody reads it.
  };

  unsigned pick(unsigned count) { return generator() % count; }
  static std::string type(int columns) { return "tensor<4x" + std::to_string(columns) + "xf32>"; }
  std::string fresh() { return "%v" + std::to_string(++counter); }
  const Value &any() {
    while (true) {
      // Recent values, mostly: deep graphs.
      size_t back = std::min<size_t>(values.size(), 1 + pick(5));
      const Value &value = values[values.size() - back];
      if (!value.layer)
        return value;
    }
  }
  /// `columns` of some value.
  const Value *like(int columns) {
    std::vector<const Value *> same;
    for (const Value &value : values)
      if (value.columns == columns && !value.layer)
        same.push_back(&value);
    return same[pick(same.size())];
  }
  void add(const std::string &name, int columns, const std::string &line) {
    text += "      " + line + "\n";
    values.push_back({name, columns});
  }
  std::string broadcastParameter(int columns) {
    std::string name = fresh(), key = name.substr(1), empty = fresh(), vector = fresh(),
                n = std::to_string(columns);
    text += "      " + vector + " = #p" + key + " tensor<" + n + "xf32>\n      " + empty +
            " = tensor.empty() : " + type(columns) + "\n      " + name +
            " = linalg.broadcast ins(" + vector + " : tensor<" + n + "xf32>) outs(" + empty +
            " : " + type(columns) + ") dimensions = [0]\n";
    return name;
  }

  void head(const Value &value) {
    std::string result = fresh();
    text += linear(result.substr(1), value.name, 4, value.columns, 4);
    values.push_back({result, 4, true});
  }
  void step();
  void norm(const Value &value);
  void heads(const Value &value);

  std::mt19937 generator;
  std::string text;
  std::vector<Value> values;
  int counter = 0;
};

} // namespace

void GraphWriter::norm(const Value &value) {
  std::string t = type(value.columns), square = fresh(), sum = fresh(), more = fresh(),
              root = fresh(), empty = fresh(), wide = fresh(), result = fresh();
  text += "      " + square + " = arith.mulf " + value.name + ", " + value.name + " : " + t +
          "\n      " + sum + " = linalg.reduce { arith.addf } ins(" + square + " : " + t +
          ") outs(%z4 : tensor<4xf32>) dimensions = [1]\n      " + more + " = arith.addf " + sum +
          ", %eps : tensor<4xf32>\n      " + root + " = math.rsqrt " + more +
          " : tensor<4xf32>\n      " + empty + " = tensor.empty() : " + t + "\n      " + wide +
          " = linalg.broadcast ins(" + root + " : tensor<4xf32>) outs(" + empty + " : " + t +
          ") dimensions = [1]\n";
  add(result, value.columns, result + " = arith.mulf " + value.name + ", " + wide + " : " + t);
  if (pick(4) == 0)
    return;
  std::string scaled = fresh(), parameter = broadcastParameter(value.columns);
  add(scaled, value.columns, scaled + " = arith.mulf " + parameter + ", " + result + " : " + t);
}

/// Columns as heads, perhaps repeated, multiplied from the left by a matrix of tokens, and back.
void GraphWriter::heads(const Value &value) {
  int heads = value.columns / 4, repeat = 1 + pick(2);
  auto n = [](int number) { return std::to_string(number); };
  auto cube = [&](int h) { return "tensor<" + n(h) + "x4x4xf32>"; };
  std::string a = fresh(), b = fresh(), c = fresh(), d = fresh(), e = fresh(), m = fresh(),
              z = fresh(), o = fresh(), f = fresh(), g = fresh(), r = fresh(), empty = fresh(),
              split = fresh();
  int all = heads * repeat;
  std::string repeated = "tensor<" + n(heads) + "x" + n(repeat) + "x4x4xf32>";
  text += "      " + a + " = tensor.expand_shape " + value.name +
          " [[0], [1, 2]] output_shape [4, " + n(heads) + ", 4] : " + type(value.columns) +
          " into tensor<4x" + n(heads) + "x4xf32>\n      " + empty +
          " = tensor.empty() : " + cube(heads) + "\n      " + b + " = linalg.transpose ins(" + a +
          " : tensor<4x" + n(heads) + "x4xf32>) outs(" + empty + " : " + cube(heads) +
          ") permutation = [1, 0, 2]\n      " + c + " = tensor.empty() : " + repeated + "\n      " +
          d + " = linalg.broadcast ins(" + b + " : " + cube(heads) + ") outs(" + c + " : " +
          repeated + ") dimensions = [1]\n      " + e + " = tensor.collapse_shape " + d +
          " [[0, 1], [2], [3]] : " + repeated + " into " + cube(all) + "\n      " + m + " = #m" +
          m.substr(1) + " " + cube(all) + "\n      " + z + " = tensor.empty() : " + cube(all) +
          "\n      " + o + " = linalg.fill ins(%zero : f32) outs(" + z + " : " + cube(all) +
          ") -> " + cube(all) + "\n      " + split + " = math.tanh " + m + " : " + cube(all) +
          "\n      " + f + " = linalg.batch_matmul ins(" + split + ", " + e + " : " + cube(all) +
          ", " + cube(all) + ") outs(" + o + " : " + cube(all) + ") -> " + cube(all) + "\n      " +
          g + " = tensor.empty() : tensor<4x" + n(all) + "x4xf32>\n      " + r +
          " = linalg.transpose ins(" + f + " : " + cube(all) + ") outs(" + g + " : tensor<4x" +
          n(all) + "x4xf32>) permutation = [1, 0, 2]\n";
  std::string result = fresh();
  add(result, 4 * all,
      result + " = tensor.collapse_shape " + r + " [[0], [1, 2]] : tensor<4x" + n(all) +
          "x4xf32> into " + type(4 * all));
}

void GraphWriter::step() {
  Value value = any();
  std::string t = type(value.columns), result = fresh();
  auto unary = [&](const std::string &op) {
    add(result, value.columns, result + " = " + op + " " + value.name + " : " + t);
  };
  auto binary = [&](const std::string &op, const std::string &other) {
    std::string operands = pick(2) ? value.name + ", " + other : other + ", " + value.name;
    add(result, value.columns, result + " = " + op + " " + operands + " : " + t);
  };
  switch (pick(22)) {
  case 0:
  case 1:
  case 2:
  case 3:
  case 4: {
    int out = 4 << pick(3);
    text += linear(result.substr(1), value.name, 4, value.columns, out);
    values.push_back({result, out});
    return;
  }
  case 5:
    return head(value);
  case 6:
  case 7:
    return norm(value);
  case 8: {
    std::string zeros = fresh();
    text += "      " + zeros + " = arith.constant dense<0.0> : " + t + "\n";
    return binary("arith.maximumf", zeros);
  }
  case 9:
    return unary(pick(2) ? "arith.negf" : "math.absf");
  case 10:
    return unary(pick(2) ? "math.tanh" : "math.erf");
  case 11:
  case 12:
    return binary("arith.addf", like(value.columns)->name);
  case 13:
  case 14:
    return binary("arith.mulf", like(value.columns)->name);
  case 15:
    return binary(pick(2) ? "arith.addf" : "arith.mulf", broadcastParameter(value.columns));
  case 16: {
    if (value.columns == 4)
      return unary("math.absf");
    int begin = 4 * pick(value.columns / 4);
    return add(result, 4,
               result + " = tensor.extract_slice " + value.name + "[0, " + std::to_string(begin) +
                   "] [4, 4] [1, 1] : " + t + " to " + type(4));
  }
  case 17: {
    const Value &other = any();
    int columns = value.columns + other.columns;
    if (columns > 32)
      return unary("arith.negf");
    return add(result, columns,
               result + " = tensor.concat dim(1) " + value.name + ", " + other.name + " : (" + t +
                   ", " + type(other.columns) + ") -> " + type(columns));
  }
  case 18:
  case 19:
  case 20:
    return value.columns <= 16 ? heads(value) : unary("math.absf");
  default:
    return binary("arith.maximumf", like(value.columns)->name);
  }
}

TEST(ChannelScaleProperty, RandomGraphs) {
  int folded = 0, explicitly = 0, tied = 0, several = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    std::string text = GraphWriter(seed).write(24);
    Folding fold(text, /*raise=*/false, seed);
    fold.allowZero = true;
    for (ScaleGroup &group : fold.groups) {
      folded += group.placement == ScalePlacement::Folded;
      explicitly += group.placement == ScalePlacement::Explicit;
      tied += group.placement == ScalePlacement::Folded && group.numClasses < group.channels;
      several += group.producers.size() > 1;
    }
    if (fold.error() <= 1e-5)
      continue;
    ADD_FAILURE() << "seed " << seed << "\n" << text;
    // Which one it is.
    for (size_t i = 0; i < fold.groups.size(); ++i) {
      Folding alone(text, /*raise=*/false, seed);
      ScaleGroup group = alone.groups[i];
      alone.groups = {group};
      LinearOp first = group.layers.front();
      ADD_FAILURE() << first.getLayerName().str() << ": " << group.description
                    << ", alone: " << alone.error();
    }
    break;
  }
  // The graphs exercise what they are for.
  EXPECT_GE(folded, 200);
  EXPECT_GE(explicitly, 100);
  EXPECT_GE(tied, 20);
  EXPECT_GE(several, 10);
}

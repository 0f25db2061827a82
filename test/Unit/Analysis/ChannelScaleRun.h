// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Folding random scales into a function given as text, and running it before and after.

#ifndef PTQ_TEST_UNIT_ANALYSIS_CHANNELSCALERUN_H
#define PTQ_TEST_UNIT_ANALYSIS_CHANNELSCALERUN_H

#include "Run.h"

#include "mlir/IR/Verifier.h"

#include "ptq/Analysis/ChannelScale.h"
#include "ptq/Analysis/ElementTypes.h"
#include "ptq/Checkpoint/Float16.h"
#include "ptq/Raise/Raise.h"

#include <cmath>
#include <random>

namespace ptq::test {

/// One layer `result = layer(x)` of `text`, without bias: [rows, in] → [rows, out], with the
/// parameter `result`.weight.
inline std::string linear(const std::string &result, const std::string &x, int rows, int in,
                          int out) {
  auto type = [](int a, int b) {
    return "tensor<" + std::to_string(a) + "x" + std::to_string(b) + "xf32>";
  };
  return "%" + result + "_w = #" + result + ".weight " + type(out, in) + "\n%" + result +
         " = ptq.linear " + x + ", %" + result + "_w {layer = \"" + result + "\"} : (" +
         type(rows, in) + ", " + type(out, in) + ") -> " + type(rows, out) + "\n";
}

/// A function whose groups are found, scaled and executed. In the text `#NAME` followed by a tensor
/// type, as in `#w tensor<4x8xf32>`, is a parameter: a constant with random data and the key NAME.
class Folding {
public:
  explicit Folding(const std::string &text, bool raise = false, unsigned seed = 1)
      : seed(seed), program(withConstants(text, seed)) {
    if (raise && program.module) {
      LayerNames names;
      raiseLinears(program.function(), names);
    }
    if (program.module)
      groups = findScaleGroups(program.function());
  }

  /// The group of the layer with this name.
  ScaleGroup &group(llvm::StringRef layer) {
    for (ScaleGroup &group : groups)
      for (LinearOp linear : group.layers)
        if (linear.getLayerName() == layer)
          return group;
    ADD_FAILURE() << "no layer " << layer.str();
    static ScaleGroup none;
    return none;
  }

  /// Scales between 0.1 and 10, equal in ties.
  std::vector<float> randomScales(const ScaleGroup &group) {
    std::uniform_real_distribution<double> exponent(-1, 1);
    std::vector<float> s(group.channels);
    for (float &scale : s)
      scale = std::pow(10.0, exponent(generator));
    tieScales(group, s);
    return s;
  }

  void apply(ScaleGroup &group) {
    if (llvm::Error error = applyScales(group, randomScales(group)))
      ADD_FAILURE() << group.description << ": " << llvm::toString(std::move(error));
  }

  /// All results, as floats, for random inputs.
  std::vector<std::vector<float>> run() {
    std::vector<execution::Tensor> arguments;
    unsigned seed = this->seed;
    for (mlir::Type type : program.function().getArgumentTypes()) {
      auto tensor = llvm::cast<mlir::RankedTensorType>(type);
      llvm::SmallVector<int64_t> shape(tensor.getShape());
      for (int64_t &size : shape)
        size = mlir::ShapedType::isDynamic(size) ? 5 : size;
      tensor = tensor.clone(shape);
      auto values = execution::test::randomFloats(tensor.getNumElements(), 100 + seed++);
      if (tensor.getElementType().isF32()) {
        arguments.push_back(program.tensor<float>(spell(tensor), values));
        continue;
      }
      std::vector<char> bytes(
          tensor.getNumElements() * *execution::elementBytes(tensor.getElementType()), 0);
      if (std::optional<checkpoint::DType> dtype = toDType(tensor.getElementType());
          dtype && llvm::isa<mlir::FloatType>(tensor.getElementType()))
        checkpoint::convertFromFloat(*dtype, values, bytes);
      arguments.push_back(execution::copyToTensor(tensor, bytes));
    }
    std::vector<std::vector<float>> results;
    // Tests share compiled kernels: most of their time is compilation.
    static auto kernels = std::make_shared<execution::KernelCache>();
    execution::ExecutorOptions options;
    options.kernels = kernels;
    auto all = program.runAll(std::vector<std::vector<execution::Tensor>>{std::move(arguments)},
                              nullptr, std::move(options));
    if (all.empty())
      return results;
    for (const execution::Tensor &result : all.front()) {
      std::vector<float> values(result.numElements());
      execution::convertToFloat(result, values);
      results.push_back(std::move(values));
    }
    return results;
  }

  /// The greatest |after − before| over the greatest |before|, over all results; applies random
  /// scales to every group that takes some, `rounds` times, in between.
  double error(int rounds = 1) {
    auto before = run();
    for (int round = 0; round < rounds; ++round)
      for (ScaleGroup &group : groups)
        if (group.placement != ScalePlacement::Declined)
          apply(group);
    EXPECT_TRUE(mlir::succeeded(mlir::verify(*program.module)));
    return difference(before, run());
  }

  double difference(const std::vector<std::vector<float>> &before,
                    const std::vector<std::vector<float>> &after) const {
    double worst = 0;
    EXPECT_EQ(before.size(), after.size());
    EXPECT_FALSE(before.empty());
    for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
      double largest = 0, error = 0;
      for (size_t k = 0; k < before[i].size(); ++k) {
        largest = std::max(largest, std::abs(double(before[i][k])));
        error = std::max(error, std::abs(double(before[i][k]) - after[i][k]));
        if (std::isnan(after[i][k]))
          error = INFINITY;
      }
      EXPECT_TRUE(largest > 0 || allowZero) << "a result is 0 everywhere: the test shows nothing";
      worst = std::max(worst, error == 0 ? 0 : error / largest);
    }
    return worst;
  }

  std::string text() {
    std::string text;
    llvm::raw_string_ostream(text) << *program.module;
    return text;
  }

  unsigned seed;
  bool allowZero = false; ///< Whether a result may be 0 everywhere.
  std::mt19937 generator{7};
  execution::test::Program program;
  std::vector<ScaleGroup> groups;

private:
  static std::string spell(mlir::Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  /// Replaces `#NAME tensor<…>` by a constant with random data.
  static std::string withConstants(const std::string &text, unsigned seed) {
    std::string result;
    size_t at = 0;
    for (size_t mark; (mark = text.find('#', at)) != std::string::npos;) {
      result += text.substr(at, mark - at);
      size_t space = text.find(' ', mark), end = text.find('>', mark);
      std::string name = text.substr(mark + 1, space - mark - 1);
      std::string type = text.substr(space + 1, end - space);
      if (type.rfind("tensor<", 0) != 0) { // An attribute of MLIR's.
        result += '#';
        at = mark + 1;
        continue;
      }
      at = end + 1;
      size_t count = 1;
      for (size_t p = 7; std::isdigit(type[p]);) {
        size_t used = 0;
        count *= std::stoul(type.substr(p), &used);
        p += used + 1;
      }
      result += "arith.constant {ptq.key = \"" + name + "\"} dense<\"" + hex(count, ++seed) +
                "\"> : " + type;
    }
    return result + text.substr(at);
  }

  static std::string hex(size_t count, unsigned seed) {
    static const char *digits = "0123456789ABCDEF";
    std::string text = "0x";
    for (float value : execution::test::randomFloats(count, seed)) {
      unsigned char bytes[4];
      std::memcpy(bytes, &value, 4);
      for (unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
      }
    }
    return text;
  }
};

} // namespace ptq::test

#endif

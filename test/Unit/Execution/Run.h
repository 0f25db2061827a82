// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running a function given as text, for tests.

#ifndef PTQ_TEST_UNIT_EXECUTION_RUN_H
#define PTQ_TEST_UNIT_EXECUTION_RUN_H

#include "ptq/Execution/Executor.h"
#include "ptq/IR/PTQ.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <random>

namespace ptq::execution::test {

/// A module in a context with the dialects that functions of the tests use.
class Program {
public:
  explicit Program(llvm::StringRef text) {
    context.loadDialect<mlir::arith::ArithDialect, mlir::cf::ControlFlowDialect,
                        mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                        mlir::math::MathDialect, mlir::ml_program::MLProgramDialect,
                        mlir::scf::SCFDialect, mlir::tensor::TensorDialect, PTQDialect>();
    module =
        mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context), "test.mlir");
    if (!module)
      ADD_FAILURE() << "the test's IR does not parse";
  }

  mlir::func::FuncOp function() { return module->lookupSymbol<mlir::func::FuncOp>("main"); }

  mlir::Type type(llvm::StringRef text) { return mlir::parseType(text, &context); }

  /// A tensor of the given type, e.g. "tensor<2x3xf32>", with these elements.
  template <typename T> Tensor tensor(llvm::StringRef typeText, llvm::ArrayRef<T> values) {
    auto ranked = llvm::cast<mlir::RankedTensorType>(type(typeText));
    EXPECT_EQ(ranked.getNumElements() * *elementBytes(ranked.getElementType()),
              int64_t(values.size() * sizeof(T)));
    return copyToTensor(ranked,
                        {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)});
  }
  template <typename T> Tensor tensor(llvm::StringRef typeText, const std::vector<T> &values) {
    return tensor(typeText, llvm::ArrayRef<T>(values));
  }
  Tensor tensor(llvm::StringRef typeText, std::initializer_list<float> values) {
    return tensor(typeText, llvm::ArrayRef<float>(values.begin(), values.size()));
  }

  /// The results for several samples; a failure of the test if there is an error.
  std::vector<std::vector<Tensor>> runAll(llvm::ArrayRef<std::vector<Tensor>> samples,
                                          LinearObserver *observer = nullptr,
                                          ExecutorOptions options = {}) {
    auto executor = Executor::create(function(), std::move(options));
    if (!executor) {
      ADD_FAILURE() << llvm::toString(executor.takeError());
      return {};
    }
    auto results = (*executor)->run(samples, observer);
    statistics = (*executor)->statistics();
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    return std::move(*results);
  }

  /// The results for one sample.
  std::vector<Tensor> run(std::vector<Tensor> arguments) {
    auto results = runAll(std::vector<std::vector<Tensor>>{std::move(arguments)});
    return results.empty() ? std::vector<Tensor>() : results.front();
  }

  /// The message of the error that creating or running gives; empty if there is none.
  std::string error(llvm::ArrayRef<std::vector<Tensor>> samples) {
    auto executor = Executor::create(function());
    if (!executor)
      return llvm::toString(executor.takeError());
    auto results = (*executor)->run(samples);
    return results ? std::string() : llvm::toString(results.takeError());
  }

  ExecutorStatistics statistics;

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Values that are not special in any way, the same on every machine.
inline std::vector<float> randomFloats(size_t n, unsigned seed = 1) {
  std::mt19937 generator(seed);
  std::vector<float> values(n);
  for (float &value : values)
    value = static_cast<int32_t>(generator()) * 0x1p-31f;
  return values;
}

/// Expects |a − b| ≤ tolerance · max |b|, element by element.
inline void expectNear(const Tensor &actual, llvm::ArrayRef<float> expected,
                       float tolerance = 1e-6f) {
  ASSERT_EQ(actual.numElements(), static_cast<int64_t>(expected.size()));
  std::vector<float> values(expected.size());
  convertToFloat(actual, values);
  float largest = 0;
  for (float value : expected)
    largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i != expected.size(); ++i)
    ASSERT_LE(std::abs(values[i] - expected[i]), tolerance * largest)
        << "element " << i << " is " << values[i] << ", expected " << expected[i];
}

} // namespace ptq::execution::test

#endif // PTQ_TEST_UNIT_EXECUTION_RUN_H

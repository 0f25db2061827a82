// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What cannot be run is refused with one message that says what and where.

#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

static void expectError(llvm::StringRef text, llvm::ArrayRef<const char *> parts,
                        llvm::function_ref<std::vector<std::vector<Tensor>>(Program &)> samples) {
  Program program(text);
  std::string error = program.error(samples(program));
  for (const char *part : parts)
    EXPECT_NE(error.find(part), std::string::npos) << "'" << error << "' lacks '" << part << "'";
}

static std::vector<std::vector<Tensor>> oneEmptySample(Program &) { return {{}}; }

TEST(Errors, NoSamples) {
  expectError("func.func @main() { return }", {"no samples"},
              [](Program &) { return std::vector<std::vector<Tensor>>(); });
}

TEST(Errors, ArgumentsThatDoNotFit) {
  const char *text = "func.func @main(%x: tensor<2x?xf32>) { return }";
  expectError(text, {"takes 1 arguments, sample 0 has 0"}, oneEmptySample);
  for (const char *type : {"tensor<3x2xf32>", "tensor<2xf32>", "tensor<2x2xi32>"})
    expectError(text, {"argument 0 of 'main' has type tensor<2x?xf32>", type},
                [&](Program &program) {
                  auto ranked = llvm::cast<mlir::RankedTensorType>(program.type(type));
                  std::vector<char> bytes(ranked.getNumElements() * 4);
                  return std::vector<std::vector<Tensor>>{{copyToTensor(ranked, bytes)}};
                });
}

TEST(Errors, FailedAssertion) {
  expectError(R"(
    func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
      %c0 = arith.constant 0 : index
      %c3 = arith.constant 3 : index
      %n = tensor.dim %x, %c0 : tensor<?xf32>
      %ok = arith.cmpi eq, %n, %c3 : index
      cf.assert %ok, "three elements, please"
      return %x : tensor<?xf32>
    })",
              {"test.mlir:7:7", "cf.assert", "three elements, please"}, [](Program &program) {
                return std::vector<std::vector<Tensor>>{{program.tensor("tensor<2xf32>", {1, 2})}};
              });
}

TEST(Errors, ElidedResource) {
  expectError(R"(
    module {
      func.func @main() -> tensor<3xf32> {
        %w = arith.constant dense_resource<__elided__> : tensor<3xf32>
        return %w : tensor<3xf32>
      }
    })",
              {"test.mlir:4:14", "'__elided__'", "no data"}, oneEmptySample);
}

TEST(Errors, ExternGlobal) {
  expectError(R"(
    module {
      ml_program.global private @weight(#ml_program.extern<tensor<3xf32>>) : tensor<3xf32>
      func.func @main() -> tensor<3xf32> {
        %w = ml_program.global_load_const @weight : tensor<3xf32>
        return %w : tensor<3xf32>
      }
    })",
              {"test.mlir:5:14", "'weight'", "extern"}, oneEmptySample);
}

TEST(Errors, ControlFlowAndCalls) {
  expectError(R"(
    func.func @main(%c: i1) {
      scf.if %c {
      }
      return
    })",
              {"test.mlir:3:7", "scf.if", "control flow"}, oneEmptySample);
  expectError(R"(
    module {
      func.func private @other() -> tensor<2xf32>
      func.func @main() -> tensor<2xf32> {
        %x = func.call @other() : () -> tensor<2xf32>
        return %x : tensor<2xf32>
      }
    })",
              {"test.mlir:5:14", "func.call", "--inline"}, oneEmptySample);
  expectError(R"(
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      cf.br ^next
    ^next:
      return %x : tensor<2xf32>
    })",
              {"straight-line"}, oneEmptySample);
}

TEST(Errors, UnstoredElementTypes) {
  expectError(R"(
    func.func @main(%x: tensor<2xi128>) -> tensor<2xi128> {
      %y = arith.addi %x, %x : tensor<2xi128>
      return %y : tensor<2xi128>
    })",
              {"arith.addi"}, oneEmptySample);
}

TEST(Errors, NameTheSample) {
  // The third sample's id is out of range.
  Program program(R"(
    func.func @main(%ids: tensor<2xi64>, %table: tensor<5xf32> {ptq.parameter = "table"}) -> tensor<2xf32> {
      %e = tensor.empty() : tensor<2xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
          ins(%ids : tensor<2xi64>) outs(%e : tensor<2xf32>) {
      ^bb0(%id: i64, %o: f32):
        %at = arith.index_cast %id : i64 to index
        %v = tensor.extract %table[%at] : tensor<5xf32>
        linalg.yield %v : f32
      } -> tensor<2xf32>
      return %y : tensor<2xf32>
    })");
  Tensor table = program.tensor("tensor<5xf32>", randomFloats(5));
  std::vector<std::vector<Tensor>> samples;
  for (int64_t id : {0, 4, 5, 7})
    samples.push_back({program.tensor("tensor<2xi64>", std::vector<int64_t>{1, id}), table});
  std::string error = program.error(samples);
  EXPECT_NE(
      error.find("sample 2: test.mlir:8:14: 'tensor.extract': index out of range of tensor<5xf32>"),
      std::string::npos)
      << error;
}

TEST(Errors, WhatCannotBeCompiled) {
  // One good kernel, one with a type that the lowering does not know.
  expectError(R"(
    func.func @main(%x: tensor<2xf8E5M2>, %y: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
      %a = arith.negf %y : tensor<2xf32>
      %b = arith.extf %x : tensor<2xf8E5M2> to tensor<2xf32>
      return %a, %b : tensor<2xf32>, tensor<2xf32>
    })",
              {"test.mlir:4:12: 'arith.extf'", "cannot be compiled for the CPU"},
              [](Program &program) {
                return std::vector<std::vector<Tensor>>{
                    {program.tensor("tensor<2xf8E5M2>", std::vector<uint8_t>{0, 0}),
                     program.tensor("tensor<2xf32>", {1, 2})}};
              });
}

TEST(Errors, OutputsThatAreOnlyPartlyWritten) {
  expectError(R"(
    func.func @main(%x: tensor<3xf32>, %y: tensor<3x2xf32>) -> tensor<3x2xf32> {
      %z = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i, 0)>], iterator_types = ["parallel"]}
          ins(%x : tensor<3xf32>) outs(%y : tensor<3x2xf32>) {
      ^bb0(%a: f32, %o: f32):
        linalg.yield %a : f32
      } -> tensor<3x2xf32>
      return %z : tensor<3x2xf32>
    })",
              {"test.mlir:3:12: 'linalg.generic'", "cannot be executed"}, oneEmptySample);
}

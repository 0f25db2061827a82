// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants as tensors.

#include "Run.h"

using namespace ptq;
using namespace ptq::execution;
using namespace ptq::execution::test;

TEST(Tensors, ConstantsOfAllForms) {
  Program program(R"(
    module {
      func.func @main() -> (tensor<3xf32>, tensor<2x2xi16>, tensor<3xi1>, tensor<2xi4>, tensor<2xindex>, tensor<2xbf16>, tensor<2xf32>, tensor<3xi1>) {
        %a = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
        %b = arith.constant dense<-5> : tensor<2x2xi16>
        %c = arith.constant dense<[true, false, true]> : tensor<3xi1>
        %d = arith.constant dense<[-8, 7]> : tensor<2xi4>
        %e = arith.constant dense<[4, 5]> : tensor<2xindex>
        %f = arith.constant dense<1.5> : tensor<2xbf16>
        %g = arith.constant dense_resource<blob> : tensor<2xf32>
        %h = arith.constant dense<true> : tensor<3xi1>
        return %a, %b, %c, %d, %e, %f, %g, %h : tensor<3xf32>, tensor<2x2xi16>, tensor<3xi1>, tensor<2xi4>, tensor<2xindex>, tensor<2xbf16>, tensor<2xf32>, tensor<3xi1>
      }
    }
    {-#
      dialect_resources: { builtin: { blob: "0x040000000000803F00000040" } }
    #-})");
  auto y = program.run({});
  ASSERT_EQ(y.size(), 8u);
  EXPECT_EQ(y[0].as<float>().vec(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(y[1].as<int16_t>().vec(), (std::vector<int16_t>(4, -5)));
  EXPECT_EQ(y[2].as<uint8_t>().vec(), (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(y[3].as<uint8_t>().vec(), (std::vector<uint8_t>{8, 7}));
  EXPECT_EQ(y[4].as<int64_t>().vec(), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(y[5].as<uint16_t>().vec(), (std::vector<uint16_t>{0x3FC0, 0x3FC0}));
  EXPECT_EQ(y[6].as<float>().vec(), (std::vector<float>{1, 2}));
  EXPECT_EQ(y[7].as<uint8_t>().vec(), (std::vector<uint8_t>{1, 1, 1}));
}

TEST(Tensors, ResourcesAreNotCopied) {
  Program program(R"(
    module {
      func.func @main() -> tensor<2xf32> {
        %g = arith.constant dense_resource<blob> : tensor<2xf32>
        return %g : tensor<2xf32>
      }
    }
    {-#
      dialect_resources: { builtin: { blob: "0x040000000000803F00000040" } }
    #-})");
  auto constant = *program.function().getOps<mlir::arith::ConstantOp>().begin();
  auto attribute = llvm::cast<mlir::DenseResourceElementsAttr>(constant.getValue());
  auto y = program.run({});
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].data, attribute.getRawHandle().getBlob()->getData().data());
}

TEST(Tensors, Globals) {
  Program program(R"(
    module {
      ml_program.global private @weight(dense<[3.0, 4.0]> : tensor<2xf32>) : tensor<2xf32>
      func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
        %w = ml_program.global_load_const @weight : tensor<2xf32>
        %y = arith.addf %x, %w : tensor<2xf32>
        return %y : tensor<2xf32>
      }
    })");
  auto y = program.run({program.tensor("tensor<2xf32>", {1, 2})});
  ASSERT_EQ(y.size(), 1u);
  expectNear(y[0], {4, 6}, 0);
}

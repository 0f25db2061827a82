// A layer whose weight is a part of a parameter, columns 2 to 5 of rows 1 and 3 here: the part is rounded, and the layer
// computes with it what it does with the same numbers as a parameter of their own.
//
// RUN: quant-opt %s --rtn="bits=8 group-size=4 only=." | FileCheck %s
// RUN: quant-opt %s --rtn="bits=8 group-size=4 only=." | FileCheck %s --check-prefix=SAME

// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: ptq.weight_only_linear
// CHECK-NOT: tensor.extract_slice

// The words and the scales of both are the same bytes.
// SAME-DAG: part.weight_packed: "[[WORDS:0x[0-9A-F]+]]"
// SAME-DAG: part.weight_scale: "[[SCALES:0x[0-9A-F]+]]"
// SAME-DAG: whole.weight_packed: "[[WORDS]]"
// SAME-DAG: whole.weight_scale: "[[SCALES]]"
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %all = arith.constant {ptq.key = "all.weight"} dense<[
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [9.0, -8.0, 1.0, 2.0, 3.0, 4.5, 7.0],
    [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], [5.0, 6.0, -4.0, 3.0, -2.0, 1.0, 0.5]]> : tensor<4x7xf32>
  %own = arith.constant {ptq.key = "whole.weight"} dense<[[1.0, 2.0, 3.0, 4.5], [-4.0, 3.0, -2.0, 1.0]]> : tensor<2x4xf32>
  %slice = tensor.extract_slice %all[1, 2] [2, 4] [2, 1] : tensor<4x7xf32> to tensor<2x4xf32>
  %0 = ptq.linear %x, %slice {layer = "part"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %1 = ptq.linear %x, %own {layer = "whole"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  return %0, %1 : tensor<3x2xf32>, tensor<3x2xf32>
}

// Activations of rank 1: vecmat has the weight on the right, matvec on the left.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

// CHECK-LABEL: func.func @vecmat
// CHECK: %[[T:.*]] = linalg.transpose ins(%arg1 : tensor<8x16xf32>)
// CHECK-NEXT: ptq.linear %arg0, %[[T]] {layer = "fc"} : (tensor<8xf32>, tensor<16x8xf32>) -> tensor<16xf32>
func.func @vecmat(%x: tensor<8xf32> {ptq.input = "x"}, %w: tensor<8x16xf32> {ptq.parameter = "fc.weight"}) -> tensor<16xf32> {
  %c = arith.constant dense<0.0> : tensor<16xf32>
  %y = linalg.vecmat ins(%x, %w : tensor<8xf32>, tensor<8x16xf32>) outs(%c : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// CHECK-LABEL: func.func @matvec
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "fc"} : (tensor<8xf32>, tensor<16x8xf32>) -> tensor<16xf32>
func.func @matvec(%x: tensor<8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"}) -> tensor<16xf32> {
  %c = arith.constant dense<0.0> : tensor<16xf32>
  %y = linalg.matvec ins(%w, %x : tensor<16x8xf32>, tensor<8xf32>) outs(%c : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// Nothing is marked: it is the matrix.
// CHECK-LABEL: func.func @matvec_unmarked
// CHECK-NEXT: ptq.linear %arg1, %arg0 {layer = "arg0"} : (tensor<8xf32>, tensor<16x8xf32>) -> tensor<16xf32>
func.func @matvec_unmarked(%w: tensor<16x8xf32>, %x: tensor<8xf32>) -> tensor<16xf32> {
  %c = arith.constant dense<0.0> : tensor<16xf32>
  %y = linalg.matvec ins(%w, %x : tensor<16x8xf32>, tensor<8xf32>) outs(%c : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// The bias as initial value.
// CHECK-LABEL: func.func @matvec_bias
// CHECK-NEXT: ptq.linear %arg0, %arg1 bias %arg2 {layer = "fc"}
// CHECK-NEXT: return
func.func @matvec_bias(%x: tensor<8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "fc.weight"},
                       %b: tensor<16xf32> {ptq.parameter = "fc.bias"}) -> tensor<16xf32> {
  %y = linalg.matvec ins(%w, %x : tensor<16x8xf32>, tensor<8xf32>) outs(%b : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// A weight that something else reads too stays where it is; one that nothing reads any more goes.
//
// RUN: quant-opt %s --rtn="bits=8 group-size=4 only=." | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: arith.constant {ptq.key = "tied.weight"}
// CHECK-NOT: own.weight"
// CHECK: return
func.func @main(%x: tensor<3x4xf32> {ptq.input = "x"}, %i: index {ptq.input = "i"}) -> (tensor<3x2xf32>, tensor<3x2xf32>, f32) {
  %c0 = arith.constant 0 : index
  %tied = arith.constant {ptq.key = "tied.weight"} dense<[[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]> : tensor<2x4xf32>
  %own = arith.constant {ptq.key = "own.weight"} dense<[[1.0, 2.0], [3.0, 4.0], [4.0, 3.0], [2.0, 1.0]]> : tensor<4x2xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %t = linalg.transpose ins(%own : tensor<4x2xf32>) outs(%e : tensor<2x4xf32>) permutation = [1, 0]
  %0 = ptq.linear %x, %tied {layer = "tied"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %1 = ptq.linear %x, %t {layer = "own"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %2 = tensor.extract %tied[%c0, %i] : tensor<2x4xf32>
  return %0, %1, %2 : tensor<3x2xf32>, tensor<3x2xf32>, f32
}

// The weight as frontends lay it out: [out, in] under a transpose of any kind, or [in, out] as it is.
//
// RUN: quant-opt %s --raise-linear | FileCheck %s --implicit-check-not=linalg.matmul --implicit-check-not=linalg.fill
// RUN: quant-opt %s --raise-linear --verify-roundtrip -o /dev/null
// RUN: quant-opt %s --raise-linear --ptq-to-linalg | mlir-opt -o /dev/null

#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

// torch-mlir: linalg.transpose, fill, matmul. The transpose is gone.
// CHECK-LABEL: func.func @transpose
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32> {{.*}}, %[[W:.*]]: tensor<16x8xf32>
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %[[X]], %[[W]] {layer = "model.fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
// CHECK-NEXT: return %[[Y]]
func.func @transpose(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "model.fc.weight"})
    -> tensor<4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %et = tensor.empty() : tensor<8x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<4x16xf32>
  %c = linalg.fill ins(%zero : f32) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  %y = linalg.matmul ins(%x, %t : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// Earlier torch-mlir: the transpose is a generic, and the fill a constant.
// CHECK-LABEL: func.func @generic_transpose
// CHECK-SAME: %[[W:[a-z0-9]*]]: tensor<16x8xf32>
// CHECK-NEXT: ptq.linear %{{.*}}, %[[W]] {layer = "model.fc"}
func.func @generic_transpose(%w: tensor<16x8xf32> {ptq.parameter = "model.fc.weight"}, %x: tensor<4x8xf32> {ptq.input = "x"})
    -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %et = tensor.empty() : tensor<8x16xf32>
  %t = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
    ins(%w : tensor<16x8xf32>) outs(%et : tensor<8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
  } -> tensor<8x16xf32>
  %y = linalg.matmul ins(%x, %t : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// IREE, buddy: a matmul that reads its right operand transposed.
// CHECK-LABEL: func.func @transposed_maps
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "model.fc"}
func.func @transposed_maps(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "model.fc.weight"})
    -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %y = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>)
    outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// linalg.contract says the same.
// CHECK-LABEL: func.func @contract
// CHECK-NEXT: ptq.linear %arg0, %arg1 {layer = "model.fc"}
func.func @contract(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "model.fc.weight"})
    -> tensor<4x16xf32> {
  %c = arith.constant dense<0.0> : tensor<4x16xf32>
  %y = linalg.contract indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<4x8xf32>, tensor<16x8xf32>)
    outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// GPT-2's Conv1D: the weight is [in, out]; the layer's is its transpose.
// CHECK-LABEL: func.func @conv1d
// CHECK: %[[T:.*]] = linalg.transpose ins(%arg1 : tensor<8x16xf32>) {{.*}} permutation = [1, 0]
// CHECK-NEXT: ptq.linear %arg0, %[[T]] {layer = "h.0.attn.c_attn"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
func.func @conv1d(%x: tensor<4x8xf32> {ptq.input = "x"}, %w: tensor<8x16xf32> {ptq.parameter = "h.0.attn.c_attn.weight"})
    -> tensor<4x16xf32> {
  %c = arith.constant dense<-0.0> : tensor<4x16xf32>
  %y = linalg.matmul ins(%x, %w : tensor<4x8xf32>, tensor<8x16xf32>) outs(%c : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}

// The weight on the left, as in Wx: the result is transposed, and so is the activation.
// CHECK-LABEL: func.func @weight_first
// CHECK: %[[X:.*]] = linalg.transpose ins(%arg0 : tensor<8x4xf32>) {{.*}} permutation = [1, 0]
// CHECK-NEXT: %[[Y:.*]] = ptq.linear %[[X]], %arg1 {layer = "model.fc"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
// CHECK: %[[R:.*]] = linalg.transpose ins(%[[Y]] : tensor<4x16xf32>) outs(%{{.*}} : tensor<16x4xf32>) permutation = [1, 0]
// CHECK-NEXT: return %[[R]]
func.func @weight_first(%x: tensor<8x4xf32> {ptq.input = "x"}, %w: tensor<16x8xf32> {ptq.parameter = "model.fc.weight"})
    -> tensor<16x4xf32> {
  %c = arith.constant dense<0.0> : tensor<16x4xf32>
  %y = linalg.matmul ins(%w, %x : tensor<16x8xf32>, tensor<8x4xf32>) outs(%c : tensor<16x4xf32>) -> tensor<16x4xf32>
  return %y : tensor<16x4xf32>
}

// A constant under several transposes that cancel.
// CHECK-LABEL: func.func @transposed_twice
// CHECK: %[[W:.*]] = arith.constant {{.*}} : tensor<2x8xf32>
// CHECK: ptq.linear %arg0, %[[W]] {{.*}} (tensor<4x8xf32>, tensor<2x8xf32>)
func.func @transposed_twice(%x: tensor<4x8xf32> {ptq.input = "x"}) -> tensor<4x2xf32> {
  %w = arith.constant {ptq.key = "fc.weight"} dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0]]> : tensor<2x8xf32>
  %c = arith.constant dense<0.0> : tensor<4x2xf32>
  %e0 = tensor.empty() : tensor<8x2xf32>
  %e1 = tensor.empty() : tensor<2x8xf32>
  %t0 = linalg.transpose ins(%w : tensor<2x8xf32>) outs(%e0 : tensor<8x2xf32>) permutation = [1, 0]
  %t1 = linalg.transpose ins(%t0 : tensor<8x2xf32>) outs(%e1 : tensor<2x8xf32>) permutation = [1, 0]
  %y = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %t1 : tensor<4x8xf32>, tensor<2x8xf32>)
    outs(%c : tensor<4x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

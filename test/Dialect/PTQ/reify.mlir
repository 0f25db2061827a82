// The size of a result is found without computing it.
//
// RUN: quant-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>,
func.func @linear(%x: tensor<?x?x8xf32>, %w: tensor<16x8xf32>) -> (index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  // CHECK-NOT: ptq.linear
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
  // CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
  // CHECK-DAG: %[[D0:.*]] = tensor.dim %[[X]], %[[C0]]
  // CHECK-DAG: %[[D1:.*]] = tensor.dim %[[X]], %[[C1]]
  // CHECK: return %[[D0]], %[[D1]], %[[C16]]
  %0 = ptq.linear %x, %w : (tensor<?x?x8xf32>, tensor<16x8xf32>) -> tensor<?x?x?xf32>
  %d0 = tensor.dim %0, %c0 : tensor<?x?x?xf32>
  %d1 = tensor.dim %0, %c1 : tensor<?x?x?xf32>
  %d2 = tensor.dim %0, %c2 : tensor<?x?x?xf32>
  return %d0, %d1, %d2 : index, index, index
}

// CHECK-LABEL: func.func @weight_only_linear
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>,
func.func @weight_only_linear(%x: tensor<?x8xf32>, %q: tensor<16x1xi32>, %s: tensor<16x1xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK-NOT: ptq.weight_only_linear
  // CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
  // CHECK-DAG: %[[D0:.*]] = tensor.dim %[[X]]
  // CHECK: return %[[D0]], %[[C16]]
  %0 = ptq.weight_only_linear %x, %q, %s {scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<?x8xf32>, tensor<16x1xi32>, tensor<16x1xf32>) -> tensor<?x?xf32>
  %d0 = tensor.dim %0, %c0 : tensor<?x?xf32>
  %d1 = tensor.dim %0, %c1 : tensor<?x?xf32>
  return %d0, %d1 : index, index
}

// CHECK-LABEL: func.func @elementwise
// CHECK-SAME: (%[[X:.*]]: tensor<?x?xf32>,
func.func @elementwise(%x: tensor<?x?xf32>, %s: tensor<1xf32>) -> index {
  %c1 = arith.constant 1 : index
  // CHECK-NOT: ptq
  // CHECK: %[[D1:.*]] = tensor.dim %[[X]]
  // CHECK: return %[[D1]]
  %0 = ptq.observe "x" %x : tensor<?x?xf32>
  %1 = ptq.quantize %0, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<?x?xf32>, tensor<1xf32>) -> tensor<?x?xi8>
  %2 = ptq.dequantize %1, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<?x?xi8>, tensor<1xf32>) -> tensor<?x?xf32>
  %d1 = tensor.dim %2, %c1 : tensor<?x?xf32>
  return %d1 : index
}

// CHECK-LABEL: func.func @integers
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>,
func.func @integers(%x: tensor<?x?x8xf32>, %c: tensor<8xf32>, %w: tensor<16x8xi8>, %ws: tensor<16x1xf32>)
    -> (index, index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  // CHECK-NOT: ptq
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
  // CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
  // CHECK-DAG: %[[D0:.*]] = tensor.dim %[[X]], %[[C0]]
  // CHECK-DAG: %[[D1:.*]] = tensor.dim %[[X]], %[[C1]]
  // CHECK: return %[[D1]], %[[D0]], %[[C16]], %[[D1]]
  %0 = ptq.scale_channels %x, %c : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %q, %s = ptq.dynamic_quantize %0 {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?xf32>)
  %y = ptq.integer_linear %q, %s, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>,
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<?x?x8xi8>, tensor<?x?xf32>, tensor<16x8xi8>, tensor<16x1xf32>) -> tensor<?x?x?xf32>
  %p = ptq.integer_batch_matmul %q, %s, %q, %s
     : (tensor<?x?x8xi8>, tensor<?x?xf32>, tensor<?x?x8xi8>, tensor<?x?xf32>) -> tensor<?x?x?xf32>
  %d0 = tensor.dim %s, %c1 : tensor<?x?xf32>
  %d1 = tensor.dim %y, %c0 : tensor<?x?x?xf32>
  %d2 = tensor.dim %y, %c2 : tensor<?x?x?xf32>
  %d3 = tensor.dim %p, %c2 : tensor<?x?x?xf32>
  return %d0, %d1, %d2, %d3 : index, index, index, index
}

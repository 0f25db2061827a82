// What folds, and what must not.
//
// RUN: quant-opt %s --canonicalize | FileCheck %s

// A bias of zeros adds nothing.
// CHECK-LABEL: func.func @zero_bias
func.func @zero_bias(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>, %q: tensor<16x1xi32>, %s: tensor<16x1xf32>)
    -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %zero = arith.constant dense<0.0> : tensor<16xf32>
  // CHECK: ptq.linear %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {layer = "a"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  %0 = ptq.linear %x, %w bias %zero {layer = "a"} : (tensor<4x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  // CHECK: ptq.weight_only_linear %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {layer = "b",
  // CHECK-SAME: : (tensor<4x8xf32>, tensor<16x1xi32>, tensor<16x1xf32>) -> tensor<4x16xf32>
  %1 = ptq.weight_only_linear %x, %q, %s bias %zero {layer = "b", scheme = #ptq.scheme<bits = 4, symmetric, per_channel>}
     : (tensor<4x8xf32>, tensor<16x1xi32>, tensor<16x1xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  return %0, %1 : tensor<4x16xf32>, tensor<4x16xf32>
}

// CHECK-LABEL: func.func @nonzero_bias
func.func @nonzero_bias(%x: tensor<4x8xf32>, %w: tensor<2x8xf32>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %splat = arith.constant dense<1.0> : tensor<2xf32>
  %some = arith.constant dense<[0.0, 1.0]> : tensor<2xf32>
  // CHECK: ptq.linear %{{.*}}, %{{.*}} bias
  // CHECK: ptq.linear %{{.*}}, %{{.*}} bias
  %0 = ptq.linear %x, %w bias %splat : (tensor<4x8xf32>, tensor<2x8xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %1 = ptq.linear %x, %w bias %some : (tensor<4x8xf32>, tensor<2x8xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  return %0, %1 : tensor<4x2xf32>, tensor<4x2xf32>
}

// An asymmetric scheme whose zero points are all 0 is the symmetric one.
// CHECK-LABEL: func.func @zero_points
func.func @zero_points(%x: tensor<4x8xf32>, %s: tensor<4xf32>) -> (tensor<4x8xi8>, tensor<4x8xf32>) {
  %zero = arith.constant dense<0> : tensor<4xi8>
  // CHECK: ptq.quantize %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
  %0 = ptq.quantize %x, %s zero_points %zero {scheme = #ptq.scheme<bits = 8, asymmetric, per_token, dynamic>}
     : (tensor<4x8xf32>, tensor<4xf32>, tensor<4xi8>) -> tensor<4x8xi8>
  // CHECK: ptq.dequantize %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
  %1 = ptq.dequantize %0, %s zero_points %zero {scheme = #ptq.scheme<bits = 8, asymmetric, per_channel>}
     : (tensor<4x8xi8>, tensor<4xf32>, tensor<4xi8>) -> tensor<4x8xf32>
  return %0, %1 : tensor<4x8xi8>, tensor<4x8xf32>
}

// CHECK-LABEL: func.func @nonzero_zero_points
func.func @nonzero_zero_points(%x: tensor<4x8xf32>, %s: tensor<4xf32>) -> tensor<4x8xi8> {
  %z = arith.constant dense<1> : tensor<4xi8>
  // CHECK: ptq.quantize {{.*}} zero_points {{.*}} asymmetric
  %0 = ptq.quantize %x, %s zero_points %z {scheme = #ptq.scheme<bits = 8, asymmetric, per_token>}
     : (tensor<4x8xf32>, tensor<4xf32>, tensor<4xi8>) -> tensor<4x8xi8>
  return %0 : tensor<4x8xi8>
}

// The error between quantize and dequantize is what one wants to see.
// CHECK-LABEL: func.func @never_cancelled
func.func @never_cancelled(%x: tensor<4x8xf32>, %s: tensor<1xf32>) -> tensor<4x8xf32> {
  // CHECK: ptq.quantize
  // CHECK: ptq.dequantize
  // CHECK: ptq.quantize
  // CHECK: ptq.dequantize
  %0 = ptq.quantize %x, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4x8xf32>, tensor<1xf32>) -> tensor<4x8xi8>
  %1 = ptq.dequantize %0, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4x8xi8>, tensor<1xf32>) -> tensor<4x8xf32>
  %2 = ptq.quantize %1, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4x8xf32>, tensor<1xf32>) -> tensor<4x8xi8>
  %3 = ptq.dequantize %2, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_tensor>} : (tensor<4x8xi8>, tensor<1xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// No operation has an effect: what nobody reads goes.
// CHECK-LABEL: func.func @dead
// CHECK-NEXT: return
func.func @dead(%x: tensor<4x8xf32>, %w: tensor<16x8xf32>) {
  %0 = ptq.linear %x, %w : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  %1 = ptq.observe "y" %0 : tensor<4x16xf32>
  return
}

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

// What quantizes a scaled activation scales it by the way, and leaves the scaling to its other users.
// CHECK-LABEL: func.func @absorb_channel_scales
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[C:.*]]: tensor<8xf32>, %[[S:.*]]: tensor<4xf32>)
func.func @absorb_channel_scales(%x: tensor<4x8xf32>, %c: tensor<8xf32>, %s: tensor<4xf32>)
    -> (tensor<4x8xi8>, tensor<4x8xi8>, tensor<4xf32>, tensor<4x8xi8>) {
  // CHECK-NOT: ptq.scale_channels
  // CHECK: ptq.quantize %[[X]], %[[S]] channel_scales %[[C]]
  // CHECK: ptq.dynamic_quantize %[[X]] channel_scales %[[C]]
  %0 = ptq.scale_channels %x, %c : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %1 = ptq.quantize %0, %s {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
     : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xi8>
  %2, %s2 = ptq.dynamic_quantize %0 {scheme = #ptq.scheme<bits = 8, symmetric, per_token, dynamic>}
     : (tensor<4x8xf32>) -> (tensor<4x8xi8>, tensor<4xf32>)
  // A second scaling stays: its product with the first would have to be computed.
  // CHECK: %[[SCALED:.*]] = ptq.scale_channels %[[X]], %[[C]]
  // CHECK: ptq.quantize %[[SCALED]], %[[S]] channel_scales %[[C]]
  %3 = ptq.scale_channels %x, %c : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %4 = ptq.quantize %3, %s channel_scales %c {scheme = #ptq.scheme<bits = 8, symmetric, per_token>}
     : (tensor<4x8xf32>, tensor<4xf32>, tensor<8xf32>) -> tensor<4x8xi8>
  return %1, %2, %s2, %4 : tensor<4x8xi8>, tensor<4x8xi8>, tensor<4xf32>, tensor<4x8xi8>
}

// CHECK-LABEL: func.func @scale_by_one
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: return %[[X]]
func.func @scale_by_one(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %one = arith.constant dense<1.0> : tensor<8xf32>
  %0 = ptq.scale_channels %x, %one : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// The zero point of a static activation is in the bias: b[n] - s_x·z·s_w[n]·Σ w[n, k], here
// 1 - 0.5·3·2·(1 + 2 - 4) = 4 and 2 - 0.5·3·4·(10 + 20 + 30) = -358.
// CHECK-LABEL: func.func @zero_point_correction
func.func @zero_point_correction(%x: tensor<4x3xi8>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %s = arith.constant dense<0.5> : tensor<1xf32>
  %z = arith.constant dense<3> : tensor<1xi8>
  %w = arith.constant dense<[[1, 2, -4], [10, 20, 30]]> : tensor<2x3xi8>
  %ws = arith.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK-DAG: %[[BIAS:.*]] = arith.constant {ptq.key = "up.bias"} dense<[4.000000e+00, -3.580000e+02]> : tensor<2xf32>
  // CHECK-DAG: %[[ONLY:.*]] = arith.constant dense<[3.000000e+00, -3.600000e+02]> : tensor<2xf32>
  // CHECK: ptq.integer_linear %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} bias %[[BIAS]]
  %0 = ptq.integer_linear %x, %s x_zero_points %z, %w, %ws bias %b
         {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>, layer = "up",
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x3xi8>, tensor<1xf32>, tensor<1xi8>, tensor<2x3xi8>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  // CHECK: ptq.integer_linear %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} bias %[[ONLY]]
  %1 = ptq.integer_linear %x, %s x_zero_points %z, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor>,
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x3xi8>, tensor<1xf32>, tensor<1xi8>, tensor<2x3xi8>, tensor<2x1xf32>) -> tensor<4x2xf32>
  return %0, %1 : tensor<4x2xf32>, tensor<4x2xf32>
}

// A zero point known at run time only stays, as does one of packed integers.
// CHECK-LABEL: func.func @dynamic_zero_point
func.func @dynamic_zero_point(%x: tensor<4x8xi8>, %s: tensor<1xf32>, %z: tensor<1xi8>) -> tensor<4x1xf32> {
  %w = arith.constant dense<3> : tensor<1x8xi8>
  %ws = arith.constant dense<2.0> : tensor<1x1xf32>
  // CHECK: ptq.integer_linear {{.*}} x_zero_points
  %0 = ptq.integer_linear %x, %s x_zero_points %z, %w, %ws
         {activation_scheme = #ptq.scheme<bits = 8, asymmetric, per_tensor, dynamic>,
          weight_scheme = #ptq.scheme<bits = 8, symmetric, per_channel>}
     : (tensor<4x8xi8>, tensor<1xf32>, tensor<1xi8>, tensor<1x8xi8>, tensor<1x1xf32>) -> tensor<4x1xf32>
  return %0 : tensor<4x1xf32>
}
